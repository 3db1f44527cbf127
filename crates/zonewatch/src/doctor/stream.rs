//! A stream: whether it is there, and each action that reading it needs.

use super::{Finding, Need, failed};
use cloud::aws::{Inspect, StreamSummary};
use cloud::{Start, Stream};
use lease::{Shard, ShardId};
use std::collections::BTreeMap;

/// What later checks need to know of the stream.
#[derive(Debug, Default)]
pub struct Source {
    /// Its ARN, if it could be described.
    pub arn: Option<String>,
    pub retention_hours: Option<i32>,
    /// Its shards, if they could be listed.
    pub shards: Option<BTreeMap<ShardId, Shard>>,
}

/// Looks at the stream.
pub async fn examine(check: &'static str, inspect: &Inspect, stream: &dyn Stream, out: &mut Vec<Finding>) -> Source {
    let mut source = Source::default();
    match inspect.stream(stream.name()).await {
        Ok(summary) => {
            out.push(described(check, stream.name(), &summary));
            (source.arn, source.retention_hours) = (Some(summary.arn), Some(summary.retention_hours));
        }
        Err(error) => out.push(failed(check, &error, Need::Look)),
    }
    let shards = match stream.shards().await {
        Ok(shards) => shards,
        Err(error) => {
            out.push(failed(check, &error, Need::Worker));
            let next = "mend kinesis:ListShards first";
            for action in ["kinesis:GetShardIterator", "kinesis:GetRecords"] {
                out.push(Finding::not_checked(check, action, "no shard is known to try it on", next));
            }
            return source;
        }
    };
    let open = shards.iter().filter(|shard| shard.ended_at.is_none()).count();
    out.push(Finding::ok(
        check,
        "kinesis:ListShards",
        format!("allowed; {} shards, {open} of them open", shards.len()),
    ));
    if let Some(shard) = shards.iter().find(|shard| shard.ended_at.is_none()).or(shards.first()) {
        read(check, stream, &shard.id, out).await;
    }
    source.shards = Some(shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect());
    source
}

/// Tries to read a record of a shard.
async fn read(check: &'static str, stream: &dyn Stream, shard: &ShardId, out: &mut Vec<Finding>) {
    let cursor = match stream.cursor(shard, &Start::TrimHorizon).await {
        Ok(cursor) => cursor,
        Err(error) => return out.push(failed(check, &error, Need::Worker)),
    };
    out.push(Finding::ok(check, "kinesis:GetShardIterator", "allowed"));
    out.push(match stream.read(shard, &cursor, 1).await {
        Ok(_) => Finding::ok(check, "kinesis:GetRecords", "allowed"),
        Err(error) => failed(check, &error, Need::Worker),
    });
}

fn described(check: &'static str, name: &str, summary: &StreamSummary) -> Finding {
    let StreamSummary { status, mode, retention_hours, open_shards, encryption, .. } = summary;
    let found = format!(
        "{status}, {mode}, {open_shards} open shards, keeps records for {retention_hours} h, encryption {encryption}"
    );
    match status.as_str() {
        "ACTIVE" | "UPDATING" => Finding::ok(check, name, found),
        "CREATING" => Finding::problem(check, name, found, "wait until it is ACTIVE"),
        _ => Finding::problem(check, name, found, "name another stream in the configuration, or create it anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use cloud::memory;
    use std::sync::Arc;

    #[test]
    fn a_stream_that_can_be_read_is_sound_and_one_that_goes_is_not() {
        let summary = |status: &str| StreamSummary {
            arn: "arn".into(),
            status: status.into(),
            mode: "ON_DEMAND".into(),
            retention_hours: 24,
            open_shards: 4,
            encryption: "KMS".into(),
        };
        for (status, state) in [("ACTIVE", State::Ok), ("UPDATING", State::Ok), ("DELETING", State::Problem)] {
            let finding = described("stream", "queries", &summary(status));
            assert_eq!(finding.state, state, "{status}");
            assert!(finding.found.contains("ON_DEMAND, 4 open shards, keeps records for 24 h, encryption KMS"));
        }
    }

    #[tokio::test]
    async fn reading_is_tried_action_by_action() {
        let stream = memory::Stream::new("queries", 1, Arc::new(|| 0));
        let shard = stream.shards().await.unwrap().remove(0).id;
        let mut out = Vec::new();
        read("stream", &stream, &shard, &mut out).await;
        let states: Vec<_> = out.iter().map(|finding| (finding.subject.as_str(), finding.state)).collect();
        assert_eq!(states, [("kinesis:GetShardIterator", State::Ok), ("kinesis:GetRecords", State::Ok)]);
        out.clear();
        read("stream", &stream, &ShardId::new("nowhere"), &mut out).await;
        assert_eq!(out.iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Problem]);
    }
}
