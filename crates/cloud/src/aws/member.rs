//! A worker's row as DynamoDB attributes.
//!
//! The row is ours alone. Its `version` is raised when a reader of an older release would misunderstand it; who reads a
//! version it does not know leaves the row out.

use super::row::{Item, Row, number, text};
use aws_sdk_dynamodb::types::AttributeValue;
use lease::{Member, ShardId, Standing, WorkerId};
use std::time::Duration;

pub(super) const KEY: &str = "worker";
pub(super) const BEAT: &str = "beat";
/// Shards that others have announced: a set, so that announcements add up and each is taken out by its name.
pub(super) const COMING: &str = "coming";
/// When DynamoDB may remove the row, seconds since 1970.
pub(super) const EXPIRES: &str = "expires";
const VERSION: &str = "version";
const PERIOD: &str = "periodMs";
pub(super) const STANDING: &str = "standing";
const LEASES: &str = "leases";
const WEIGHT: &str = "weight";
const CAPACITY: &str = "capacity";
/// The greatest number stands for no limit.
const HELD_MAX: &str = "heldMax";
const STRANGERS: &str = "otherConsumers";
/// Of the rows that we write and understand.
const OUR_VERSION: u32 = 1;

/// What a beat writes: everything but the key and what is announced.
pub(super) fn attributes(member: &Member, expires: i64) -> [(&'static str, AttributeValue); 10] {
    [
        (VERSION, number(OUR_VERSION)),
        (BEAT, number(member.beat)),
        (PERIOD, number(member.period.as_millis())),
        (STANDING, text(member.standing.as_str())),
        (LEASES, number(member.leases)),
        (WEIGHT, number(member.weight)),
        (CAPACITY, number(member.capacity)),
        (HELD_MAX, number(member.held_max.unwrap_or(u32::MAX))),
        (STRANGERS, AttributeValue::Bool(member.strangers)),
        (EXPIRES, number(expires)),
    ]
}

/// The worker that a row tells of; `None` if the row is of another version or damaged.
pub(super) fn parse(item: &Item) -> Option<Member> {
    let row = Row(item);
    if row.number(VERSION) != Ok(Some(OUR_VERSION)) {
        return None;
    }
    Some(Member {
        id: WorkerId::new(row.text(KEY).ok()??),
        beat: row.number(BEAT).ok()??,
        period: Duration::from_millis(row.number(PERIOD).ok()??),
        standing: Standing::parse(row.text(STANDING).ok()??)?,
        leases: row.number(LEASES).ok()??,
        weight: row.number(WEIGHT).ok()??,
        capacity: row.number(CAPACITY).ok()??,
        held_max: row.number(HELD_MAX).ok()?.filter(|max| *max < u32::MAX),
        strangers: *item.get(STRANGERS)?.as_bool().ok()?,
    })
}

/// What is announced to the worker.
pub(super) fn coming(item: &Item) -> Result<Vec<ShardId>, String> {
    Row(item).shards(COMING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member {
            id: WorkerId::new("a"),
            beat: u64::MAX,
            period: Duration::from_millis(1_500),
            standing: Standing::Leaving,
            leases: 3,
            weight: 2_000_000,
            capacity: 1_750,
            held_max: Some(7),
            strangers: true,
        }
    }

    fn row() -> Item {
        let mut row: Item =
            attributes(&member(), 1_800_000_000).map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        row.insert(KEY.into(), text("a"));
        row
    }

    #[test]
    fn a_row_survives_writing_and_reading() {
        assert_eq!(parse(&row()), Some(member()));
        let mut more = row();
        more.insert(COMING.into(), AttributeValue::Ss(vec!["t".into(), "s".into()]));
        more.insert("of a later release".into(), text("any"));
        assert_eq!(parse(&more), Some(member()));
        assert_eq!(coming(&more), Ok(vec![ShardId::new("s"), ShardId::new("t")]));
        assert_eq!(coming(&row()), Ok(Vec::new()));
    }

    /// As version 1 has it, letter by letter: whoever changes a name, a form or a meaning raises the version.
    #[test]
    fn a_row_of_this_version_is_the_stored_one() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let stored: Item = [
            ("worker", text("a")),
            ("version", number("1")),
            ("beat", number("18446744073709551615")),
            ("periodMs", number("1500")),
            ("standing", text("leaving")),
            ("leases", number("3")),
            ("weight", number("2000000")),
            ("capacity", number("1750")),
            ("heldMax", number("7")),
            ("otherConsumers", AttributeValue::Bool(true)),
            ("expires", number("1800000000")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        assert_eq!(row(), stored);
        assert_eq!(parse(&stored), Some(member()));
    }

    #[test]
    fn rows_of_another_version_and_damaged_rows_are_left_out() {
        let damages = [
            (VERSION, Some(number(2))),
            (VERSION, None),
            (KEY, Some(text(""))),
            (BEAT, Some(number(-1))),
            (PERIOD, Some(text("1500"))),
            (STANDING, Some(text("resting"))),
            (LEASES, None),
            (WEIGHT, Some(number("1.5"))),
            (CAPACITY, Some(number(u64::MAX))),
            (STRANGERS, Some(text("true"))),
        ];
        for (name, value) in damages {
            let mut row = row();
            match value {
                Some(value) => row.insert(name.to_owned(), value),
                None => row.remove(name),
            };
            assert_eq!(parse(&row), None, "{name}");
        }
    }
}
