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

/// A line with some of its parts changed. Most are as the line before has them, or it would not be believed again.
fn odd_line() -> impl Strategy<Value = String> {
    let time = prop_oneof![
        4 => "2026-11-16T09:00:[0-5][0-9]\\.[0-9]{3}Z",
        2 => "2026-11-16T09:00:[0-5][0-9]Z",
        1 => "2026-11-16T09:0[01]:[5-7][0-:]([./][0-9x]{2,4})?(Z|z|\\+00:00)",
    ];
    let zone = prop_oneof![4 => Just("Z1"), 4 => Just("Z0855848ZMRIQ3P4AX3P"), 1 => Just("Z1x"), 1 => Just("z1"),
        1 => Just("Z123456789012345678901234567890"), 1 => Just("Z1234567890123456789012345678901"), 1 => Just("")];
    let name = prop_oneof![
        Just("a.example".to_owned()),
        "[a-z.]{1,70}",
        Just("a\\\\052".to_owned()),
        "[\\\\\"a-c\u{e9}\u{7f}\t ]{0,4}"
    ];
    let words = prop_oneof![4 => Just("A NOERROR UDP FRA56-C1".to_owned()), 1 => "[A-Za-z0-9]{0,34}( [A-Z]{0,33}){3}", 1 => "[A ]{0,9}"];
    let address = || {
        prop_oneof![Just("192.0.2.7"), Just("2001:db8::1"), Just("1.2.3.256"), Just("::"), Just("-"), Just("01.2.3.4")]
    };
    let subnet = (address(), "(/[0-9]{1,3})?").prop_map(|(address, length)| format!("{address}{length}"));
    (time, zone, name, words, address(), subnet, "( [a ]{0,9})?").prop_map(
        |(time, zone, name, words, address, subnet, more)| {
            format!("1.0 {time} {zone} {name} {words} {address} {subnet}{more}")
        },
    )
}

/// An event with some of its parts changed.
fn odd_event() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        4 => "[0-9]{56}",
        1 => "[0-9a\u{e9}\u{7f}]{53,57}",
        1 => "\\PC{0,3}",
        1 => Just("\\u0041".to_owned()),
    ];
    let time = prop_oneof![
        4 => Just("1794819617015".to_owned()),
        1 => "[0-9:/]{13}",
        1 => "-?[0-9]{1,3}(\\.5)?(e3)?",
        1 => Just(" 1".to_owned()),
    ];
    let tail = prop_oneof![
        6 => Just(String::new()),
        1 => Just(",\"extractedFields\":{}".to_owned()),
        1 => Just(",\"extractedFields\":{\"@aws.account\":\"1\",\"x\":\"y z\"}".to_owned()),
        1 => Just(",\"extractedFields\":{\"\u{e9}\":\"1\"}".to_owned()),
        1 => Just(",\"extractedFields\":{\"a\":1}".to_owned()),
        1 => Just(",\"extractedFields\":[]".to_owned()),
        1 => Just(",\"other\":null".to_owned()),
        1 => Just(" ".to_owned()),
    ];
    (id, time, odd_line(), tail).prop_map(|(id, time, line, tail)| {
        format!("{{\"id\":\"{id}\",\"timestamp\":{time},\"message\":\"{line}\"{tail}}}")
    })
}

/// Events just as CloudWatch writes them.
fn usual_events() -> Vec<String> {
    (1..=4).map(|number| event(&format!("{number:056}"), &format!("n{number}.example.com"))).collect()
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
    fn on_odd_events(events in prop::collection::vec(odd_event(), 1..8)) {
        decode(envelope(&events).as_bytes());
    }

    #[test]
    fn on_envelopes_with_bytes_replaced(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut data = envelope(&usual_events()).into_bytes();
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
        let mut data = envelope(&usual_events()).into_bytes();
        let from = from.index(data.len());
        let part: Vec<u8> = data.drain(from..data.len().min(from + length)).collect();
        let to = to.index(data.len() + 1);
        data.splice(to..to, part);
        decode(&data);
    }
}
