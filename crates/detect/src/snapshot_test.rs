//! Snapshots: bytes, parts, names, and the order of storing.

use super::*;
use crate::Message;
use crate::message::testing::{Ids, header};
use proptest::prelude::*;

fn settings() -> Settings {
    Settings::new(header().constants)
}

/// States of all groups, with open windows, something that waits, and something beside.
fn filled() -> Snapshot<Ids> {
    let mut snapshot = Snapshot::new(settings());
    let mut summary = crate::summary::Summary::<Ids>::new(header().constants);
    for zone in 0..40_u64 {
        let name = format!("zone-{zone}");
        summary.pane(&name, 990 + zone as i64, 1_000).unwrap().0.push(zone);
        summary.pane(&name, 0, 1_000);
    }
    let waits = crate::message::Header {
        after: crate::Sequence::parse("11"),
        through: crate::Sequence::parse("12"),
        hole_ms: Some(7),
        ..header()
    };
    for message in summary.clone().messages(&header()).into_iter().chain(summary.messages(&waits)) {
        snapshot.group(message.group).apply(message, 1_100).unwrap();
    }
    snapshot
}

#[test]
fn a_snapshot_comes_back() {
    let snapshot = filled();
    assert_eq!(Snapshot::decode(&snapshot.encode(), &settings()), Ok(snapshot));
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..9), cut in any::<usize>()) {
        let mut bytes = filled().encode();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut % (2 * bytes.len()));
        if let Ok(mut snapshot) = Snapshot::<Ids>::decode(&bytes, &settings()) {
            // What was read can be gone on with.
            for group in 0..4 {
                let message = Message { header: header(), group, zones: BTreeMap::new() };
                let _ = snapshot.group(group).apply(message, 5_000);
            }
            for state in snapshot.groups() {
                state.end();
            }
        }
    }
}

#[test]
fn other_constants_or_a_later_version_are_refused() {
    let mut bytes = filled().encode();
    let mut other = settings();
    other.constants.pane_ms += 1;
    assert_eq!(Snapshot::<Ids>::decode(&bytes, &other), Err(Unreadable::Malformed));
    bytes[0] = VERSION + 1;
    assert_eq!(Snapshot::<Ids>::decode(&bytes, &settings()), Err(Unreadable::Newer(VERSION + 1)));
}

#[test]
fn children_take_over_every_group_once_and_a_merge_joins_them() {
    let whole = filled();
    let middle = u128::MAX / 2;
    let parts = [whole.part(&(0..=middle)), whole.part(&(middle + 1..=u128::MAX))];
    assert_eq!(parts.iter().map(|part| part.groups.len()).collect::<Vec<_>>(), [2, 2]);
    let [mut joined, right] = parts;
    joined.join(right);
    assert_eq!(joined, whole);
}

#[test]
fn a_name_comes_back_from_its_text() {
    let name = Name { shard: "shardId-1".into(), counter: 17, attempt: 2 };
    assert_eq!(name.to_string(), "shardId-1/17-2");
    assert_eq!(Name::parse("shardId-1/17-2"), Some(name));
    for text in ["", "shardId-1", "shardId-1/17", "shardId-1/x-2", "shardId-1/017-2", "shardId-1/17-2 "] {
        assert_eq!(Name::parse(text), None, "{text}");
    }
}

#[test]
fn an_orphan_is_of_this_shard_older_than_the_take_and_not_named() {
    let name = |shard: &str, counter| Name { shard: shard.into(), counter, attempt: 0 };
    let names = [name("a", 3), name("a", 4), name("a", 7), name("b", 3)];
    assert_eq!(orphans(&names, "a", 7, Some(&names[1])), [names[0].clone()]);
    assert_eq!(orphans(&names, "a", 7, None), names[..2]);
}

#[test]
fn a_parent_is_kept_until_every_child_has_a_snapshot() {
    let name = Name { shard: "c".into(), counter: 1, attempt: 0 };
    assert!(!is_taken_over([Some(&name), None]));
    assert!(is_taken_over([Some(&name), Some(&name)]));
    assert!(!is_taken_over([]), "its children are not known yet");
}

#[test]
fn nothing_is_committed_before_it_is_stored_nor_deleted_before_it_is_replaced() {
    let first = Name { shard: "a".into(), counter: 2, attempt: 5 };
    let mut saver = Saver::new("a".into(), Some(first.clone()));
    let second = saver.begin(9);
    assert_eq!((second.to_string(), saver.to_commit()), ("a/9-0".to_owned(), None));
    saver.stored();
    assert_eq!(saver.to_commit(), Some(&second));
    assert_eq!(saver.committed(Some(&first)), None, "the row still names the first");
    assert_eq!(saver.committed(Some(&second)), Some(first));
    let third = saver.begin(9);
    assert_ne!(third, second);
    saver.stored();
    assert_eq!(saver.committed(Some(&third)), Some(second));
    assert_eq!(saver.committed(Some(&third)), None, "once");
}
