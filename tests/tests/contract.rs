//! The contract of every port, held by the implementations in memory.
//!
//! `contract_emulators.rs` runs the same suite on emulators of AWS.

use cloud::faulty::{Faulty, Rates};
use cloud::memory::{Clock, DeliveryStream, LeaseTable, Snapshots, StateTable, Stream};
use cloud::{Create, LeaseTable as _};
use lease::ShardId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use zonewatch_tests::contract::streams::{Reshard, Streamed};
use zonewatch_tests::contract::{deliveries, snapshots, state, streams, subscriptions, tables};

struct Memory(Arc<Stream>);

impl Reshard for Memory {
    fn split(&self, shard: &ShardId, at: u128) {
        self.0.split(shard, at).expect("an open shard");
    }

    fn merge(&self, lower: &ShardId, upper: &ShardId) {
        self.0.merge(lower, upper).expect("open neighbours");
    }
}

/// Through a wrapper that spoils nothing, which must change nothing either.
fn streamed() -> Streamed {
    let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let clock: Clock = Arc::new(move || since_1970().as_millis() as i64);
    let stream = Arc::new(Stream::new("queries", 2, clock));
    let reshard = Box::new(Memory(stream.clone()));
    Streamed { stream: Box::new(Faulty::new(stream, Rates::none(), 0)), reshard }
}

#[tokio::test]
async fn a_stream_in_memory_keeps_the_contract() {
    streams::shards_cover_every_hash_key(&streamed()).await;
    streams::records_come_back_in_order(&streamed()).await;
    streams::reading_starts_where_it_should(&streamed()).await;
    streams::reading_can_start_with_what_comes_next(&streamed()).await;
    streams::reading_goes_on_where_it_ended(&streamed()).await;
    streams::a_split_shard_ends_and_names_its_children(&streamed()).await;
    streams::merged_shards_have_one_child_with_two_parents(&streamed()).await;
    streams::puts_keep_to_their_limits(&streamed()).await;
    streams::a_stream_says_how_long_it_keeps_records(&streamed()).await;
    streams::what_is_not_there_is_missing(&streamed()).await;
}

#[tokio::test]
async fn subscriptions_in_memory_keep_the_contract() {
    subscriptions::a_consumer_is_registered_once(&streamed()).await;
    subscriptions::a_subscription_brings_what_is_there_and_what_comes(&streamed()).await;
    subscriptions::a_subscription_starts_where_it_should(&streamed()).await;
    subscriptions::a_subscription_can_start_with_what_comes_next(&streamed()).await;
    subscriptions::a_subscription_ends_with_its_shard(&streamed()).await;
    subscriptions::a_second_subscription_at_once_is_refused(&streamed()).await;
    subscriptions::a_consumer_that_is_not_there_is_missing(&streamed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_table_in_memory_keeps_the_contract() {
    let table = || LeaseTable::new("leases");
    tables::a_table_is_made_once(&table()).await;
    tables::rows_come_back_as_they_were_written(&table()).await;
    tables::every_write_does_what_lease_says(&table()).await;
    tables::writes_need_their_row(&table()).await;
    tables::leases_are_found_by_their_owner(&table()).await;
    tables::many_leases_are_found_by_their_owner(&table()).await;
    tables::one_of_many_takes_a_lease(Arc::new(table())).await;
}

#[tokio::test]
async fn a_lease_table_in_memory_shows_strangers_as_told() {
    let table = Arc::new(LeaseTable::new("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    let faulty = Faulty::new(table.clone(), Rates::none(), 0);
    assert_eq!(faulty.scan().await.unwrap().strangers, BTreeMap::new());
    let strangers = BTreeMap::from([("worker-1".to_owned(), 7)]);
    table.show_strangers(strangers.clone());
    assert_eq!(faulty.scan().await.unwrap().strangers, strangers);
}

#[tokio::test]
async fn a_state_table_in_memory_keeps_the_contract() {
    state::keeps_the_contract(|| Faulty::new(Arc::new(StateTable::new("state")), Rates::none(), 0)).await;
}

#[tokio::test]
async fn snapshots_in_memory_keep_the_contract() {
    snapshots::objects_stay_until_they_are_deleted(&Snapshots::default()).await;
    snapshots::every_page_is_listed(&Snapshots::default()).await;
}

#[tokio::test]
async fn a_delivery_stream_in_memory_keeps_the_contract() {
    let delivery = DeliveryStream::keeping("records");
    let arrived = || delivery.entries().iter().map(|entry| entry.to_vec()).collect();
    deliveries::what_is_put_arrives(&delivery, arrived).await;
    deliveries::puts_keep_to_their_limits(&delivery).await;
}
