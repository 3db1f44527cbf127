//! Every form of input that the decoder says it accepts.

mod common;

use common::{Kept, decode, envelope, event, events, gzip, line};
use dnslog::{Decoder, Limits, Query, Reason, Reject, Source, Visit};
use md5::{Digest, Md5};

const RESOLVER: &str = r#"{"version":"1.100000","account_id":"111122223333","region":"us-east-1","vpc_id":"vpc-1","query_timestamp":"2021-12-11T22:46:23Z","query_name":"resolver.example.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"192.0.2.1","Type":"A","Class":"IN"}],"srcaddr":"10.5.0.4","srcport":"36692","transport":"UDP","srcids":{"instance":"i-1"}}"#;
const TRANSFORMED: &str = r#"{"version":1.0,"queryTimestamp":"2017-12-13T08:16:02.130Z","hostZoneId":"Z123412341234","queryName":"transformed.example","queryType":"A","responseCode":"NOERROR","protocol":"UDP","edgeLocation":"FRA6","resolverIp":"192.0.2.1","ednsClientSubnet":"-"}"#;
const GLOBAL: &str = r#"{"class_uid":4003,"metadata":{"version":"1.3.0"},"time":1765000000123,"query":{"hostname":"global.example.","type":"A","class":"IN"},"rcode":"NoError","rcode_id":0,"src_endpoint":{"ip":"192.0.2.7","port":4242},"connection_info":{"protocol_name":"UDP"}}"#;

fn aggregate(parts: &[&[u8]]) -> Vec<u8> {
    fn field(out: &mut Vec<u8>, data: &[u8]) {
        out.push(0x1a);
        let mut length = data.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(data);
    }
    let mut message = Vec::new();
    for part in parts {
        let mut packed = b"\x08\x00".to_vec();
        field(&mut packed, part);
        field(&mut message, &packed);
    }
    [&b"\xf3\x89\x9a\xc2"[..], &message, &Md5::digest(&message)[..]].concat()
}

fn names_of(data: &[u8]) -> Vec<String> {
    let kept = decode(data);
    assert_eq!(kept.rejects, []);
    kept.queries.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn an_envelope_is_read_plain_or_in_any_number_of_members() {
    let text = envelope(&events(3));
    let expected = ["n1.example.com", "n2.example.com", "n3.example.com"];
    assert_eq!(names_of(text.as_bytes()), expected);
    assert_eq!(names_of(&gzip(text.as_bytes())), expected);
    let (front, back) = text.as_bytes().split_at(300);
    let mut members = [gzip(front), gzip(b""), gzip(back)].concat();
    assert_eq!(names_of(&members), expected);
    members.resize(members.len() + 100, 0);
    assert_eq!(names_of(&members), expected);
}

#[test]
fn an_aggregates_parts_are_recognised_each_by_itself() {
    let one = gzip(envelope(&[event("1", "one")]).as_bytes());
    let two = envelope(&[event("2", "two")]);
    let data = aggregate(&[&one, two.as_bytes(), line("three").as_bytes(), &[], RESOLVER.as_bytes()]);
    let kept = decode(&data);
    assert_eq!(kept.names(), ["one", "two", "three", "resolver.example."]);
    assert_eq!(kept.reasons(), []);
    // An aggregate in an aggregate is nobody's doing.
    let nested = aggregate(&[&data, line("four").as_bytes()]);
    let kept = decode(&nested);
    assert_eq!(kept.names(), ["four"]);
    assert!(!kept.rejects.is_empty());
}

#[test]
fn the_envelopes_fields_come_with_each_query() {
    struct Look(usize);
    impl Visit for Look {
        fn query(&mut self, source: &Source<'_>, query: &Query<'_>) {
            assert_eq!((source.owner, source.log_group), ("123456789012", "/aws/route53/example.com"));
            assert_eq!(source.log_stream, "Z123412341234/FRA56-C1");
            assert_eq!(source.subscription_filters, r#"["a","b"]"#);
            assert_eq!(source.policy_level, "ACCOUNT_LEVEL_POLICY");
            assert_eq!(query.event_id, "1");
            assert_eq!(query.extracted_fields, r#"{"@aws.account":"1","@aws.region":"us-east-1"}"#);
            self.0 += 1;
        }
        fn reject(&mut self, _: &Source<'_>, reject: &Reject<'_>) {
            panic!("{reject:?}");
        }
    }
    let fields = [
        r#""messageType":"DATA_MESSAGE""#.to_owned(),
        r#""owner":"123456789012""#.to_owned(),
        r#""logGroup":"/aws/route53/example.com""#.to_owned(),
        r#""logStream":"Z123412341234/FRA56-C1""#.to_owned(),
        r#""subscriptionFilters":["a","b"]"#.to_owned(),
        r#""policyLevel":"ACCOUNT_LEVEL_POLICY""#.to_owned(),
        r#""later":{"x":[1,{"logEvents":[]}]}"#.to_owned(),
        format!(
            r#""logEvents":[{},"extractedFields":{{"@aws.account":"1","@aws.region":"us-east-1"}}}}]"#,
            event("1", "a").trim_end_matches('}')
        ),
    ];
    let mut decoder = Decoder::new(Limits::default());
    let mut look = Look(0);
    for first in 0..fields.len() {
        let mut turned = fields.clone();
        turned.rotate_left(first);
        for (open, between, close) in [("{", ",", "}"), ("{\n ", " ,\r\n\t", "\n}\n")] {
            let text = format!("{open}{}{close}", turned.join(between));
            assert_eq!(decoder.decode(text.as_bytes(), &mut look).queries, 1, "{text}");
            decode(text.as_bytes());
        }
    }
    assert_eq!(look.0, 2 * fields.len());
}

#[test]
fn control_messages_are_counted_and_dropped() {
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"group","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1510109208016,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#;
    for data in [control.as_bytes().to_vec(), gzip(control.as_bytes())] {
        let kept = decode(&data);
        assert_eq!((kept.controls, kept.queries, kept.rejects), (vec!["group".to_owned()], vec![], vec![]));
    }
    let text = format!("{control}{}", envelope(&events(1)));
    let kept = decode(text.as_bytes());
    assert_eq!((kept.controls.len(), kept.names()), (1, vec!["n1.example.com"]));
}

#[test]
fn envelopes_may_follow_one_another() {
    for between in ["", "\n", "\r\n\r\n", " "] {
        let text = format!("{}{between}{}{between}", envelope(&events(2)), envelope(&[event("3", "third")]));
        assert_eq!(names_of(text.as_bytes()), ["n1.example.com", "n2.example.com", "third"], "{between:?}");
    }
    assert_eq!(names_of(envelope(&[]).as_bytes()), Vec::<String>::new());
}

#[test]
fn ids_are_opaque_and_may_be_missing_or_numbers() {
    let message = serde_json::to_string(&line("a")).unwrap();
    for (id, expected) in [
        (r#""id":"x/y","#, "x/y"),
        (r#""id":"a\u0062\"","#, "ab\""),
        (
            r#""id":36312345678901234567890123456789012345678901234567890123,"#,
            "36312345678901234567890123456789012345678901234567890123",
        ),
        (r#""id":-1.5e3,"#, "-1.5e3"),
        (r#""id":null,"#, ""),
        (r#""id":{"a":1},"#, ""),
        ("", ""),
    ] {
        let text = envelope(&[format!(r#"{{{id}"timestamp":1,"message":{message}}}"#), event("2", "b")]);
        assert_eq!(decode(text.as_bytes()).ids(), [expected, "2"], "{id}");
    }
}

#[test]
fn messages_of_every_form_are_read() {
    let messages = [
        line("public.example"),
        line("a\\052b.example"),
        line("b\u{fc}cher.example"),
        format!("{}\n", line("end")),
        TRANSFORMED.into(),
        RESOLVER.into(),
        GLOBAL.into(),
    ];
    let expected = [
        "public.example",
        "a\\052b.example",
        "b\u{fc}cher.example",
        "end",
        "transformed.example",
        "resolver.example.",
        "global.example.",
    ];
    let in_events: Vec<String> = messages
        .iter()
        .map(|message| format!(r#"{{"id":"1","timestamp":1,"message":{}}}"#, serde_json::to_string(message).unwrap()))
        .collect();
    assert_eq!(names_of(envelope(&in_events).as_bytes()), expected);
    // Without an envelope, on lines, with any line end, with export times, with empty lines and white space.
    for end in ["\n", "\r\n", "\n\n", " \r\n"] {
        let lines: String = messages.iter().map(|message| format!("{}{end}", message.trim_end())).collect();
        assert_eq!(names_of(lines.as_bytes()), expected, "{end:?}");
        assert_eq!(names_of(format!("\u{feff}\n{lines}").as_bytes()), expected, "{end:?}");
        assert_eq!(names_of(&gzip(lines.as_bytes())), expected, "{end:?}");
        let export: String =
            messages.iter().map(|message| format!("2026-11-16T09:00:18.000Z {}{end}", message.trim_end())).collect();
        assert_eq!(names_of(export.as_bytes()), expected, "{end:?}");
        let single: String = in_events.iter().map(|event| format!("{event}{end}")).collect();
        assert_eq!(names_of(single.as_bytes()), expected, "{end:?}");
    }
}

#[test]
fn escapes_in_json_are_undone() {
    let text = envelope(&[
        r#"{"id":"1","timestamp":1,"message":"1.0 2026-11-16T09:00:17Z Z1 \u0061\\052\/b A NOERROR UDP FRA6 192.0.2.7 -"}"#.into(),
        r#"{"id":"2","timestamp":1,"message":"1.0 2026-11-16T09:00:17Z Z1 \ud83d\ude00 A NOERROR UDP FRA6 192.0.2.7 -"}"#.into(),
        r#"{"id":"3","timestamp":1,"message":"1.0 2026-11-16T09:00:17Z Z1 \ud83d A NOERROR UDP FRA6 192.0.2.7 -"}"#.into(),
        r#"{"id":"4","timestamp":1,"message":"1.0 2026-11-16T09:00:17Z Z1 a\u0000b A NOERROR UDP FRA6 192.0.2.7 -"}"#.into(),
    ]);
    let kept = decode(text.as_bytes());
    assert_eq!(kept.names(), ["a\\052/b", "\u{1f600}"]);
    assert_eq!(kept.reasons(), [Reason::BadEvent, Reason::BadName]);
}

#[test]
fn a_reject_is_input_again() {
    // Quarantined bytes are read back after whatever made them a reject was mended.
    let broken = event("7", "a").replace("192.0.2.7", "192.0.2.x");
    let kept = decode(envelope(&[broken]).as_bytes());
    assert_eq!(kept.reasons(), [Reason::BadAddress]);
    let mended = String::from_utf8(kept.rejects[0].bytes.clone()).unwrap().replace("192.0.2.x", "192.0.2.7");
    assert_eq!(decode(mended.as_bytes()).queries, [("7".to_owned(), "a".to_owned())]);
}

#[test]
fn the_source_is_empty_where_there_is_no_envelope() {
    let kept: Kept = decode(line("a").as_bytes());
    assert!(kept.full[0].contains(&format!("{:?}", Source::default())), "{:?}", kept.full);
}
