//! Damaged input: it ends in counted rejects with a reason and a place, and costs no neighbour.

mod common;

use common::{ENVELOPE_HEAD, decode, decode_within, envelope, event, events, gzip, line};
use dnslog::{BytesForm, Limits, Reason};

#[test]
fn a_record_cut_at_any_byte_keeps_every_event_before_the_cut() {
    let all = events(5);
    let text = envelope(&all);
    let ends: Vec<usize> = all.iter().map(|event| text.find(event.as_str()).unwrap() + event.len()).collect();
    for length in 1..text.len() {
        let kept = decode(&text.as_bytes()[..length]);
        let whole = ends.iter().filter(|&&end| end <= length).count();
        assert_eq!(kept.queries.len(), whole, "{length}");
        assert_eq!(kept.rejects.len(), 1, "{length}: {:?}", kept.rejects);
        let lost = &kept.rejects[0];
        assert_eq!(lost.reason, Reason::BadJson, "{length}");
        // Nothing but a separator may lie behind what is rejected.
        let behind = &text[lost.offset + lost.bytes.len()..length];
        assert!(matches!(behind, "" | "," | " "), "{length}: {behind:?}");
    }
}

#[test]
fn a_member_cut_at_any_byte_keeps_what_can_be_inflated() {
    let text = envelope(&events(40));
    let data = gzip(text.as_bytes());
    let mut most = 0;
    for length in 1..data.len() {
        let kept = decode(&data[..length]);
        let last = kept.rejects.last().unwrap();
        if length == 1 {
            assert_eq!(last.reason, Reason::UnknownFormat);
            continue;
        }
        assert_eq!((last.reason, last.form, last.offset), (Reason::TruncatedGzip, BytesForm::Raw, 0), "{length}");
        assert_eq!(last.bytes, data[..length]);
        for (index, name) in kept.names().iter().enumerate() {
            assert_eq!(*name, format!("n{}.example.com", index + 1));
        }
        assert!(kept.queries.len() >= most, "{length}");
        most = kept.queries.len();
    }
    // Only the trailer is missing: nothing of the text is.
    assert_eq!(most, 40);
}

#[test]
fn a_flipped_bit_costs_the_event_it_is_in() {
    let all = events(4);
    let text = envelope(&all);
    let names: Vec<String> = (1..=4).map(|number| format!("n{number}.example.com")).collect();
    for index in 0..text.len() {
        for bit in 0..8 {
            let mut damaged = text.clone().into_bytes();
            damaged[index] ^= 1 << bit;
            let kept = decode(&damaged);
            let place = all.iter().position(|event| {
                let start = text.find(event.as_str()).unwrap();
                // The comma behind it is its own.
                (start..=start + event.len()).contains(&index)
            });
            // In the head or the tail, a bit may cost the source or everything: there it has to be said.
            let Some(place) = place else {
                assert!(kept.queries.len() == 4 || !kept.rejects.is_empty(), "{index} {bit}");
                continue;
            };
            for (other, name) in names.iter().enumerate().filter(|&(other, _)| other != place) {
                assert!(kept.names().contains(&name.as_str()), "{index} {bit}: {other} lost, {:?}", kept.rejects);
            }
            assert!(kept.queries.len() == 4 || kept.rejects.len() == 1, "{index} {bit}: {:?}", kept.rejects);
        }
    }
}

#[test]
fn a_flipped_bit_of_a_member_is_noticed() {
    let data = gzip(envelope(&events(3)).as_bytes());
    let sound = decode(&data);
    for index in 0..data.len() {
        for bit in 0..8 {
            let mut damaged = data.clone();
            damaged[index] ^= 1 << bit;
            let kept = decode(&damaged);
            // What no checksum covers may change without a loss: the header's fields, the bits after the last code.
            assert!(!kept.rejects.is_empty() || kept.full == sound.full, "{index} {bit}");
        }
    }
}

#[test]
fn a_damaged_line_costs_itself() {
    let lines = [line("a"), line("b"), line("c")].join("\n");
    let second = lines.find('\n').unwrap() + 1;
    let length = line("b").len();
    for index in second..second + length {
        for byte in [0, b' ', b'{', b'"', 0x80, 0xff] {
            let mut damaged = lines.clone().into_bytes();
            damaged[index] = byte;
            let kept = decode(&damaged);
            let names = kept.names();
            assert_eq!((names[0], names[names.len() - 1]), ("a", "c"), "{index} {byte}: {:?}", kept.rejects);
            assert!(names.len() == 3 || kept.rejects.len() == 1, "{index} {byte}: {:?}", kept.rejects);
            for lost in &kept.rejects {
                assert!(lost.offset >= second && lost.offset + lost.bytes.len() <= second + length, "{lost:?}");
            }
        }
    }
}

#[test]
fn damage_is_named_and_placed() {
    let good = event("1", "good");
    let changed = |from: &str, to: &str| event("2", "bad").replacen(from, to, 1);
    for (bad, reason) in [
        (changed("1.0 ", "2.0 "), Reason::UnknownVersion),
        (changed(" UDP", ""), Reason::FieldCount),
        (changed(" UDP FRA56-C1", ""), Reason::FieldCount),
        (changed("2026-11-16T", "2026-11-31T"), Reason::BadTimestamp),
        (changed("Z123412341234", "A123412341234"), Reason::BadZoneId),
        (changed("bad", ""), Reason::BadName),
        (changed("bad", "b\\u0000d"), Reason::BadName),
        (changed("NOERROR", ""), Reason::BadField),
        (changed("192.0.2.7", "192.0.2.700"), Reason::BadAddress),
        (changed("198.51.100.0/24", "IN"), Reason::BadSubnet),
        (changed("1.0 2026", "hello 2026"), Reason::UnknownMessage),
        (r#"{"id":"2","timestamp":1,"message":""}"#.into(), Reason::UnknownMessage),
        (r#"{"id":"2","timestamp":1,"message":"{}"}"#.into(), Reason::UnknownMessage),
        (r#"{"id":"2","timestamp":1,"message":"{\"query_name\":"}"#.into(), Reason::BadJson),
        (r#"{"id":"2","timestamp":1,"message":7}"#.into(), Reason::BadEvent),
        (r#"{"id":"2","timestamp":1}"#.into(), Reason::BadEvent),
        (r#"{"id":"2","id":"3","message":"a"}"#.into(), Reason::BadEvent),
        (r#""2""#.into(), Reason::BadEvent),
        ("null".into(), Reason::BadEvent),
        (format!(r#"{{"id":"2","message":"a","x":{}{}}}"#, "[".repeat(1000), "]".repeat(1000)), Reason::TooDeep),
        (changed("bad", &"a".repeat(1 << 20)), Reason::LineTooLong),
        (changed("bad", "b\0d"), Reason::BadJson),
        (changed("\"message\"", "message"), Reason::BadJson),
        (r#"{"id":"2","x":[}"#.into(), Reason::BadJson),
    ] {
        let text = envelope(&[good.clone(), bad.clone(), event("3", "also.good")]);
        let kept = decode(text.as_bytes());
        assert_eq!(kept.ids(), ["1", "3"], "{bad:.100}");
        assert_eq!(kept.reasons(), [reason], "{bad:.100}");
        let lost = &kept.rejects[0];
        assert_eq!(lost.offset, text.find(&bad).unwrap(), "{bad:.100}");
        assert_eq!(lost.bytes, bad.as_bytes(), "{bad:.100}");
        let is_event = reason != Reason::BadJson || bad.contains("query_name");
        assert_eq!(lost.event_index, is_event.then_some(1), "{bad:.100}");
        let inflated = decode(&gzip(text.as_bytes()));
        assert_eq!((inflated.rejects[0].offset, inflated.rejects[0].form), (lost.offset, BytesForm::Inflated));
    }
}

#[test]
fn bytes_that_are_not_utf_8_cost_one_event() {
    let mut text = envelope(&[event("1", "a"), event("2", "b?d"), event("3", "c\u{e9}")]).into_bytes();
    let at = text.iter().position(|&byte| byte == b'?').unwrap();
    text[at] = 0xff;
    let kept = decode(&text);
    assert_eq!(kept.names(), ["a", "c\u{e9}"]);
    assert_eq!(kept.reasons(), [Reason::BadUtf8]);
    let mut lines = format!("{}\n{}\n{}", line("a"), line("b?d"), line("c")).into_bytes();
    let at = lines.iter().position(|&byte| byte == b'?').unwrap();
    lines[at] = 0xff;
    let kept = decode(&lines);
    assert_eq!((kept.names(), kept.reasons()), (vec!["a", "c"], vec![Reason::BadUtf8]));
}

#[test]
fn what_is_no_known_input_is_named() {
    for (data, reasons) in [
        (&b""[..], &[Reason::Empty][..]),
        (b"\x1f", &[Reason::UnknownFormat]),
        (b"hello", &[Reason::UnknownFormat]),
        (b"\xff\xfe\x00", &[Reason::UnknownFormat]),
        (b"[1,2]", &[Reason::UnknownFormat]),
        (b"hello\nworld\n", &[Reason::UnknownMessage, Reason::UnknownMessage]),
        (b"{", &[Reason::BadJson]),
        (b"{\"a\":1}", &[Reason::UnknownMessage]),
        (b"{\"messageType\":\"DATA_MESSAGE\"}", &[Reason::BadEnvelope]),
        (b"{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":{}}", &[Reason::BadEnvelope]),
        (b"{\"logEvents\":[]}", &[Reason::BadEnvelope]),
        (b"{\"messageType\":7,\"logEvents\":[]}", &[Reason::UnknownMessageType]),
        (b"{\"messageType\":\"OTHER\",\"logEvents\":[]}", &[Reason::UnknownMessageType]),
        (b"\xf3\x89\x9a\xc2", &[Reason::CorruptAggregate]),
        (b"\xf3\x89\x9a\xc2\x1a\x00aaaaaaaaaaaaaaaa", &[Reason::CorruptAggregate]),
        (b"\x1f\x8b\x08", &[Reason::TruncatedGzip]),
        (b"\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", &[Reason::CorruptGzip]),
        (b" \r\n\n", &[]),
    ] {
        let kept = decode(data);
        assert_eq!((kept.reasons(), kept.queries.len()), (reasons.to_vec(), 0), "{:?}", String::from_utf8_lossy(data));
    }
}

#[test]
fn a_record_over_its_caps_keeps_what_comes_before() {
    let text = envelope(&events(10));
    let limits = Limits { events_max: 4, ..Limits::default() };
    let kept = decode_within(text.as_bytes(), limits);
    assert_eq!(kept.queries.len(), 4);
    assert_eq!(kept.reasons(), [Reason::TooManyEvents]);
    assert_eq!(kept.rejects[0].offset, text.find(&event("5", "n5.example.com")).unwrap());
    assert_eq!(kept.rejects[0].bytes, &text.as_bytes()[kept.rejects[0].offset..]);
    let exact = Limits { events_max: 10, ..Limits::default() };
    assert_eq!(decode_within(text.as_bytes(), exact).reasons(), []);
    // Lines and rejected events count too.
    let lines = "x\n".repeat(10);
    assert_eq!(decode_within(lines.as_bytes(), limits).rejects.len(), 5);

    let data = gzip(text.as_bytes());
    let limits =
        Limits { inflated_bytes_max: text.find(&event("3", "n3.example.com")).unwrap() + 9, ..Limits::default() };
    let kept = decode_within(&data, limits);
    assert_eq!(kept.names(), ["n1.example.com", "n2.example.com"]);
    assert_eq!(kept.reasons(), [Reason::BadJson, Reason::InflatedTooLarge]);
    assert_eq!(kept.rejects[1].bytes, data);
}

#[test]
fn a_bomb_costs_no_more_than_the_cap() {
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() * 1000 < 32 << 20);
    let limits = Limits { inflated_bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(decode_within(&bomb, limits).reasons(), [Reason::InflatedTooLarge]);
    // Its neighbour in the same record is kept, if it comes first.
    let text = gzip(envelope(&events(2)).as_bytes());
    let kept = decode_within(&[text, bomb].concat(), limits);
    assert_eq!((kept.queries.len(), kept.reasons()), (2, vec![Reason::InflatedTooLarge]));
}

#[test]
fn damage_made_for_the_purpose_costs_no_time() {
    // Each of these would take hours if every start that is found were read to its end.
    for unit in [r#"{"id":"a","x":["#, "{\"a\":[\n", r#"{"messageType":["#, r#"{"id":""#, "[", "{\n"] {
        let mut text = ENVELOPE_HEAD.to_owned();
        text.push_str(&unit.repeat((256 << 10) / unit.len()));
        let kept = decode(text.as_bytes());
        assert!(kept.queries.is_empty() && !kept.rejects.is_empty(), "{unit}");
        decode(unit.repeat((256 << 10) / unit.len()).as_bytes());
    }
}

#[test]
fn a_huge_line_costs_itself() {
    let text = format!("{}\n1.0 {}\n{}\n", line("a"), "x".repeat(2 << 20), line("b"));
    let kept = decode(text.as_bytes());
    assert_eq!((kept.names(), kept.reasons()), (vec!["a", "b"], vec![Reason::LineTooLong]));
}
