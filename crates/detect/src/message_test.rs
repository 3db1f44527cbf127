//! Messages on the wire.

use super::testing::{Ids, header};
use super::*;
use proptest::prelude::*;

fn sequence(number: u64) -> Position {
    crate::Sequence::parse(&number.to_string())
}

/// Key, late queries, and panes of a start (in panes) and an id.
type Parts = (String, u64, Vec<(u32, u64)>);

fn message(after: u64, length: u64, zones: Vec<Parts>) -> Message<Ids> {
    let header = Header { after: sequence(after), through: sequence(after + length + 1), ..header() };
    let zone = |(key, late, panes): Parts| {
        let panes = panes.into_iter().map(|(start, id)| (i64::from(start) * 10, Ids([id].into()))).collect();
        (key.as_str().into(), Zone { late, future: late / 2, panes })
    };
    Message { header, group: 1, zones: zones.into_iter().map(zone).collect() }
}

proptest! {
    #[test]
    fn a_message_comes_back(
        after in any::<u32>(),
        length in 0_u64..99,
        zones in proptest::collection::vec(("[a-z.]{0,20}", any::<u64>(), proptest::collection::vec((any::<u32>(), any::<u64>()), 0..4)), 0..5),
    ) {
        let message = message(after.into(), length, zones);
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_read_is_sound(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let _ = Message::<Ids>::decode(&bytes);
        let mut damaged = message(5, 3, vec![("zone".to_owned(), 2, vec![(7, 9), (8, 10)])]).encode();
        for (at, value) in flips {
            let at = at % damaged.len();
            damaged[at] = value;
        }
        if let Ok(message) = Message::<Ids>::decode(&damaged) {
            prop_assert!(message.is_sound());
        }
    }
}

#[test]
fn an_empty_message_is_small() {
    let shard = "shardId-000000000000";
    let digits = "49590338271490256608559692538361571095921575989136588898";
    let header = Header {
        shard: shard.into(),
        parents: vec![shard.into()],
        after: crate::Sequence::parse(digits),
        through: crate::Sequence::parse(digits),
        time_ms: 1_700_000_000_000,
        ..header()
    };
    let bytes = Message::<Ids> { header, group: 1, zones: BTreeMap::new() }.encode().len();
    assert!(bytes <= 145, "{bytes} bytes");
}

#[test]
fn a_version_not_known_yet_is_told_from_damage() {
    let mut bytes = message(1, 1, Vec::new()).encode();
    assert!(Message::<Ids>::decode(&bytes).is_ok());
    bytes[0] = VERSION + 1;
    assert_eq!(Message::<Ids>::decode(&bytes), Err(Unreadable::Newer(VERSION + 1)));
    bytes[0] = 0;
    assert_eq!(Message::<Ids>::decode(&bytes), Err(Unreadable::Malformed));
    assert_eq!(Message::<Ids>::decode(&[]), Err(Unreadable::Malformed));
}

#[test]
fn what_no_epoch_could_say_is_unsound() {
    let sound = message(5, 3, vec![("zone".to_owned(), 2, vec![(7, 9)])]);
    assert!(sound.is_sound());
    let with = |change: fn(&mut Message<Ids>)| {
        let mut message = sound.clone();
        change(&mut message);
        assert!(!message.is_sound(), "{message:?}");
        assert_eq!(Message::<Ids>::decode(&message.encode()), Err(Unreadable::Malformed));
    };
    with(|message| message.group = 4);
    with(|message| message.header.through = None);
    with(|message| message.header.time_ms = -1);
    with(|message| message.header.time_ms = i64::MAX);
    with(|message| message.header.hole_ms = Some(i64::MAX));
    with(|message| message.header.hash_range = RangeInclusive::new(2, 1));
    with(|message| message.header.end = true);
    with(|message| message.header.after = message.header.through.clone());
    with(|message| {
        message.zones.values_mut().next().unwrap().panes.insert(71, Ids::default());
    });
    with(|message| {
        message.zones.values_mut().next().unwrap().panes.insert(-10, Ids::default());
    });
}
