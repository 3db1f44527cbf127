//! The contract of every port, held by the AWS adapters: Kinesis on kinesis-local, DynamoDB and Firehose on ministack.
//!
//! Run by `cargo xtask test`, which starts the emulators and says where they are.

use bytes::Bytes;
use cloud::aws::Allowed;
use cloud::{
    Create, DeliveryStream as _, Error, LeaseTable as _, Scan, Snapshots as _, StateTable as _, Stream as _,
    Unreadable, WriteError,
};
use lease::{Member, ShardId, Standing, WorkerId, Write};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use zonewatch_tests::contract::emulated::{self, clients};
use zonewatch_tests::contract::streams::Streamed;
use zonewatch_tests::contract::{deliveries, snapshots, state, streams, subscriptions, tables};
use zonewatch_tests::emulators::{Delivery, Emulator, Stream, unique};

/// A new stream of two shards, called by what `name` makes of it.
async fn named(name: impl Fn(&Stream) -> String) -> Streamed {
    emulated::streamed(Emulator::kinesis(), name).await
}

async fn streamed() -> Streamed {
    named(|stream| stream.name.clone()).await
}

#[tokio::test]
async fn records_pass_through_a_kinesis_stream() {
    let streamed = streamed().await;
    streams::shards_cover_every_hash_key(&streamed).await;
    streams::puts_keep_to_their_limits(&streamed).await;
    streams::a_stream_says_how_long_it_keeps_records(&streamed).await;
    streams::what_is_not_there_is_missing(&streamed).await;
    streams::records_come_back_in_order(&streamed).await;
}

#[tokio::test]
async fn reading_a_kinesis_stream_keeps_the_contract() {
    streams::reading_starts_where_it_should(&streamed().await).await;
    streams::reading_can_start_with_what_comes_next(&streamed().await).await;
    streams::reading_goes_on_where_it_ended(&streamed().await).await;
}

#[tokio::test]
async fn resharding_a_kinesis_stream_keeps_the_contract() {
    streams::a_split_shard_ends_and_names_its_children(&streamed().await).await;
    streams::merged_shards_have_one_child_with_two_parents(&streamed().await).await;
}

/// Not here: this emulator never says that a shard has ended; ferrokinesis does, see `full_load`.
#[tokio::test]
async fn subscribing_to_a_kinesis_stream_keeps_the_contract() {
    subscriptions::a_consumer_is_registered_once(&streamed().await).await;
    subscriptions::a_subscription_brings_what_is_there_and_what_comes(&streamed().await).await;
    subscriptions::a_subscription_starts_where_it_should(&streamed().await).await;
    subscriptions::a_subscription_can_start_with_what_comes_next(&streamed().await).await;
    subscriptions::a_second_subscription_at_once_is_refused(&streamed().await).await;
    subscriptions::a_consumer_that_is_not_there_is_missing(&streamed().await).await;
}

#[tokio::test]
async fn a_kinesis_stream_may_be_named_by_its_arn() {
    let streamed = named(Stream::arn).await;
    subscriptions::a_consumer_is_registered_once(&streamed).await;
    streams::shards_cover_every_hash_key(&streamed).await;
    streams::records_come_back_in_order(&streamed).await;
}

#[tokio::test]
async fn a_missing_kinesis_stream_is_named_by_arn_and_action() {
    let stream = clients(&Emulator::kinesis()).await.stream("not-there");
    let error = stream.shards().await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("kinesis:ListShards on arn:aws:kinesis:us-east-1:*:stream/not-there: not found"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_table_in_dynamodb_keeps_the_contract() {
    let clients = clients(&Emulator::aws()).await;
    let table = || clients.lease_table(&unique("leases"));
    tables::a_table_is_made_once(&table()).await;
    tables::rows_come_back_as_they_were_written(&table()).await;
    tables::every_write_does_what_lease_says(&table()).await;
    tables::writes_need_their_row(&table()).await;
    tables::leases_are_found_by_their_owner(&table()).await;
    tables::many_leases_are_found_by_their_owner(&table()).await;
    tables::one_of_many_takes_a_lease(Arc::new(table())).await;
}

#[tokio::test]
async fn rows_of_other_kinds_are_left_out_and_damaged_rows_are_named() {
    let emulator = Emulator::aws();
    let table = clients(&emulator).await.lease_table(&unique("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    let put = |item: Value| {
        emulator.call("DynamoDB_20120810.PutItem", &json!({ "TableName": table.name(), "Item": item }));
    };
    put(json!({ "leaseKey": { "S": "worker-1" }, "entityType": { "S": "WORKER_METRIC_STATS" }, "lut": { "N": "1" } }));
    put(json!({
        "leaseKey": { "S": "shardId-000000000000" }, "leaseCounter": { "N": "3" }, "checkpoint": { "S": "TRIM_HORIZON" },
        "checkpointSubSequenceNumber": { "N": "0" }, "ownerSwitchesSinceCheckpoint": { "N": "0" },
        "throughputKBps": { "N": "1.500000" }, "pendingCheckpointState": { "B": "c3RhdGU=" },
    }));
    let leases = table.scan().await.unwrap().leases;
    assert_eq!(leases.len(), 1);

    // What KCL wrote beside stays when we renew.
    let renewed = table.write(&Write::Renew { key: leases[0].key.clone(), counter: 3 }).await.unwrap();
    assert_eq!(renewed.counter, 4);
    let rows = zonewatch_tests::emulators::lease_rows(&emulator, table.name());
    assert!(
        rows.iter().any(|row| row["leaseCounter"] == "4" && row["pendingCheckpointState"] == "c3RhdGU="),
        "{rows:?}"
    );

    put(json!({ "leaseKey": { "S": "shardId-000000000001" }, "leaseCounter": { "S": "three" } }));
    let key = ShardId::new("shardId-000000000001");
    let renew = Write::Renew { key: key.clone(), counter: 3 };
    let Err(WriteError::Failed(refused)) = table.write(&renew).await else { panic!("a damaged row was accepted") };
    let scan = table.scan().await.unwrap();
    assert_eq!(scan.leases.len(), 1);
    let unreadable: [Unreadable; 1] = scan.unreadable.try_into().expect("one damaged row");
    let [Unreadable { error: scanned, .. }] = unreadable;
    for error in [scanned, table.get(&key).await.unwrap_err(), refused] {
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains("shardId-000000000001"), "{error}");
    }
}

#[tokio::test]
async fn a_table_with_another_key_is_no_lease_table() {
    let (emulator, name) = (Emulator::aws(), unique("other"));
    emulator.call(
        "DynamoDB_20120810.CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        }),
    );
    let clients = clients(&emulator).await;
    let of_leases = clients.lease_table(&name).ensure(Create::IfMissing).await.unwrap_err();
    let of_workers = clients.state_table(&name).ensure(Create::IfMissing).await.unwrap_err();
    for (error, key) in [(of_leases, "a lease table has leaseKey"), (of_workers, "a table of workers has worker")] {
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[tokio::test]
async fn a_state_table_in_dynamodb_keeps_the_contract() {
    let clients = clients(&Emulator::aws()).await;
    state::keeps_the_contract(|| clients.state_table(&unique("state"))).await;
}

#[tokio::test]
async fn rows_of_workers_expire_and_those_of_another_version_are_left_out() {
    let emulator = Emulator::aws();
    let table = clients(&emulator).await.state_table(&unique("state"));
    table.ensure(Create::IfMissing).await.unwrap();
    let asked = json!({ "TableName": table.name() });
    let answer = emulator.call("DynamoDB_20120810.DescribeTimeToLive", &asked);
    let expected = json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "expires" });
    assert_eq!(answer["TimeToLiveDescription"], expected);
    let answer = emulator.call("DynamoDB_20120810.DescribeTable", &asked);
    assert_eq!(answer["Table"]["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");

    let member = Member {
        id: WorkerId::new("a"),
        beat: 8,
        period: Duration::from_millis(1_500),
        standing: Standing::Leaving,
        leases: 3,
        weight: 2_000,
        capacity: 1_750,
        held_max: None,
        strangers: true,
    };
    let before = Member { beat: 7, standing: Standing::Active, ..member.clone() };
    table.beat(&before, &[], 4_000_000_000).await.unwrap();
    table.announce(&member.id, &[ShardId::new("s")]).await.unwrap();
    table.beat(&member, &[], 4_000_000_000).await.unwrap();
    let row = emulator.call("DynamoDB_20120810.Scan", &asked)["Items"][0].clone();
    let expected = json!({
        "worker": { "S": "a" }, "version": { "N": "1" }, "beat": { "N": "8" }, "periodMs": { "N": "1500" },
        "standing": { "S": "leaving" }, "leases": { "N": "3" }, "weight": { "N": "2000" }, "capacity": { "N": "1750" }, "heldMax": { "N": "4294967295" },
        "otherConsumers": { "BOOL": true }, "coming": { "SS": ["s"] }, "expires": { "N": "4000000000" },
    });
    assert_eq!(row, expected);

    let mut later = row.clone();
    (later["worker"], later["version"]) = (json!({ "S": "b" }), json!({ "N": "2" }));
    let mut damaged = row;
    (damaged["worker"], damaged["beat"]) = (json!({ "S": "c" }), json!({ "S": "eight" }));
    for item in [later, damaged] {
        emulator.call("DynamoDB_20120810.PutItem", &json!({ "TableName": table.name(), "Item": item }));
    }
    assert_eq!(table.scan().await.as_deref(), Ok(&[member.clone()][..]));
    let ids = ["a", "b", "c"].map(WorkerId::new);
    assert_eq!(table.read(&ids).await.as_deref(), Ok(&[member][..]));
}

#[tokio::test]
async fn a_table_without_the_index_of_owners_is_scanned() {
    let (emulator, name) = (Emulator::aws(), unique("leases"));
    emulator.call(
        "DynamoDB_20120810.CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "leaseKey", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "leaseKey", "KeyType": "HASH" }],
        }),
    );
    let table = clients(&emulator).await.lease_table(&name);
    tables::leases_are_found_by_their_owner(&table).await;
}

#[tokio::test]
async fn rows_of_other_kinds_have_no_owner() {
    let emulator = Emulator::aws();
    let table = clients(&emulator).await.lease_table(&unique("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    let rows = [
        json!({ "leaseKey": { "S": "Leader" }, "entityType": { "S": "LEADER" }, "leaseOwner": { "S": "a" } }),
        json!({ "leaseKey": { "S": "damaged" }, "leaseOwner": { "S": "a" } }),
        json!({
            "leaseKey": { "S": "shardId-000000000000" }, "leaseOwner": { "S": "a" }, "leaseCounter": { "N": "3" },
            "checkpoint": { "S": "TRIM_HORIZON" },
        }),
    ];
    for item in rows {
        emulator.call("DynamoDB_20120810.PutItem", &json!({ "TableName": table.name(), "Item": item }));
    }
    let owned = table.owned(&WorkerId::new("a")).await.unwrap();
    assert_eq!(owned.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["shardId-000000000000"]);
}

#[tokio::test]
async fn a_lease_table_is_inspected_and_what_is_tried_leaves_no_row() {
    let clients = clients(&Emulator::aws()).await;
    let table = clients.lease_table(&unique("leases"));
    let inspect = clients.inspect();
    assert!(matches!(inspect.table(table.name()).await, Err(Error::Missing { .. })));
    table.ensure(Create::IfMissing).await.unwrap();
    let summary = inspect.table(table.name()).await.unwrap();
    assert_eq!((summary.status.as_str(), summary.key.as_str(), summary.sort_key), ("ACTIVE", "leaseKey", None));
    assert_eq!(summary.indexes, [("LeaseOwnerToLeaseKeyIndex".to_owned(), "ACTIVE".to_owned())]);
    assert_eq!(inspect.expiry(table.name()).await, Ok(None));
    let name = table.name();
    assert_eq!(inspect.try_put(name, "leaseKey").await, Ok(Allowed::Tried));
    assert_eq!(inspect.try_update(name, "leaseKey").await, Ok(Allowed::Tried));
    assert_eq!(inspect.try_delete(name, "leaseKey").await, Ok(Allowed::Tried));
    assert_eq!(inspect.try_read_batch(name, "leaseKey").await, Ok(Allowed::Tried));
    let queried = inspect.try_query(name, "LeaseOwnerToLeaseKeyIndex", "leaseOwner").await;
    assert_eq!(queried, Ok(Allowed::Tried));
    assert_eq!(table.scan().await.unwrap(), Scan::default());
}

#[tokio::test]
async fn a_kinesis_stream_is_described_by_name_and_by_arn() {
    let made = Stream::create(Emulator::kinesis(), 2);
    let inspect = clients(&Emulator::kinesis()).await.inspect();
    for name in [made.name.clone(), made.arn()] {
        let summary = inspect.stream(&name).await.unwrap();
        assert_eq!((summary.arn, summary.status.as_str(), summary.open_shards), (made.arn(), "ACTIVE", 2));
        assert_eq!((summary.retention_hours, summary.encryption.as_str()), (24, "NONE"));
    }
}

#[tokio::test]
async fn strangers_are_found_in_both_places() {
    let emulator = Emulator::aws();
    let table = clients(&emulator).await.lease_table(&unique("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    assert_eq!(table.scan().await.unwrap().strangers, BTreeMap::new(), "nobody, and no table of worker metrics");

    let put = |table: &str, key: &str, worker: &str, at: u32| {
        let item = json!({
            key: { "S": worker }, "entityType": { "S": "WORKER_METRIC_STATS" }, "lut": { "N": at.to_string() },
            "sts": { "M": {} }, "opr": { "M": {} },
        });
        emulator.call("DynamoDB_20120810.PutItem", &json!({ "TableName": table, "Item": item }));
    };
    put(table.name(), "leaseKey", "single", 1_767_323_045);
    put(table.name(), "leaseKey", "both", 1_767_323_046);
    put(table.name(), "leaseKey", "moved", 1_767_323_049);
    let legacy = format!("{}-WorkerMetricStats", table.name());
    emulator.call(
        "DynamoDB_20120810.CreateTable",
        &json!({
            "TableName": legacy, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "wid", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "wid", "KeyType": "HASH" }],
        }),
    );
    put(&legacy, "wid", "legacy", 1_767_323_047);
    put(&legacy, "wid", "both", 1_767_323_048);
    put(&legacy, "wid", "moved", 1_767_323_048);
    let found = table.scan().await.unwrap();
    let expected =
        [("single", 1_767_323_045), ("both", 1_767_323_048), ("legacy", 1_767_323_047), ("moved", 1_767_323_049)];
    assert_eq!(found.strangers, expected.map(|(worker, at)| (worker.to_owned(), at)).into());
    assert_eq!((found.leases, found.unreadable), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_firehose_stream_keeps_the_contract() {
    let made = Delivery::create(Emulator::aws());
    let delivery = clients(&Emulator::aws()).await.delivery_stream(&made.name);
    deliveries::what_is_put_arrives(&delivery, || made.objects()).await;
    deliveries::puts_keep_to_their_limits(&delivery).await;
    let before = made.objects().len();
    assert!(clients(&Emulator::aws()).await.inspect().try_deliver(&made.name).await.is_ok());
    assert_eq!(made.objects().len(), before);
}

#[tokio::test]
async fn a_bucket_keeps_the_contract_of_snapshots() {
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let clients = clients(&Emulator::aws()).await;
    snapshots::objects_stay_until_they_are_deleted(&clients.snapshots(&bucket, "app/").unwrap()).await;
    snapshots::every_page_is_listed(&clients.snapshots(&bucket, "other/").unwrap()).await;
    // Neither sees what is the other's.
    assert_eq!(clients.snapshots(&bucket, "app/").unwrap().list("many/").await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_missing_bucket_is_named_by_arn_and_action() {
    let snapshots = clients(&Emulator::aws()).await.snapshots("not-there", "app/").unwrap();
    for error in [
        snapshots.check().await.unwrap_err(),
        snapshots.put("s/1-0", Bytes::new()).await.unwrap_err(),
        snapshots.get("s/1-0").await.unwrap_err(),
        snapshots.list("").await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Missing { .. }), "{error:?}");
        assert!(error.to_string().contains(" on arn:aws:s3:::not-there: "), "{error}");
    }
}

#[tokio::test]
async fn a_missing_stream_is_made_once_with_one_shard() {
    let stream = clients(&Emulator::kinesis()).await.stream(&unique("rollup"));
    assert!(matches!(stream.ensure(Create::Never).await, Err(Error::Missing { .. })));
    let day = std::time::Duration::from_secs(24 * 3600);
    assert_eq!(stream.ensure(Create::IfMissing).await, Ok(day));
    assert_eq!(stream.ensure(Create::IfMissing).await, Ok(day));
    assert_eq!(stream.shards().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_firehose_stream_is_named_by_arn_and_action() {
    let delivery = clients(&Emulator::aws()).await.delivery_stream("not-there");
    let error = delivery.check().await.unwrap_err();
    let text = error.to_string();
    let expected =
        "firehose:DescribeDeliveryStream on arn:aws:firehose:us-east-1:*:deliverystream/not-there: not found";
    assert!(text.starts_with(expected), "{text}");
}
