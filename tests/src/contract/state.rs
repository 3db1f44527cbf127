//! What a table of workers must do.

use cloud::{Create, Error, StateTable, limits};
use lease::{Beaten, Member, ShardId, Standing, WorkerId};
use std::time::Duration;

/// Far enough in the future that no emulator removes the row under a test.
const EXPIRES: i64 = 4_000_000_000;

fn member(name: &str, beat: u64) -> Member {
    Member {
        id: WorkerId::new(name),
        beat,
        period: Duration::from_millis(1_500),
        standing: Standing::Active,
        leases: 3,
        weight: 2_000_000,
        capacity: 1_750,
        held_max: None,
        strangers: false,
    }
}

fn shards(names: &[&str]) -> Vec<ShardId> {
    names.iter().map(|name| ShardId::new(name)).collect()
}

/// A beat; what is announced after it, in order.
async fn beat(table: &dyn StateTable, member: &Member, heard: &[&str]) -> Vec<ShardId> {
    let Beaten { mut coming } = table.beat(member, &shards(heard), EXPIRES).await.unwrap();
    coming.sort();
    coming
}

/// Rows of a read or a scan, in order.
fn sorted(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|one, other| one.id.cmp(&other.id));
    members
}

/// A table that is not there is missing; made once, it is empty and stays.
pub async fn a_table_is_made_once(table: &dyn StateTable) {
    let error = table.ensure(Create::Never).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains(table.name()), "{error}");
    let early = table.beat(&member("a", 1), &[], EXPIRES).await.unwrap_err();
    assert!(matches!(early, Error::Missing { .. }), "{early:?}");
    table.ensure(Create::IfMissing).await.unwrap();
    assert_eq!(table.scan().await, Ok(Vec::new()));
    assert_eq!(table.read(&[WorkerId::new("a")]).await, Ok(Vec::new()));
    beat(table, &member("a", 1), &[]).await;
    table.ensure(Create::IfMissing).await.unwrap();
    table.ensure(Create::Never).await.unwrap();
    assert_eq!(table.scan().await.unwrap(), [member("a", 1)]);
}

/// Rows come back as they were last written, from a read and from a scan.
pub async fn rows_come_back_as_they_were_written(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let mut rows = vec![
        member("a", 1),
        Member { standing: Standing::Leaving, strangers: true, leases: u32::MAX, ..member("b", u64::MAX) },
        Member { standing: Standing::Left, leases: 0, weight: 0, capacity: 0, ..member("c", 0) },
    ];
    for row in &rows {
        assert_eq!(beat(table, row, &[]).await, []);
    }
    assert_eq!(sorted(table.scan().await.unwrap()), rows);

    rows[0] = Member { leases: 4, weight: u64::MAX, period: Duration::from_millis(700), ..member("a", 2) };
    beat(table, &rows[0], &[]).await;
    let ids = |names: &[&str]| names.iter().map(|name| WorkerId::new(name)).collect::<Vec<_>>();
    assert_eq!(sorted(table.read(&ids(&["c", "nobody", "a", "a"])).await.unwrap()), [rows[0].clone(), rows[2].clone()]);
    assert_eq!(table.read(&[]).await, Ok(Vec::new()));
    assert_eq!(sorted(table.scan().await.unwrap()), rows);
}

/// A worker hears what is announced to it until it says that it has heard that.
pub async fn announcements_are_heard_until_they_were(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let id = WorkerId::new("a");
    beat(table, &member("a", 1), &[]).await;
    assert_eq!(table.announce(&id, &shards(&["s", "t", "s"])).await, Ok(true));
    assert_eq!(beat(table, &member("a", 2), &[]).await, shards(&["s", "t"]));
    assert_eq!(beat(table, &member("a", 3), &[]).await, shards(&["s", "t"]), "not heard yet");
    assert_eq!(beat(table, &member("a", 4), &["s", "other", "s"]).await, shards(&["t"]));
    assert_eq!(beat(table, &member("a", 5), &["t"]).await, []);
    assert_eq!(beat(table, &member("a", 6), &["t"]).await, [], "nothing is left to take out");
    assert_eq!(table.announce(&id, &shards(&["s"])).await, Ok(true));
    assert_eq!(beat(table, &member("a", 7), &[]).await, shards(&["s"]), "it may come again");
    assert_eq!(table.read(&[id]).await.unwrap(), [member("a", 7)], "announcements change nothing else");
}

/// What two others announce adds up, whatever the worker does in between.
pub async fn announcements_of_two_survive_a_beat_in_between(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let id = WorkerId::new("a");
    beat(table, &member("a", 1), &[]).await;
    assert_eq!(table.announce(&id, &shards(&["s", "t"])).await, Ok(true));
    assert_eq!(beat(table, &member("a", 2), &[]).await, shards(&["s", "t"]));
    assert_eq!(table.announce(&id, &shards(&["t", "u"])).await, Ok(true));
    assert_eq!(table.announce(&id, &shards(&["v"])).await, Ok(true));
    // Heard is what the beat before this one answered, and not what came since.
    assert_eq!(beat(table, &member("a", 3), &["s"]).await, shards(&["t", "u", "v"]));
}

/// Nobody hears what is announced to a worker without a row, and no row comes of it.
pub async fn nothing_is_announced_to_nobody(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let id = WorkerId::new("a");
    assert_eq!(table.announce(&id, &shards(&["s"])).await, Ok(false));
    assert_eq!(table.announce(&id, &[]).await, Ok(false));
    assert_eq!(table.scan().await, Ok(Vec::new()));
    assert_eq!(beat(table, &member("a", 1), &[]).await, []);
    assert_eq!(table.announce(&id, &[]).await, Ok(true), "there is somebody to hear nothing");
}

/// Who is leaving takes nothing any more, and hears of nothing.
pub async fn nothing_is_announced_to_who_is_leaving(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    for (id, standing) in [("a", Standing::Leaving), ("b", Standing::Left)] {
        beat(table, &Member { standing, ..member(id, 1) }, &[]).await;
        assert_eq!(table.announce(&WorkerId::new(id), &shards(&["s"])).await, Ok(false), "{standing:?}");
        assert_eq!(beat(table, &member(id, 2), &[]).await, [], "{standing:?}");
    }
}

/// A row is removed only by who knows its beat; what was announced goes with it.
pub async fn a_row_is_removed_at_its_beat_alone(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let id = WorkerId::new("a");
    assert_eq!(table.remove(&id, 1).await, Ok(false), "there is none");
    beat(table, &member("a", 1), &[]).await;
    beat(table, &member("a", 2), &[]).await;
    table.announce(&id, &shards(&["s"])).await.unwrap();
    for other in [1, 3] {
        assert_eq!(table.remove(&id, other).await, Ok(false), "beat {other}");
    }
    assert_eq!(table.scan().await.unwrap(), [member("a", 2)]);
    assert_eq!(table.remove(&id, 2).await, Ok(true));
    assert_eq!(table.remove(&id, 2).await, Ok(false));
    assert_eq!(table.scan().await, Ok(Vec::new()));
    assert_eq!(beat(table, &member("a", 3), &[]).await, []);
}

/// What one worker writes, hears or loses is nothing to another.
pub async fn two_workers_do_not_disturb_each_other(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    beat(table, &member("a", 1), &[]).await;
    beat(table, &member("b", 1), &[]).await;
    table.announce(&WorkerId::new("a"), &shards(&["s"])).await.unwrap();
    table.announce(&WorkerId::new("b"), &shards(&["s", "t"])).await.unwrap();
    assert_eq!(beat(table, &member("a", 2), &["s", "t"]).await, []);
    assert_eq!(beat(table, &member("b", 2), &[]).await, shards(&["s", "t"]));
    assert_eq!(table.remove(&WorkerId::new("a"), 2).await, Ok(true));
    assert_eq!(table.scan().await.unwrap(), [member("b", 2)]);
    assert_eq!(beat(table, &member("b", 3), &[]).await, shards(&["s", "t"]));
}

/// A read of too many is refused whole, and the error names the limit.
pub async fn reads_keep_to_their_limit(table: &dyn StateTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    beat(table, &member("w0", 1), &[]).await;
    let mut ids: Vec<_> = (0..limits::READ_MEMBERS_MAX).map(|number| WorkerId::new(&format!("w{number}"))).collect();
    assert_eq!(table.read(&ids).await.unwrap(), [member("w0", 1)]);
    ids.push(WorkerId::new("one too many"));
    let error = table.read(&ids).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert!(error.to_string().contains("100"), "{error}");
}

/// All of it, each on a table of its own.
pub async fn keeps_the_contract<T: StateTable>(table: impl Fn() -> T) {
    a_table_is_made_once(&table()).await;
    rows_come_back_as_they_were_written(&table()).await;
    announcements_are_heard_until_they_were(&table()).await;
    announcements_of_two_survive_a_beat_in_between(&table()).await;
    nothing_is_announced_to_nobody(&table()).await;
    nothing_is_announced_to_who_is_leaving(&table()).await;
    a_row_is_removed_at_its_beat_alone(&table()).await;
    two_workers_do_not_disturb_each_other(&table()).await;
    reads_keep_to_their_limit(&table()).await;
}
