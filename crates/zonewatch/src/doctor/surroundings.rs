//! What is around every call: the roots of TLS, the limits of the services, and this machine's clock.

use super::Finding;
use cloud::aws::{Clock, Roots, Seen};

/// A signature is refused when it is five minutes off.
const CLOCK_PROBLEM_MS: u64 = 5 * 60 * 1_000;
const CLOCK_WARNING_MS: u64 = 5_000;

/// Whose certificates are believed.
pub fn roots(roots: &Roots) -> Finding {
    let (check, subject) = ("roots", "this machine");
    let next = "install the package ca-certificates, or name a file of authorities in SSL_CERT_FILE";
    let found = match roots.count {
        1 => "1 authority's certificates are believed".to_owned(),
        count => format!("{count} authorities' certificates are believed"),
    };
    match (roots.count, roots.faults.as_slice()) {
        (0, faults) => {
            let why = faults.first().map_or(String::new(), |fault| format!(": {fault}"));
            Finding::problem(check, subject, format!("no authority's certificates are believed{why}"), next)
        }
        (_, []) => Finding::ok(check, subject, found),
        (_, [fault, ..]) => Finding::warning(check, subject, format!("{found}; {fault}"), next),
    }
}

/// Calls that were refused for now while this ran.
pub fn throttling(seen: &Seen) -> Finding {
    let (check, subject) = ("throttling", "this run");
    if seen.throttled.is_empty() {
        return Finding::ok(check, subject, format!("{} calls, none throttled", seen.calls));
    }
    let each: Vec<String> = seen.throttled.iter().map(|(action, count)| format!("{action} {count} times")).collect();
    Finding::warning(
        check,
        subject,
        format!("{} calls, throttled: {}", seen.calls, each.join(", ")),
        "raise the limit of what was throttled: more shards or fewer consumers for kinesis (5 reads/s a shard, all \
         together), more capacity for dynamodb",
    )
}

/// This machine's clock beside a service's.
pub fn clock(clock: Option<Clock>) -> Finding {
    let (check, subject) = ("clock", "this machine");
    let Some(Clock { ahead_ms, round_trip }) = clock else {
        return Finding::not_checked(check, subject, "no answer told the time", "run doctor again");
    };
    let apart = ahead_ms.unsigned_abs();
    let direction = if ahead_ms > 0 { "behind" } else { "ahead of" };
    // An answer tells whole seconds.
    let unsure = 0.5 + round_trip.as_secs_f64() / 2.0;
    let found = format!("{:.1} s {direction} the services' clock, give or take {unsure:.1} s", apart as f64 / 1_000.0);
    let next = "set it by NTP (chrony, systemd-timesyncd)";
    match (apart > CLOCK_WARNING_MS, apart > CLOCK_PROBLEM_MS) {
        (false, _) => Finding::ok(check, subject, found),
        (true, false) => Finding::warning(check, subject, found, next),
        (true, true) => {
            Finding::problem(check, subject, found, format!("{next}: calls are refused, their signatures seem expired"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        for (ahead_ms, state, direction) in [
            (4_000, State::Ok, "behind"),
            (-5_001, State::Warning, "ahead of"),
            (299_000, State::Warning, "behind"),
            (-301_000, State::Problem, "ahead of"),
        ] {
            let finding = clock(Some(Clock { ahead_ms, round_trip: Duration::from_millis(20) }));
            assert_eq!(finding.state, state, "{finding:?}");
            assert!(finding.found.contains(direction), "{finding:?}");
        }
        assert_eq!(clock(None).state, State::NotChecked);
    }

    #[test]
    fn without_a_root_nothing_is_believed() {
        let found = |count, faults: &[&str]| {
            roots(&Roots { count, faults: faults.iter().map(|fault| (*fault).to_owned()).collect() })
        };
        assert_eq!(found(142, &[]).state, State::Ok);
        assert!(found(142, &[]).found.starts_with("142 authorities"));
        assert_eq!(found(1, &["no such file"]).state, State::Warning);
        let none = found(0, &["no such file"]);
        assert!(none.state == State::Problem && none.found.ends_with("believed: no such file"), "{none:?}");
    }

    #[test]
    fn throttled_calls_are_counted_by_action() {
        let mut seen = Seen { calls: 7, ..Seen::default() };
        assert_eq!(throttling(&seen).state, State::Ok);
        seen.throttled.insert("dynamodb:Scan".into(), 2);
        let finding = throttling(&seen);
        assert!(finding.state == State::Warning && finding.found.contains("dynamodb:Scan 2 times"), "{finding:?}");
    }
}
