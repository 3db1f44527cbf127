//! Every key and what it may hold: the one place for types, ranges and units.

use std::fmt;
use std::net::SocketAddr;
use toml::Value;

/// A key and its permitted values.
#[derive(Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What it may hold.
    pub permitted: Permitted,
}

/// What a key may hold; [`fmt::Display`] says it to people.
#[derive(Debug, Clone, Copy)]
pub enum Permitted {
    /// Any text.
    Text,
    /// A resource's name of at most so many letters, digits, `_`, `-` and `.`; or nothing, if the first number is 0.
    Name(usize, usize),
    /// A stream's name or ARN, or nothing.
    Stream,
    /// An RFC 3339 time, or nothing.
    Time,
    /// A whole number in a range, and its unit.
    Whole(i64, i64, &'static str),
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`.
    Truth,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A list of texts, each checked so, described so.
    List(fn(&str) -> bool, &'static str),
    /// A table of texts.
    Texts,
    /// An address and a port.
    Address,
}

use Permitted::{Address, List, Name, OneOf, Share, Stream, Text, Texts, Time, Truth, Whole};

macro_rules! keys {
    ($($name:literal $permitted:expr;)+) => { &[$(Key { name: $name, permitted: $permitted }),+] };
}

/// Every key, section by section.
pub const KEYS: &[Key] = keys! {
    "worker.app" Name(3, 200);
    "worker.id" Name(0, 200);
    "source.stream" Stream;
    "source.start" OneOf(&["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]);
    "source.start_at" Time;
    "source.retrieval" OneOf(&["polling", "fan-out"]);
    "source.consumer" Name(0, 128);
    "source.records_max" Whole(1, 10_000, "records");
    "source.poll_ms" Whole(200, 60_000, "milliseconds");
    "source.idle_poll_ms" Whole(200, 60_000, "milliseconds");
    "source.epoch_secs" Whole(1, 300, "seconds");
    "leases.table" Name(0, 255);
    "leases.failover_secs" Whole(2, 600, "seconds");
    "leases.held_max" Whole(0, 100_000, "leases");
    "leases.create" Truth;
    "decode.inflated_bytes_max" Whole(1 << 20, 1 << 30, "bytes");
    "decode.events_max" Whole(1, 10_000_000, "log events");
    "enrich.databases" List(filled, "paths of .mmdb files");
    "enrich.reload_secs" Whole(1, 86_400, "seconds");
    "enrich.zones" Texts;
    "records.delivery_streams" List(delivery_stream, "delivery stream names (1 to 64 letters, digits, _, - and .)");
    "records.schema" OneOf(&["ecs", "ocsf", "lean"]);
    "records.original" Truth;
    "records.packing" OneOf(&["lines", "single"]);
    "records.compression" OneOf(&["none", "gzip"]);
    "records.zones" List(filled, "zone ids or names");
    "records.types" List(query_type, "query types such as A, AAAA or TYPE65");
    "records.response_codes" List(response_code, "response codes: NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED");
    "records.sample" Share;
    "quarantine.delivery_stream" Name(0, 64);
    "quarantine.file" Text;
    "detect.enabled" Truth;
    "detect.rollup_stream" Stream;
    "detect.bucket" Text;
    "detect.lateness_secs" Whole(1, 3_600, "seconds");
    "detect.windows_delivery_stream" Name(0, 64);
    "detect.findings_delivery_stream" Name(0, 64);
    "detect.tuning" Text;
    "detect.baselines" Text;
    "privacy.ipv4_prefix" Whole(0, 32, "bits");
    "privacy.ipv6_prefix" Whole(0, 128, "bits");
    "limits.held_bytes_max" Whole(32 << 20, 1 << 40, "bytes");
    "limits.epoch_bytes_max" Whole(1 << 20, 1 << 30, "bytes");
    "limits.metric_zones_max" Whole(0, 10_000, "zones");
    "http.operations" Address;
    "http.people" Address;
    "http.token_file" Text;
    "http.users_file" Text;
    "log.format" OneOf(&["text", "json"]);
    "log.level" Text;
};

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl Permitted {
    /// Whether `value` is one of the permitted.
    pub fn allows(self, value: &Value) -> bool {
        match self {
            Text => value.is_str(),
            Name(bytes_min, bytes_max) => value
                .as_str()
                .is_some_and(|text| (bytes_min..=bytes_max).contains(&text.len()) && text.bytes().all(is_name_byte)),
            Stream => value.as_str().is_some_and(|text| text.is_empty() || is_stream(text)),
            Time => value.as_str().is_some_and(|text| text.is_empty() || super::rfc3339_ms(text).is_some()),
            Whole(min, max, _) => value.as_integer().is_some_and(|number| (min..=max).contains(&number)),
            Share => {
                let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
                number.is_some_and(|share| (0.0..=1.0).contains(&share))
            }
            Truth => value.is_bool(),
            OneOf(members) => value.as_str().is_some_and(|text| members.contains(&text)),
            List(each, _) => {
                let list = value.as_array();
                list.is_some_and(|list| list.iter().all(|member| member.as_str().is_some_and(each)))
            }
            Texts => value.as_table().is_some_and(|table| table.values().all(|text| text.as_str().is_some_and(filled))),
            Address => value.as_str().is_some_and(|text| text.parse::<SocketAddr>().is_ok()),
        }
    }
}

impl fmt::Display for Permitted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text => formatter.write_str("text"),
            Name(0, max) => write!(formatter, "empty or a name of up to {max} letters, digits, _, - and ."),
            Name(min, max) => write!(formatter, "a name of {min} to {max} letters, digits, _, - and ."),
            Stream => formatter.write_str("a stream's name (1 to 128 letters, digits, _, - and .) or its ARN"),
            Time => formatter.write_str("a time such as \"2026-01-31T06:00:00Z\" (RFC 3339), as text"),
            Whole(min, max, unit) => write!(formatter, "a whole number from {min} to {max} ({unit})"),
            Share => formatter.write_str("a number from 0 to 1"),
            Truth => formatter.write_str("true or false"),
            OneOf(members) => write!(formatter, "one of \"{}\"", members.join("\", \"")),
            List(_, what) => write!(formatter, "a list of {what}"),
            Texts => {
                formatter.write_str("a table of texts, zone id = \"zone name\"; in a variable { Z1 = \"example.com\" }")
            }
            Address => formatter.write_str("an IP address and a port, such as \"127.0.0.1:9464\""),
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// A Kinesis stream's name, or `arn:<partition>:kinesis:<region>:<account>:stream/<name>`.
fn is_stream(text: &str) -> bool {
    let name = |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(is_name_byte);
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "kinesis", region, account, resource] => {
            [partition, region, account].iter().all(|part| !part.is_empty())
                && resource.strip_prefix("stream/").is_some_and(name)
        }
        _ => name(text),
    }
}

fn filled(text: &str) -> bool {
    !text.trim().is_empty()
}

fn delivery_stream(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// A type we know, or the generic form of RFC 3597.
fn query_type(text: &str) -> bool {
    let number = text.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok());
    dnslog::QueryType::of(text) != dnslog::QueryType::Other || number.is_some()
}

fn response_code(text: &str) -> bool {
    dnslog::ResponseCode::of(text) != dnslog::ResponseCode::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(name: &str, text: &str) -> bool {
        let table: toml::Table = format!("value = {text}").parse().unwrap();
        find(name).unwrap().permitted.allows(&table["value"])
    }

    #[test]
    fn values_in_and_out_of_range() {
        for (name, good, bad) in [
            ("worker.app", vec!["'abc'", "'zone_watch-2.x'"], vec!["'ab'", "'a b c'", "3", "''"]),
            ("worker.id", vec!["''", "'w1'"], vec!["'w 1'"]),
            (
                "source.stream",
                vec!["''", "'logs'", "'arn:aws:kinesis:eu-west-1:123456789012:stream/logs'"],
                vec!["'a/b'", "'arn:aws:kinesis:eu-west-1:123456789012:logs'", "'arn:aws:sqs:a:b:stream/x'"],
            ),
            ("source.start", vec!["'LATEST'"], vec!["'latest'", "''"]),
            ("source.start_at", vec!["''", "'2026-01-31T06:00:00Z'"], vec!["'yesterday'", "2026-01-31T06:00:00Z"]),
            ("source.poll_ms", vec!["200", "60000"], vec!["199", "60001", "'500'", "500.0"]),
            ("leases.create", vec!["true"], vec!["'true'", "1"]),
            ("enrich.databases", vec!["[]", "['a.mmdb']"], vec!["['']", "'a.mmdb'", "[1]"]),
            ("enrich.zones", vec!["{}", "{ Z1 = 'a.test' }"], vec!["{ Z1 = 1 }", "{ Z1 = '' }", "[]"]),
            ("records.types", vec!["['A', 'https', 'TYPE65']"], vec!["['B']", "['TYPE65536']", "'A'"]),
            ("records.response_codes", vec!["['NXDOMAIN']"], vec!["['NXDOMAN']"]),
            ("records.sample", vec!["0", "1", "0.25"], vec!["-0.1", "1.1", "nan", "'1'"]),
            ("http.people", vec!["'[::1]:9465'"], vec!["'localhost:9465'", "9465"]),
        ] {
            for text in good {
                assert!(allows(name, text), "{name} = {text} must be allowed");
            }
            for text in bad {
                assert!(!allows(name, text), "{name} = {text} must not be allowed");
            }
        }
    }
}
