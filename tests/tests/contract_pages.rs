//! Every call of the AWS adapters that answers by pages follows all of them, and a batch that was answered in part is asked
//! for the rest.
//!
//! Emulators answer what a test can write in one page. The real SDK speaks to a small service on loopback.

use cloud::aws::Clients;
use cloud::{Error, LeaseTable as _, StateTable as _, Stream as _};
use lease::{Lease, WorkerId};
use serde_json::{Value, json};
use zonewatch_tests::contract::answers::{Answer, Service};

async fn clients(service: &Service) -> Clients {
    Clients::for_emulator(service.url()).await.expect("nothing is looked for")
}

fn says(body: &Value) -> Answer {
    Answer::Says(body.to_string())
}

/// The calls that came, as JSON.
fn calls(service: &Service) -> Vec<Value> {
    service.calls().iter().map(|call| serde_json::from_str(call).expect("a JSON body")).collect()
}

/// Two rows a page; all but the last page name the row after which the next begins.
fn pages(rows: &[Value], key: &str) -> Vec<Answer> {
    let last = rows.len().div_ceil(2) - 1;
    let page = |(number, rows): (usize, &[Value])| match number == last {
        true => says(&json!({ "Items": rows })),
        false => says(&json!({ "Items": rows, "LastEvaluatedKey": { key: rows[1][key] } })),
    };
    rows.chunks(2).enumerate().map(page).collect()
}

/// Where each call began, by the key's text; the first began at the start.
fn begun_after(calls: &[Value], key: &str) -> Vec<Option<String>> {
    let begun = |call: &Value| call["ExclusiveStartKey"][key]["S"].as_str().map(str::to_owned);
    calls.iter().map(begun).collect()
}

fn lease(key: &str) -> Value {
    json!({
        "leaseKey": { "S": key }, "leaseCounter": { "N": "1" }, "checkpoint": { "S": "TRIM_HORIZON" },
        "leaseOwner": { "S": "w" },
    })
}

fn member(name: &str) -> Value {
    json!({
        "worker": { "S": name }, "version": { "N": "1" }, "beat": { "N": "8" }, "periodMs": { "N": "1500" },
        "standing": { "S": "active" }, "leases": { "N": "3" }, "weight": { "N": "2000" }, "capacity": { "N": "1750" },
        "otherConsumers": { "BOOL": false }, "expires": { "N": "4000000000" },
    })
}

fn keys(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.key.as_str()).collect()
}

#[tokio::test]
async fn shards_of_every_page_are_listed() {
    let shard = |number: u32| {
        json!({
            "ShardId": format!("shardId-{number:012}"), "SequenceNumberRange": { "StartingSequenceNumber": "1" },
            "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "9" },
        })
    };
    let service = Service::start([
        says(&json!({ "Shards": [shard(0), shard(1)], "NextToken": "more" })),
        // A page that fails for a moment is asked for again.
        Answer::Refuses(500, "InternalFailure"),
        says(&json!({ "Shards": [shard(2), shard(3)], "NextToken": "and more" })),
        says(&json!({ "Shards": [shard(4)] })),
    ]);
    let shards = clients(&service).await.stream("queries").shards().await.expect("three pages");
    let names: Vec<_> = (0..5).map(|number| format!("shardId-{number:012}")).collect();
    assert_eq!(shards.iter().map(|shard| shard.id.as_str()).collect::<Vec<_>>(), names);
    // Kinesis refuses a page token beside a name.
    let asked: Vec<_> =
        calls(&service).into_iter().map(|call| (call["StreamName"].clone(), call["NextToken"].clone())).collect();
    let token = |token: &str| (Value::Null, json!(token));
    assert_eq!(asked, [(json!("queries"), Value::Null), token("more"), token("more"), token("and more")]);
}

#[tokio::test]
async fn lease_rows_and_strangers_of_every_page_are_scanned() {
    let stranger = |name: &str| json!({ "wid": { "S": name }, "lut": { "N": "7" } });
    let mut answers = pages(&["a", "b", "c", "d", "e"].map(lease), "leaseKey");
    answers.extend(pages(&["v", "w", "x"].map(stranger), "wid"));
    let service = Service::start(answers);
    let scan = clients(&service).await.lease_table("leases").scan().await.expect("five pages");
    assert_eq!(keys(&scan.leases), ["a", "b", "c", "d", "e"]);
    assert_eq!(scan.strangers.keys().collect::<Vec<_>>(), ["v", "w", "x"]);
    let calls = calls(&service);
    let (leases, strangers) = calls.split_at(3);
    assert_eq!(begun_after(leases, "leaseKey"), [None, Some("b".into()), Some("d".into())]);
    assert_eq!(begun_after(strangers, "wid"), [None, Some("w".into())]);
    assert!(leases.iter().all(|call| call["ConsistentRead"] == true && call["TableName"] == "leases"), "{leases:?}");
    assert!(strangers.iter().all(|call| call["TableName"] == "leases-WorkerMetricStats"), "{strangers:?}");
}

#[tokio::test]
async fn workers_of_every_page_are_scanned() {
    let service = Service::start(pages(&["a", "b", "c", "d", "e"].map(member), "worker"));
    let members = clients(&service).await.state_table("state").scan().await.expect("three pages");
    assert_eq!(members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert_eq!(begun_after(&calls(&service), "worker"), [None, Some("b".into()), Some("d".into())]);
}

#[tokio::test]
async fn owned_leases_of_every_page_of_the_index_are_read() {
    let entry = |key: &str| json!({ "leaseKey": { "S": key }, "leaseOwner": { "S": "w" } });
    let mut answers = pages(&["a", "b", "c", "d", "e"].map(entry), "leaseKey");
    // What the index still says is not what the rows do: `b` is gone, `d` is another's.
    let mut rows = ["a", "c", "d", "e"].map(lease);
    rows[2]["leaseOwner"] = json!({ "S": "other" });
    answers.push(says(&json!({ "Responses": { "leases": rows }, "UnprocessedKeys": {} })));
    let service = Service::start(answers);
    let leases = clients(&service).await.lease_table("leases").owned(&WorkerId::new("w")).await.expect("an answer");
    assert_eq!(keys(&leases), ["a", "c", "e"]);
    let calls = calls(&service);
    assert_eq!(begun_after(&calls[..3], "leaseKey"), [None, Some("b".into()), Some("d".into())]);
    assert!(calls[..3].iter().all(|call| call["IndexName"] == "LeaseOwnerToLeaseKeyIndex"), "{calls:?}");
    let asked = ["a", "b", "c", "d", "e"].map(|key| json!({ "leaseKey": { "S": key } }));
    assert_eq!(calls[3]["RequestItems"]["leases"], json!({ "Keys": asked, "ConsistentRead": true }));
}

#[tokio::test]
async fn an_index_that_is_missing_or_still_being_filled_is_not_asked() {
    for message in [
        "The table does not have the specified index: LeaseOwnerToLeaseKeyIndex",
        "Cannot read from backfilling global secondary index: LeaseOwnerToLeaseKeyIndex",
    ] {
        let mut answers = vec![Answer::Explains(400, "ValidationException", message)];
        answers.extend(pages(&["a", "b", "c"].map(lease), "leaseKey"));
        let service = Service::start(answers);
        let leases = clients(&service).await.lease_table("leases").owned(&WorkerId::new("w")).await;
        assert_eq!(keys(&leases.expect(message)), ["a", "b", "c"]);
        assert_eq!(service.calls().len(), 3, "nobody asks for strangers here");
    }
    let service = Service::start([Answer::Explains(400, "ValidationException", "something else")]);
    let answer = clients(&service).await.lease_table("leases").owned(&WorkerId::new("w")).await;
    assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
}

/// The answer to a batch: these rows, and these keys another time.
fn batch(rows: &[Value], left: &[&str]) -> Answer {
    let left: Vec<_> = left.iter().map(|name| json!({ "worker": { "S": name } })).collect();
    let unprocessed =
        if left.is_empty() { json!({}) } else { json!({ "state": { "Keys": left, "ConsistentRead": true } }) };
    says(&json!({ "Responses": { "state": rows }, "UnprocessedKeys": unprocessed }))
}

#[tokio::test]
async fn what_a_batch_left_out_is_asked_again() {
    let service = Service::start([
        batch(&["a", "b"].map(member), &["c", "d", "e"]),
        batch(&[], &["c", "d", "e"]),
        batch(&["c", "d"].map(member), &["e"]),
        batch(&[member("e")], &[]),
    ]);
    let ids = ["a", "b", "c", "d", "e"].map(WorkerId::new);
    let members = clients(&service).await.state_table("state").read(&ids).await.expect("four answers");
    assert_eq!(members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    let asked: Vec<usize> = calls(&service)
        .iter()
        .map(|call| &call["RequestItems"]["state"])
        .filter(|keys| keys["ConsistentRead"] == true)
        .map(|keys| keys["Keys"].as_array().expect("keys").len())
        .collect();
    assert_eq!(asked, [5, 3, 3, 1]);
}

#[tokio::test]
async fn a_batch_that_is_never_answered_is_a_throttle() {
    let service = Service::start(vec![batch(&[], &["a"]); 4]);
    let answer = clients(&service).await.state_table("state").read(&[WorkerId::new("a")]).await;
    assert!(matches!(answer, Err(Error::Throttled { action: "dynamodb:BatchGetItem", .. })), "{answer:?}");
    assert_eq!(service.calls().len(), 4);
}

#[tokio::test]
async fn more_leases_than_a_batch_takes_are_read_by_several() {
    let key = |number: u32| format!("shardId-{number:012}");
    let entries: Vec<_> = (0..120).map(|number| json!({ "leaseKey": { "S": key(number) } })).collect();
    let rows = |numbers: std::ops::Range<u32>| {
        let rows: Vec<_> = numbers.map(|number| lease(&key(number))).collect();
        says(&json!({ "Responses": { "leases": rows } }))
    };
    let service = Service::start([says(&json!({ "Items": entries })), rows(0..100), rows(100..120)]);
    let leases = clients(&service).await.lease_table("leases").owned(&WorkerId::new("w")).await.expect("answers");
    assert_eq!(keys(&leases), (0..120).map(key).collect::<Vec<_>>());
    let asked: Vec<_> = calls(&service)[1..]
        .iter()
        .map(|call| call["RequestItems"]["leases"]["Keys"].as_array().expect("keys").len())
        .collect();
    assert_eq!(asked, [100, 20]);
}
