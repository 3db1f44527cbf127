//! The emulators, called by plain HTTP: making streams and buckets, putting records, reading what arrived.
//!
//! Only the product goes through the SDK. A test that used the same client on both ends would not see that client's
//! mistakes.

use crate::http;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One emulator's address.
#[derive(Debug, Clone)]
pub struct Emulator {
    url: String,
}

impl Emulator {
    /// Kinesis (kinesis-local).
    pub fn kinesis() -> Self {
        Self::named("ZONEWATCH_TEST_KINESIS")
    }

    /// DynamoDB, Firehose and S3 (ministack).
    pub fn aws() -> Self {
        Self::named("ZONEWATCH_TEST_AWS")
    }

    /// CloudWatch Logs and the Kinesis that its subscriptions write to (moto).
    pub fn moto() -> Self {
        Self::named("ZONEWATCH_TEST_MOTO")
    }

    /// DynamoDB by AWS's own code (DynamoDB Local), which only `cargo xtask full` starts.
    pub fn dynamodb_local() -> Self {
        Self::named("ZONEWATCH_TEST_DYNAMODB")
    }

    /// Kinesis for load (ferrokinesis), which only `cargo xtask full` starts. It always says that a reader is at the tip.
    pub fn ferrokinesis() -> Self {
        Self::named("ZONEWATCH_TEST_FERROKINESIS")
    }

    /// The same, refusing writes beyond a shard's 1 MB and 1,000 records a second.
    pub fn ferrokinesis_with_limits() -> Self {
        Self::named("ZONEWATCH_TEST_FERROKINESIS_LIMITED")
    }

    /// One that a test has started.
    pub fn at(url: String) -> Self {
        Self { url }
    }

    fn named(variable: &str) -> Self {
        let url = std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run the tests with `cargo xtask test` or `cargo xtask emulators -- COMMAND`")
        });
        Self { url }
    }

    /// Its address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call of a JSON service: `Kinesis_20131202.CreateStream`. A refusal fails the test.
    pub fn call(&self, target: &str, request: &Value) -> Value {
        self.try_call(target, request).unwrap_or_else(|refusal| panic!("{target} {request}: {refusal}"))
    }

    /// The same; a refusal is the service's answer as text.
    pub fn try_call(&self, target: &str, request: &Value) -> Result<Value, String> {
        let authorization = authorization(service(target));
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
            ("x-amz-date", "20260101T000000Z"),
            ("authorization", authorization.as_str()),
        ];
        let answer = http::send("POST", &format!("{}/", self.url), &headers, request.to_string().as_bytes());
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.status {
            200 if answer.body.is_empty() => Ok(Value::Null),
            200 => serde_json::from_slice(&answer.body).map_err(|error| format!("{error}: {}", answer.text())),
            status => Err(format!("{status} {}", answer.text())),
        }
    }

    /// Makes an empty bucket.
    pub fn create_bucket(&self, bucket: &str) {
        self.s3("PUT", &format!("/{bucket}"));
    }

    /// The names of a bucket's objects that begin so; the first thousand.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let text = self.s3("GET", &format!("/{bucket}?list-type=2&prefix={prefix}")).text();
        let after = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        after.map(|(key, _)| key.to_owned()).collect()
    }

    /// An S3 call: method and `/bucket/key`.
    fn s3(&self, method: &str, path: &str) -> http::Response {
        let authorization = authorization("s3");
        let answer = http::send(method, &format!("{}{path}", self.url), &[("authorization", &authorization)], b"");
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer
    }
}

/// The signing name that belongs to a target's prefix.
fn service(target: &str) -> &'static str {
    match target.split('_').next() {
        Some("Kinesis") => "kinesis",
        Some("DynamoDB") => "dynamodb",
        Some("Firehose") => "firehose",
        Some("Logs") => "logs",
        _ => panic!("{target}: no such service here"),
    }
}

/// Emulators look at its form and at the service's name, not at the signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
    )
}

/// A name that no other test of this run has.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks again until there is an answer; fails the test after `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < patience, "waited {} s for {what}", patience.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A record as Kinesis gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// The shard it was read from.
    pub shard: String,
    /// Its place.
    pub sequence_number: String,
    /// When it arrived, seconds since 1970 as the service says it.
    pub arrival_secs: f64,
    /// Its data, base64.
    pub data: String,
}

/// A Kinesis stream on one of the emulators.
#[derive(Debug, Clone)]
pub struct Stream {
    emulator: Emulator,
    /// Its name.
    pub name: String,
}

impl Stream {
    /// Makes a stream and waits until it is there.
    pub fn create(emulator: Emulator, shards: u32) -> Self {
        let name = unique("queries");
        emulator.call("Kinesis_20131202.CreateStream", &json!({ "StreamName": name, "ShardCount": shards }));
        let stream = Self { emulator, name };
        stream.wait_until_active();
        stream
    }

    fn wait_until_active(&self) {
        wait_for("an active stream", Duration::from_secs(30), || {
            (self.describe()["StreamStatus"] == "ACTIVE").then_some(())
        });
    }

    fn describe(&self) -> Value {
        let answer = self.emulator.call("Kinesis_20131202.DescribeStreamSummary", &json!({ "StreamName": self.name }));
        answer["StreamDescriptionSummary"].clone()
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        text(&self.describe()["StreamARN"])
    }

    /// Its shards' ids.
    pub fn shards(&self) -> Vec<String> {
        let answer = self.emulator.call("Kinesis_20131202.ListShards", &json!({ "StreamName": self.name }));
        list(&answer["Shards"]).iter().map(|shard| text(&shard["ShardId"])).collect()
    }

    /// Puts records: partition key and base64 data.
    pub fn put(&self, records: &[(String, String)]) {
        // Few at a time: this emulator takes half a megabyte a second.
        for part in records.chunks(20) {
            let entries: Vec<Value> =
                part.iter().map(|(key, data)| json!({ "PartitionKey": key, "Data": data })).collect();
            let request = json!({ "StreamName": self.name, "Records": entries });
            let answer = self.emulator.call("Kinesis_20131202.PutRecords", &request);
            assert_eq!(answer["FailedRecordCount"].as_u64().unwrap_or(0), 0, "{answer}");
        }
    }

    /// Puts records at places of the hash-key space: hash key and base64 data.
    pub fn put_at(&self, records: &[(u128, String)]) {
        let entry = |(place, data): &(u128, String)| json!({ "PartitionKey": "key", "ExplicitHashKey": place.to_string(), "Data": data });
        let entries: Vec<Value> = records.iter().map(entry).collect();
        let request = json!({ "StreamName": self.name, "Records": entries });
        let answer = self.emulator.call("Kinesis_20131202.PutRecords", &request);
        assert_eq!(answer["FailedRecordCount"].as_u64().unwrap_or(0), 0, "{answer}");
    }

    /// Its open shards and the hash keys of each, first and last, in their order.
    pub fn open_shards(&self) -> Vec<(String, u128, u128)> {
        let answer = self.emulator.call("Kinesis_20131202.ListShards", &json!({ "StreamName": self.name }));
        let key = |shard: &Value, end: &str| text(&shard["HashKeyRange"][end]).parse().expect("a hash key");
        let is_open = |shard: &&Value| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
        let shards = list(&answer["Shards"]);
        let mut open: Vec<(String, u128, u128)> = shards
            .iter()
            .filter(is_open)
            .map(|shard| (text(&shard["ShardId"]), key(shard, "StartingHashKey"), key(shard, "EndingHashKey")))
            .collect();
        open.sort_by_key(|(_, first, _)| *first);
        open
    }

    /// Every shard that came of others, with these.
    pub fn families(&self) -> Vec<(String, Vec<String>)> {
        let answer = self.emulator.call("Kinesis_20131202.ListShards", &json!({ "StreamName": self.name }));
        let parents = |shard: &Value| {
            let named = ["ParentShardId", "AdjacentParentShardId"].map(|name| shard[name].as_str().map(str::to_owned));
            named.into_iter().flatten().collect::<Vec<_>>()
        };
        let families = list(&answer["Shards"]).into_iter().map(|shard| (text(&shard["ShardId"]), parents(&shard)));
        families.filter(|(_, parents)| !parents.is_empty()).collect()
    }

    /// Splits an open shard in halves.
    pub fn split(&self, shard: &(String, u128, u128)) {
        let (id, first, last) = shard;
        let middle = first + (last - first) / 2 + 1;
        self.reshard("SplitShard", json!({ "ShardToSplit": id, "NewStartingHashKey": middle.to_string() }));
    }

    /// Makes one of two open shards that lie side by side.
    pub fn merge(&self, shard: &str, next: &str) {
        self.reshard("MergeShards", json!({ "ShardToMerge": shard, "AdjacentShardToMerge": next }));
    }

    fn reshard(&self, call: &str, mut request: Value) {
        request["StreamName"] = self.name.clone().into();
        self.emulator.call(&format!("Kinesis_20131202.{call}"), &request);
        self.wait_until_active();
    }

    /// Everything in it, shard by shard.
    pub fn read_all(&self) -> Vec<Captured> {
        self.shards().iter().flat_map(|shard| self.read_shard(shard)).collect()
    }

    fn read_shard(&self, shard: &str) -> Vec<Captured> {
        let start = json!({ "StreamName": self.name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let mut iterator = self.emulator.call("Kinesis_20131202.GetShardIterator", &start)["ShardIterator"].clone();
        let mut found = Vec::new();
        while iterator.is_string() {
            let answer = self.emulator.call("Kinesis_20131202.GetRecords", &json!({ "ShardIterator": iterator }));
            let records = list(&answer["Records"]);
            found.extend(records.iter().map(|record| Captured {
                shard: shard.to_owned(),
                sequence_number: text(&record["SequenceNumber"]),
                arrival_secs: record["ApproximateArrivalTimestamp"].as_f64().unwrap_or(0.0),
                data: text(&record["Data"]),
            }));
            if records.is_empty() && answer["MillisBehindLatest"].as_u64().unwrap_or(0) == 0 {
                break;
            }
            iterator = answer["NextShardIterator"].clone();
        }
        found
    }
}

/// A Firehose delivery stream into a bucket of its own.
#[derive(Debug, Clone)]
pub struct Delivery {
    emulator: Emulator,
    /// The delivery stream's name.
    pub name: String,
    bucket: String,
}

impl Delivery {
    /// Makes both.
    pub fn create(emulator: Emulator) -> Self {
        let (name, bucket) = (unique("records"), unique("bucket"));
        emulator.s3("PUT", &format!("/{bucket}"));
        let destination = json!({
            "BucketARN": format!("arn:aws:s3:::{bucket}"),
            "RoleARN": "arn:aws:iam::000000000000:role/firehose",
        });
        let request = json!({
            "DeliveryStreamName": name, "DeliveryStreamType": "DirectPut", "ExtendedS3DestinationConfiguration": destination,
        });
        emulator.call("Firehose_20150804.CreateDeliveryStream", &request);
        Self { emulator, name, bucket }
    }

    /// Every object that has arrived, one for each Firehose entry.
    pub fn objects(&self) -> Vec<Vec<u8>> {
        self.keys().iter().map(|key| self.emulator.s3("GET", &format!("/{}/{key}", self.bucket)).body).collect()
    }

    /// Every line that has arrived, repetitions included.
    pub fn lines(&self) -> Vec<String> {
        let objects = self.objects();
        let texts = objects.iter().map(|object| String::from_utf8(object.clone()).expect("records are UTF-8"));
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.emulator.s3("GET", &format!("/{}?list-type=2{token}", self.bucket)).text();
            keys.extend(between(&page, "<Key>", "</Key>"));
            match between(&page, "<NextContinuationToken>", "</NextContinuationToken>").first() {
                Some(next) => token = format!("&continuation-token={next}"),
                None => return keys,
            }
        }
    }
}

/// The lease table's rows, by shard: attribute → value, without DynamoDB's type marks.
pub fn lease_rows(emulator: &Emulator, table: &str) -> Vec<Value> {
    let Ok(answer) =
        emulator.try_call("DynamoDB_20120810.Scan", &json!({ "TableName": table, "ConsistentRead": true }))
    else {
        // Not made yet.
        return Vec::new();
    };
    let plain = |row: &Value| {
        let cells = row.as_object().into_iter().flatten();
        cells
            .map(|(name, cell)| {
                (name.clone(), cell.as_object().and_then(|typed| typed.values().next()).cloned().unwrap_or_default())
            })
            .collect()
    };
    list(&answer["Items"]).iter().map(plain).map(Value::Object).collect()
}

fn between(page: &str, open: &str, close: &str) -> Vec<String> {
    page.split(open).skip(1).filter_map(|part| part.split(close).next()).map(str::to_owned).collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

/// Base64, as the JSON protocol carries bytes.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cut_from_a_listing() {
        assert_eq!(between("<a><Key>x</Key></a><Key>y/z</Key>", "<Key>", "</Key>"), ["x", "y/z"]);
    }
}
