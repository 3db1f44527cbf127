//! What windows need: the rollup stream, its two tables, and the bucket for snapshots.

use super::{Finding, Need, failed, stream, tables, tried, within};
use crate::config::Config;
use cloud::aws::{Clients, Inspect};
use cloud::{Error, Snapshots};
use tokio::time::Instant;

const STREAM: &str = "rollup stream";
const BUCKET: &str = "bucket";
/// An object that is not there.
const PROBE: &str = "zonewatch-doctor";

/// Names that the configuration leads to.
#[derive(Debug, Clone)]
pub struct WindowsNames {
    /// The rollup stream.
    pub stream: String,
    /// Its lease table.
    pub table: String,
    /// The workers' table beside that.
    pub state_table: String,
}

/// Looks at everything that windows need.
pub async fn examine(
    deadline: Instant,
    inspect: &Inspect,
    clients: &Clients,
    config: &Config,
    names: &WindowsNames,
    out: &mut Vec<Finding>,
) {
    let create = config.leases.create;
    within(deadline, STREAM, out, async |out| {
        let rollup = clients.stream(&names.stream);
        let found = stream::examine(STREAM, inspect, &rollup, out).await;
        if found.arn.is_none() && found.shards.is_none() && create {
            out.push(Finding::warning(
                STREAM,
                &names.stream,
                "a missing one is made by the first worker",
                "start a worker, which needs kinesis:CreateStream, or create it with one provisioned shard",
            ));
        }
        out.push(tried(STREAM, "kinesis:PutRecords", inspect.try_put_records(&names.stream).await));
    })
    .await;
    within(deadline, "rollup lease table", out, async |out| {
        tables::leases("rollup lease table", inspect, &clients.lease_table(&names.table), create, out).await;
    })
    .await;
    within(deadline, "rollup state table", out, async |out| {
        tables::state("rollup state table", inspect, &clients.state_table(&names.state_table), create, out).await;
    })
    .await;
    within(deadline, BUCKET, out, async |out| {
        match clients.snapshots(&config.detect.bucket, &format!("{}/", config.worker.app)) {
            Ok(snapshots) => bucket(&config.detect.bucket, &snapshots, out).await,
            Err(error) => out.push(failed(BUCKET, &error, Need::Worker)),
        }
    })
    .await;
}

async fn bucket(name: &str, snapshots: &dyn Snapshots, out: &mut Vec<Finding>) {
    match snapshots.check().await {
        Ok(()) => out.push(Finding::ok(BUCKET, name, "it is there, and may be looked at")),
        Err(error @ Error::Missing { .. }) => return out.push(failed(BUCKET, &error, Need::Worker)),
        Err(error) => out.push(failed(BUCKET, &error, Need::Worker)),
    }
    out.push(match snapshots.list("").await {
        Ok(names) => {
            Finding::ok(BUCKET, "s3:ListBucket", format!("allowed; {} objects of this application", names.len()))
        }
        Err(error) => failed(BUCKET, &error, Need::Worker),
    });
    out.push(match snapshots.get(PROBE).await {
        Ok(_) => Finding::ok(BUCKET, "s3:GetObject", "allowed"),
        Err(error) => failed(BUCKET, &error, Need::Worker),
    });
    for action in ["s3:PutObject", "s3:DeleteObject"] {
        let found = "nothing can be tried that changes nothing";
        out.push(Finding::not_checked(BUCKET, action, found, "a worker says so in its log if it is denied"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use cloud::memory;

    #[tokio::test]
    async fn a_bucket_is_looked_at_and_not_written_to() {
        let (snapshots, mut out) = (memory::Snapshots::default(), Vec::new());
        bucket("b", &snapshots, &mut out).await;
        let states: Vec<_> = out.iter().map(|finding| (finding.subject.as_str(), finding.state)).collect();
        let expected = [
            ("b", State::Ok),
            ("s3:ListBucket", State::Ok),
            ("s3:GetObject", State::Ok),
            ("s3:PutObject", State::NotChecked),
            ("s3:DeleteObject", State::NotChecked),
        ];
        assert_eq!(states, expected);
        assert_eq!(snapshots.list("").await, Ok(Vec::new()));
    }
}
