//! A lease table and its workers' table: what they are, and each action that a worker needs on them.

use super::{Finding, Need, failed, tried};
use cloud::aws::{Inspect, TableSummary};
use cloud::{Error, LeaseTable, Scan, StateTable};
use lease::{ShardId, WorkerId};

const LEASE_KEY: &str = "leaseKey";
/// KCL's index of leases by owner.
const OWNER_INDEX: &str = "LeaseOwnerToLeaseKeyIndex";
const OWNER: &str = "leaseOwner";
/// A row that is not there.
const PROBE: &str = "zonewatch-doctor";
/// Damaged rows that are told one by one.
const UNREADABLE_MAX: usize = 10;

/// Looks at the lease table; whether its rows could be read.
pub async fn leases(
    check: &'static str,
    inspect: &Inspect,
    table: &dyn LeaseTable,
    create: bool,
    out: &mut Vec<Finding>,
) -> bool {
    let name = table.name();
    let summary = match inspect.table(name).await {
        Ok(summary) => Some(summary),
        Err(error @ Error::Missing { .. }) => {
            out.push(missing(check, name, &error, create, "partition key leaseKey, a text"));
            return false;
        }
        Err(error) => {
            out.push(failed(check, &error, Need::Worker));
            None
        }
    };
    out.extend(summary.iter().flat_map(|summary| lease_table(check, name, summary)));
    let readable = match table.scan().await {
        Ok(scan) => {
            out.push(Finding::ok(check, "dynamodb:Scan", format!("allowed; {} leases", scan.leases.len())));
            out.extend(unreadable(check, &scan));
            true
        }
        Err(error) => {
            out.push(failed(check, &error, Need::Worker));
            false
        }
    };
    out.push(match table.get(&ShardId::new(PROBE)).await {
        Ok(_) => Finding::ok(check, "dynamodb:GetItem", "allowed"),
        Err(error) => failed(check, &error, Need::Worker),
    });
    out.push(tried(check, "dynamodb:BatchGetItem", inspect.try_read_batch(name, LEASE_KEY).await));
    out.push(tried(check, "dynamodb:PutItem", inspect.try_put(name, LEASE_KEY).await));
    out.push(tried(check, "dynamodb:UpdateItem", inspect.try_update(name, LEASE_KEY).await));
    let has_index = |summary: &TableSummary| summary.indexes.iter().any(|(index, _)| index == OWNER_INDEX);
    if summary.as_ref().is_none_or(has_index) {
        out.push(tried(check, "dynamodb:Query", inspect.try_query(name, OWNER_INDEX, OWNER).await));
    }
    readable
}

/// Looks at the workers' table.
pub async fn state(
    check: &'static str,
    inspect: &Inspect,
    table: &dyn StateTable,
    create: bool,
    out: &mut Vec<Finding>,
) {
    let name = table.name();
    let key = match inspect.table(name).await {
        Ok(summary) => {
            out.push(status(check, name, &summary));
            Some(summary.key)
        }
        Err(error @ Error::Missing { .. }) => {
            return out.push(missing(
                check,
                name,
                &error,
                create,
                "partition key worker, a text; time to live by expires",
            ));
        }
        Err(error) => {
            out.push(failed(check, &error, Need::Worker));
            None
        }
    };
    out.push(match inspect.expiry(name).await {
        Ok(Some(attribute)) => Finding::ok(check, "time to live", format!("on, by {attribute}")),
        Ok(None) => Finding::warning(
            check,
            "time to live",
            "off: rows of workers that crashed stay",
            format!(
                "turn it on: aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification \
                     Enabled=true,AttributeName=expires"
            ),
        ),
        Err(error) => failed(check, &error, Need::Look),
    });
    out.push(match table.scan().await {
        Ok(members) => Finding::ok(check, "dynamodb:Scan", format!("allowed; {} workers", members.len())),
        Err(error) => failed(check, &error, Need::Worker),
    });
    out.push(match table.read(&[WorkerId::new(PROBE)]).await {
        Ok(_) => Finding::ok(check, "dynamodb:BatchGetItem", "allowed"),
        Err(error) => failed(check, &error, Need::Worker),
    });
    let Some(key) = key else {
        let next = "mend dynamodb:DescribeTable first";
        return out.push(Finding::not_checked(check, "writes", "the table's key is not known", next));
    };
    out.push(tried(check, "dynamodb:UpdateItem", inspect.try_update(name, &key).await));
    out.push(tried(check, "dynamodb:DeleteItem", inspect.try_delete(name, &key).await));
}

fn missing(check: &'static str, name: &str, error: &Error, create: bool, key: &str) -> Finding {
    let resource = if let Error::Missing { resource, .. } = error { resource } else { name };
    let next = match create {
        true => {
            "start a worker: it makes the table, which needs dynamodb:CreateTable; or name another by leases.table or \
                 worker.app"
                .to_owned()
        }
        false => {
            format!("create it ({key}), since leases.create is false; or name another by leases.table or worker.app")
        }
    };
    Finding::problem(check, name, format!("{resource} is not there"), next)
}

fn status(check: &'static str, name: &str, summary: &TableSummary) -> Finding {
    match summary.status.as_str() {
        "ACTIVE" | "UPDATING" => Finding::ok(check, name, format!("{}, key {}", summary.status, summary.key)),
        status => {
            Finding::problem(check, name, format!("it is {status}"), "wait until it is ACTIVE, or create it anew")
        }
    }
}

fn lease_table(check: &'static str, name: &str, summary: &TableSummary) -> Vec<Finding> {
    let mut findings = vec![status(check, name, summary)];
    if summary.key != LEASE_KEY || summary.sort_key.is_some() {
        let sort_key = summary.sort_key.as_deref().map(|key| format!(", {key}")).unwrap_or_default();
        findings.push(Finding::problem(
            check,
            "its key",
            format!("({}{sort_key}); a lease table's is ({LEASE_KEY})", summary.key),
            "name another table by leases.table or --table",
        ));
    }
    findings.push(match summary.indexes.iter().find(|(index, _)| index == OWNER_INDEX) {
        Some((_, status)) if status == "ACTIVE" => Finding::ok(check, OWNER_INDEX, "ACTIVE"),
        Some((_, status)) => Finding::warning(
            check,
            OWNER_INDEX,
            format!("it is {status}: until it is ACTIVE the whole table is scanned instead"),
            "wait",
        ),
        None => Finding::warning(
            check,
            OWNER_INDEX,
            "there is none, as KCL 2 left it: the whole table is scanned instead, and KCL 3 waits for it",
            "add it: leaseOwner (hash, text), leaseKey (range, text), KEYS_ONLY",
        ),
    });
    findings
}

fn unreadable(check: &'static str, scan: &Scan) -> Vec<Finding> {
    let rows = scan.unreadable.iter().take(UNREADABLE_MAX);
    let mut findings: Vec<Finding> = rows
        .map(|row| {
            let found = if let Error::Invalid { message, .. } = &row.error { message } else { "can't be read" };
            let next = "correct or delete the row; until then its shard and that shard's children are not read";
            Finding::problem(check, row.key.as_str(), found.split("; ").next().unwrap_or(found), next)
        })
        .collect();
    if scan.unreadable.len() > UNREADABLE_MAX {
        let found = format!("{} more rows can't be read", scan.unreadable.len() - UNREADABLE_MAX);
        findings.push(Finding::problem(check, "other rows", found, "zonewatch leases list shows them all"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use cloud::Unreadable;

    fn summary() -> TableSummary {
        TableSummary {
            status: "ACTIVE".into(),
            key: LEASE_KEY.into(),
            sort_key: None,
            indexes: vec![(OWNER_INDEX.into(), "ACTIVE".into())],
        }
    }

    fn states(summary: &TableSummary) -> Vec<State> {
        lease_table("lease table", "leases", summary).iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_lease_table_is_judged_by_status_key_and_index() {
        assert_eq!(states(&summary()), [State::Ok, State::Ok]);
        assert_eq!(states(&TableSummary { status: "CREATING".into(), ..summary() })[0], State::Problem);
        let other = TableSummary { key: "id".into(), ..summary() };
        assert_eq!(states(&other), [State::Ok, State::Problem, State::Ok]);
        let sorted = TableSummary { sort_key: Some("at".into()), ..summary() };
        assert_eq!(states(&sorted), [State::Ok, State::Problem, State::Ok]);
        assert_eq!(states(&TableSummary { indexes: vec![], ..summary() }), [State::Ok, State::Warning]);
        let backfilling = TableSummary { indexes: vec![(OWNER_INDEX.into(), "CREATING".into())], ..summary() };
        assert_eq!(states(&backfilling), [State::Ok, State::Warning]);
    }

    #[test]
    fn a_missing_table_is_a_problem_whose_next_step_fits_the_configuration() {
        let error = Error::Missing { action: "a", resource: "arn:table/leases".into(), message: String::new() };
        let made = missing("lease table", "leases", &error, true, "partition key leaseKey");
        assert!(made.state == State::Problem && made.next.unwrap().starts_with("start a worker"));
        let own = missing("lease table", "leases", &error, false, "partition key leaseKey");
        assert!(own.next.unwrap().starts_with("create it (partition key leaseKey)"));
    }

    #[test]
    fn damaged_rows_are_told_one_by_one_up_to_a_limit() {
        let row = |number| Unreadable {
            key: ShardId::new(&format!("s{number}")),
            error: Error::Invalid {
                action: "a",
                resource: "r".into(),
                message: "leaseCounter is missing; correct".into(),
            },
        };
        let scan = Scan { unreadable: (0..12).map(row).collect(), ..Scan::default() };
        let findings = unreadable("lease table", &scan);
        assert_eq!(findings.len(), 11);
        assert_eq!((findings[0].subject.as_str(), findings[0].found.as_str()), ("s0", "leaseCounter is missing"));
        assert!(findings[10].found.starts_with("2 more"), "{findings:?}");
    }
}
