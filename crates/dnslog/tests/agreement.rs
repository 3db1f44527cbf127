//! The three ways to decode hand over the same, whatever the input: `decode` of `common` compares them.

mod common;

use common::{decode, envelope, event};
use proptest::prelude::*;

/// Pieces that mean something where they stand, and some that do not.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{\"id\":\"".to_owned()),
        Just("{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[".to_owned()),
        Just("\",\"timestamp\":1794819617015,\"message\":\"".to_owned()),
        Just(",\"extractedFields\":{\"a\":\"b\"}}".to_owned()),
        Just("1.0 2026-11-16T09:00:17.015Z Z1 a.example A NOERROR UDP FRA6 192.0.2.7 -".to_owned()),
        "[\\[\\]{}:,\"\\\\ \n0-9]{1,3}",
        "\\\\u[0-9a-f]{4}",
        "\\PC{1,4}",
    ]
}

/// An event with some of its parts changed.
fn odd_event() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just("1".to_owned()), "\\PC{0,3}", Just("\\u0041".to_owned())];
    let time = prop_oneof![Just("1794819617015".to_owned()), "-?[0-9]{1,3}(\\.5)?(e3)?", Just(" 1".to_owned())];
    let name =
        prop_oneof![Just("a.example".to_owned()), Just("a\\\\052".to_owned()), "[\\\\\"a-c\u{e9}\u{7f}\t ]{0,4}"];
    let tail = prop_oneof![
        Just(String::new()),
        Just(",\"extractedFields\":{}".to_owned()),
        Just(",\"extractedFields\":{\"@aws.account\":\"1\",\"x\":\"y z\"}".to_owned()),
        Just(",\"extractedFields\":{\"a\":1}".to_owned()),
        Just(",\"extractedFields\":[]".to_owned()),
        Just(",\"other\":null".to_owned()),
        Just(" ".to_owned()),
    ];
    (id, time, name, tail).prop_map(|(id, time, name, tail)| {
        let line = common::line(&name);
        format!("{{\"id\":\"{id}\",\"timestamp\":{time},\"message\":\"{line}\"{tail}}}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn on_any_bytes(data in prop::collection::vec(any::<u8>(), 0..300)) {
        decode(&data);
    }

    #[test]
    fn on_text_made_of_pieces(pieces in prop::collection::vec(piece(), 0..20)) {
        decode(pieces.concat().as_bytes());
    }

    #[test]
    fn on_odd_events(events in prop::collection::vec(odd_event(), 1..5)) {
        decode(envelope(&events).as_bytes());
    }

    #[test]
    fn on_envelopes_with_bytes_replaced(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut data = envelope(&[event("1", "a.example"), event("2", "b\\052"), event("3", "c")]).into_bytes();
        for (index, byte) in changes {
            let index = index.index(data.len());
            data[index] = byte;
        }
        decode(&data);
    }

    #[test]
    fn on_envelopes_with_parts_moved(
        from in any::<prop::sample::Index>(), length in 0_usize..80, to in any::<prop::sample::Index>(),
    ) {
        let mut data = envelope(&[event("1", "a.example"), event("2", "b"), event("3", "c")]).into_bytes();
        let from = from.index(data.len());
        let part: Vec<u8> = data.drain(from..data.len().min(from + length)).collect();
        let to = to.index(data.len() + 1);
        data.splice(to..to, part);
        decode(&data);
    }
}
