//! What is missing or wrong around a worker, each finding with the next step.
//!
//! Nothing is changed: actions that write are tried with writes that can't take effect. Every check has an end: calls by
//! their own time-outs, all together by the run's. What the role in use may not look at, and no worker needs to, is not
//! checked and no problem.

mod fleet;
mod lag;
mod outlets;
mod report;
mod stream;
mod subscription;
mod surroundings;
mod tables;
mod windows;

pub use report::Report;
pub use windows::WindowsNames;

use crate::config::Config;
use cloud::aws::{Allowed, Clients, Watch};
use cloud::{Error, LeaseTable, StateTable, Stream};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    NotChecked,
    Warning,
    Problem,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of check.
    pub check: &'static str,
    /// What was looked at: a resource, an action.
    pub subject: String,
    pub state: State,
    pub found: String,
    /// What to do; none if all is well.
    pub next: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), state: State::Ok, found: found.into(), next: None }
    }

    fn bad(
        state: State,
        check: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { check, subject: subject.into(), state, found: found.into(), next: Some(next.into()) }
    }

    fn warning(
        check: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::bad(State::Warning, check, subject, found, next)
    }

    fn problem(
        check: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::bad(State::Problem, check, subject, found, next)
    }

    fn not_checked(
        check: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::bad(State::NotChecked, check, subject, found, next)
    }
}

/// Whether a worker must be allowed an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It does nothing without.
    Worker,
    /// Only this look needs it.
    Look,
}

/// What a failed call means.
fn failed(check: &'static str, error: &Error, need: Need) -> Finding {
    let (action, resource, message) = match error {
        Error::Throttled { action, resource, .. } => {
            let found = format!("throttled on {resource}");
            return Finding::warning(check, *action, found, "run doctor again; raise the limit if this lasts");
        }
        Error::Expired => {
            return Finding::warning(check, "kinesis:GetRecords", error.to_string(), "run doctor again");
        }
        Error::Denied { action, resource, message }
        | Error::Missing { action, resource, message }
        | Error::Unavailable { action, resource, message }
        | Error::Invalid { action, resource, message } => (*action, resource, message),
    };
    match error {
        Error::Denied { .. } if need == Need::Look => Finding::not_checked(
            check,
            action,
            format!("the role in use may not do this on {resource}"),
            "no worker needs it; allow it for this check, or look by hand",
        ),
        Error::Denied { .. } => Finding::problem(
            check,
            action,
            format!("denied on {resource}: {message}"),
            format!("allow {action} on {resource} for the role in use"),
        ),
        Error::Missing { .. } => Finding::problem(
            check,
            action,
            format!("{resource} is not there"),
            "check the name, the region and the account, or create it",
        ),
        Error::Unavailable { .. } => Finding::problem(
            check,
            action,
            format!("no usable answer for {resource}: {message}"),
            "check the way to the service: endpoint, proxy, VPC endpoint, security group",
        ),
        // Such a message says what to do itself.
        _ => {
            let (found, next) = message.split_once("; ").unwrap_or((message, "correct it and run doctor again"));
            Finding::problem(check, action, format!("{resource}: {found}"), next)
        }
    }
}

/// What trying an action that writes means.
fn tried(check: &'static str, action: &'static str, tried: Result<Allowed, Error>) -> Finding {
    match tried {
        Ok(Allowed::Tried) => Finding::ok(check, action, "allowed"),
        Ok(Allowed::Inferred(answer)) => Finding::ok(
            check,
            action,
            format!("not denied; inferred, since only a call that writes nothing was made: {answer}"),
        ),
        Err(error) => failed(check, &error, Need::Worker),
    }
}

/// What is looked at besides the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The lease table's name.
    pub table: String,
    /// The workers' table's name.
    pub state_table: String,
    /// What windows need, if they are computed.
    pub windows: Option<WindowsNames>,
    /// Log groups to look for a subscription filter in; empty: those of Route 53.
    pub log_groups: Vec<String>,
    /// Where they are.
    pub log_region: String,
    /// When the run ends, finished or not.
    pub limit: Duration,
}

/// The ports that are looked through.
struct Ports {
    stream: Box<dyn Stream>,
    table: Box<dyn LeaseTable>,
    state: Box<dyn StateTable>,
}

/// Makes every check. `tell` hears what takes time.
pub async fn examine(config: &Config, options: &Options, tell: &mut dyn FnMut(String)) -> Report {
    let deadline = Instant::now() + options.limit;
    let watch = Watch::default();
    let mut findings = vec![surroundings::roots(&cloud::aws::roots())];
    let clients = match Clients::from_env_watched(&watch).await {
        Ok(clients) => clients,
        Err(error) => {
            findings.extend(without_credentials(&error));
            return Report::new(findings);
        }
    };
    findings.push(Finding::ok("credentials", clients.region(), "there is a region, and there are credentials"));
    let ports = Ports {
        stream: Box::new(clients.stream(&config.source.stream)),
        table: Box::new(clients.lease_table(&options.table)),
        state: Box::new(clients.state_table(&options.state_table)),
    };
    let inspect = clients.inspect();
    let (mut source, mut leases) = (stream::Source::default(), false);
    let out = &mut findings;
    within(deadline, "stream", out, async |out| {
        source = stream::examine("stream", &inspect, &*ports.stream, out).await;
    })
    .await;
    within(deadline, "outlet", out, async |out| outlets::examine(&inspect, &clients, config, out).await).await;
    within(deadline, "lease table", out, async |out| {
        leases = tables::leases("lease table", &inspect, &*ports.table, config.leases.create, out).await;
    })
    .await;
    within(deadline, "state table", out, async |out| {
        tables::state("state table", &inspect, &*ports.state, config.leases.create, out).await;
    })
    .await;
    if let Some(names) = &options.windows {
        windows::examine(deadline, &inspect, &clients, config, names, out).await;
    }
    if leases {
        let failover = Duration::from_secs(config.leases.failover_secs);
        within(deadline, "leases", out, async |out| fleet::examine(&ports, &source, failover, tell, out).await).await;
        within(deadline, "lag", out, async |out| lag::examine(&ports, &source, out).await).await;
    } else {
        let found = "the leases could not be read";
        for check in ["leases", "lag"] {
            out.push(Finding::not_checked(check, &options.table, found, "mend the lease table, then run doctor again"));
        }
    }
    let logs = inspect.logs(&options.log_region);
    within(deadline, "subscription", out, async |out| {
        subscription::examine(&logs, config, options, &source, out).await;
    })
    .await;
    let seen = watch.seen();
    out.push(surroundings::throttling(&seen));
    out.push(surroundings::clock(seen.clock));
    Report::new(findings)
}

/// A part of the run, ended by the run's end. What it found until then is kept.
async fn within(
    deadline: Instant,
    check: &'static str,
    out: &mut Vec<Finding>,
    part: impl AsyncFnOnce(&mut Vec<Finding>),
) {
    if tokio::time::timeout_at(deadline, part(out)).await.is_err() {
        let next = "raise --timeout, and look why calls take so long";
        out.push(Finding::not_checked(check, "the rest", "the time for this run was over", next));
    }
}

fn without_credentials(error: &Error) -> Vec<Finding> {
    let mut findings = vec![failed("credentials", error, Need::Worker)];
    for check in
        ["stream", "outlet", "lease table", "state table", "leases", "lag", "subscription", "throttling", "clock"]
    {
        findings.push(Finding::not_checked(
            check,
            "everything",
            "no call could be made",
            "mend the first finding, then run doctor again",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: &str) -> Error {
        let (action, resource, message) = ("kinesis:GetRecords", "arn".to_owned(), "said so; do this".to_owned());
        match kind {
            "denied" => Error::Denied { action, resource, message },
            "missing" => Error::Missing { action, resource, message },
            "unavailable" => Error::Unavailable { action, resource, message },
            "throttled" => Error::Throttled { action, resource, retry_after: Duration::ZERO },
            _ => Error::Invalid { action, resource, message },
        }
    }

    #[test]
    fn every_failure_finds_its_state_and_next_step() {
        for (kind, need, state, next) in [
            ("denied", Need::Worker, State::Problem, "allow kinesis:GetRecords on arn"),
            ("denied", Need::Look, State::NotChecked, "no worker needs it"),
            ("missing", Need::Worker, State::Problem, "check the name, the region and the account"),
            ("unavailable", Need::Worker, State::Problem, "check the way to the service"),
            ("throttled", Need::Worker, State::Warning, "raise the limit"),
            ("invalid", Need::Worker, State::Problem, "do this"),
        ] {
            let finding = failed("stream", &error(kind), need);
            assert_eq!((finding.state, finding.subject.as_str()), (state, "kinesis:GetRecords"), "{kind}");
            assert!(finding.next.as_ref().is_some_and(|text| text.contains(next)), "{finding:?}");
        }
    }

    #[test]
    fn what_was_only_inferred_is_said_to_be() {
        let finding = tried("outlet", "firehose:PutRecordBatch", Ok(Allowed::Inferred("ValidationException".into())));
        assert!(finding.state == State::Ok && finding.found.contains("inferred"), "{finding:?}");
        let denied = tried("outlet", "firehose:PutRecordBatch", Err(error("denied")));
        assert_eq!(denied.state, State::Problem);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_end_keeps_what_it_found_and_says_so() {
        let mut out = Vec::new();
        within(Instant::now() + Duration::from_secs(9), "lag", &mut out, async |out| {
            out.push(Finding::ok("lag", "s", "fine"));
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!(out.iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Ok, State::NotChecked]);
    }

    #[test]
    fn without_credentials_the_first_step_is_named_and_nothing_is_called_sound() {
        let error = Error::Invalid {
            action: "look for credentials",
            resource: "this machine".into(),
            message: "none usable; set AWS_PROFILE".into(),
        };
        let findings = without_credentials(&error);
        assert_eq!(findings[0].next.as_deref(), Some("set AWS_PROFILE"));
        assert!(findings.iter().all(|finding| finding.state != State::Ok));
    }
}
