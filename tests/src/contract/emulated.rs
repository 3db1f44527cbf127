//! Kinesis streams on emulators, as the suites want them.

use super::streams::{Reshard, Streamed};
use crate::emulators::{Emulator, Stream, wait_for};
use cloud::aws::Clients;
use lease::ShardId;
use serde_json::{Value, json};
use std::time::Duration;

/// The AWS adapters, with every service at this emulator.
pub async fn clients(emulator: &Emulator) -> Clients {
    Clients::for_emulator(emulator.url()).await.expect("nothing is looked for")
}

/// A new stream of two shards, called by what `name` makes of it.
pub async fn streamed(emulator: Emulator, name: impl Fn(&Stream) -> String) -> Streamed {
    let made = Stream::create(emulator.clone(), 2);
    let stream = clients(&emulator).await.stream(&name(&made));
    Streamed { stream: Box::new(stream), reshard: Box::new(Emulated { emulator, stream: made }) }
}

struct Emulated {
    emulator: Emulator,
    stream: Stream,
}

impl Emulated {
    fn change(&self, action: &str, mut request: Value) {
        request["StreamName"] = json!(self.stream.name);
        self.emulator.call(&format!("Kinesis_20131202.{action}"), &request);
        wait_for("the stream to be active again", Duration::from_secs(30), || {
            let request = json!({ "StreamName": self.stream.name });
            let answer = self.emulator.call("Kinesis_20131202.DescribeStreamSummary", &request);
            (answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE").then_some(())
        });
    }
}

impl Reshard for Emulated {
    fn split(&self, shard: &ShardId, at: u128) {
        self.change("SplitShard", json!({ "ShardToSplit": shard.as_str(), "NewStartingHashKey": at.to_string() }));
    }

    fn merge(&self, lower: &ShardId, upper: &ShardId) {
        self.change("MergeShards", json!({ "ShardToMerge": lower.as_str(), "AdjacentShardToMerge": upper.as_str() }));
    }
}
