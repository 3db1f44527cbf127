//! Every known form of a log, sound and damaged, through every output: with privacy on no whole address leaves, by whatever
//! way and in whatever form; and without it they do, so that the search is known to find them.

use crate::config::{Config, Privacy};
use crate::observe::{Observed, Observer, Settings};
use crate::replay::{self, Meter, Options, Target};
use cloud::Record;
use detect::detector::Judging;
use detect::message::Header;
use dnslog::schema::Schema;
use lease::SequenceNumber;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-11-22T10:00:00Z.
const START_MS: i64 = 1_795_341_600_000;

/// Whoever asks, and whoever is behind them: each stands in the corpus, in this form.
const ADDRESSES: [&str; 7] = [
    "198.51.100.177",
    "203.0.113.199",
    "2001:db8:5:6aff:1:2:3:c0de",
    "2001:db8:7:8aff::beef",
    "::ffff:198.51.100.178",
    "2002:c633:64b3::1",
    "192.0.2.219",
];

/// Forty minutes of a zone, with a flood in them; and one message of every other form, damaged ones too.
fn corpus() -> String {
    let [v4, subnet4, v6, subnet6, mapped, six_to_four, broken] = ADDRESSES;
    let mut text = String::new();
    let line = |second: u32, name: &str, code: &str, rest: &str| {
        let (minute, second) = (second / 60, second % 60);
        format!("1.0 2026-11-22T10:{minute:02}:{second:02}Z Z0123456789ABCDEFGHIJ {name} A {code} UDP FRA6-C1 {rest}\n")
    };
    for second in 0..2_400 {
        text += &line(second, "www.example.com", "NOERROR", &format!("{v4} {subnet4}/32"));
        if second / 60 == 12 {
            (0..120).for_each(|number| {
                text += &line(second, &format!("x{second}-{number}.api.example.com"), "NXDOMAIN", &format!("{v4} -"));
            });
        }
    }
    for rest in [format!("{v6} {subnet6}/128"), format!("{mapped} {subnet4}/25"), format!("{six_to_four} {subnet6}/64")]
    {
        text += &line(2_400, "www.example.com", "NOERROR", &rest);
        // A line of a version to come: what follows is not known.
        text += &line(2_400, "www.example.com", "NOERROR", &format!("{rest} {v4}"));
    }
    let time = "2026-11-22T10:40:00Z";
    for address in [v4, v6, mapped] {
        text += &format!(
            r#"{{"version":"1.100000","account_id":"111122223333","region":"us-east-1","vpc_id":"vpc-1","query_timestamp":"{time}","query_name":"example.org.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[],"srcaddr":"{address}","srcport":"36692","transport":"UDP","srcids":{{"instance":"i-1"}}}}"#
        );
        text += &format!(
            "\n{}\n",
            r#"{"class_uid":4003,"metadata":{"version":"1.3.0"},"time_dt":"TIME","query":{"hostname":"example.org.","type":"A","class":"IN"},"rcode":"NoError","rcode_id":0,"src_endpoint":{"ip":"ADDRESS","port":4242},"connection_info":{"protocol_name":"UDP"}}"#
                .replace("TIME", time)
                .replace("ADDRESS", address)
        );
        text += &format!(
            r#"{{"version":1.0,"queryTimestamp":"{time}","hostZoneId":"Z0123456789ABCDEFGHIJ","queryName":"www.example.com","queryType":"A","responseCode":"NOERROR","protocol":"UDP","edgeLocation":"FRA6-C1","resolverIp":"{address}","ednsClientSubnet":"{subnet4}/32"}}"#
        );
        text.push('\n');
    }
    // None of these is a query; each holds an address all the same.
    text += &format!("1.0 {time} Z0123456789ABCDEFGHIJ www.example.com A NOERROR UDP\tFRA6-C1 {broken}\n");
    text += &line(2_400, "www.example.com", "NOERROR", &format!("{broken}x -"));
    text += &format!("{{\"version\":\"1.100000\",\"query_name\":\"example.org.\",\"srcaddr\":\"{broken}\"\n{broken}\n");
    text
}

fn envelope() -> String {
    let [v4, subnet4, ..] = ADDRESSES;
    let message = format!(
        "1.0 2026-11-22T10:00:00Z Z0123456789ABCDEFGHIJ www.example.com A NOERROR UDP FRA6-C1 {v4} {subnet4}/32"
    );
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"/aws/route53/example.com","logStream":"Z0123456789ABCDEFGHIJ/FRA6-C1","subscriptionFilters":["f"],"logEvents":[{{"id":"1","timestamp":{START_MS},"message":"{message}","extractedFields":{{"resolver":"{v4}","subnet":"{subnet4}/32"}}}}]}}"#
    )
}

/// Every form in which these bytes may show an address: as text, in base64 at any place, and as octets.
fn shows(bytes: &[u8], address: &str) -> bool {
    let ip: IpAddr = address.parse().unwrap();
    let (canonical, octets) = match ip {
        IpAddr::V4(v4) => (v4.to_string(), v4.octets().to_vec()),
        IpAddr::V6(v6) => (v6.to_string(), v6.octets().to_vec()),
    };
    let mut forms = vec![address.as_bytes().to_vec(), canonical.into_bytes(), octets];
    for skipped in 0..3 {
        use base64::Engine;
        let padded = [&b"   "[..skipped], address.as_bytes()].concat();
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
        // The characters that its neighbours do not change.
        forms.push(text.as_bytes()[(skipped * 4).div_ceil(3)..text.len() - 2].to_vec());
    }
    forms.iter().any(|form| memchr::memmem::find(bytes, form).is_some())
}

fn config(privacy: Privacy, schema: Schema, original: bool) -> Config {
    let mut config = Config { privacy, ..Config::default() };
    (config.records.schema, config.records.original) = (schema, original);
    config
}

/// All that a replay writes, by what it is.
fn replayed(folder: &Path, config: &Config) -> Vec<(String, Vec<u8>)> {
    let path = |name: &str| folder.join(name);
    std::fs::write(path("a.log"), corpus()).unwrap();
    std::fs::write(path("b.json"), envelope()).unwrap();
    let names = ["records", "windows", "findings", "rejects", "baselines"];
    let target = |name: &str| Some(Target::File(path(name)));
    let options = Options {
        inputs: ["a.log", "b.json"].map(path).into(),
        records: target("records"),
        windows: target("windows"),
        findings: target("findings"),
        rejects: target("rejects"),
        baselines: Some(path("baselines")),
        judging: Judging::default(),
        settings: Settings::new(config, "us-east-1", 0),
        reference: Arc::default(),
        lines_max: config.decode.events_max,
    };
    let Ok(summary) = replay::run(options, &mut Meter::hidden()) else { panic!("the corpus can be read") };
    assert!(summary.rejects() >= 4, "damaged lines are rejected");
    let files = names.map(|name| (name.to_owned(), std::fs::read(path(name)).unwrap()));
    assert!(files.iter().all(|(name, bytes)| !bytes.is_empty() || panic!("there are no {name}")));
    files.into_iter().chain([("summary".to_owned(), summary.to_string().into_bytes())]).collect()
}

/// What a worker puts on the rollup stream for the corpus.
fn digests(config: &Config) -> Vec<u8> {
    let settings = Arc::new(Settings::new(config, "us-east-1", 1).with_windows());
    let constants = settings.constants();
    let mut observed = Observed::new(&settings);
    let sequence = SequenceNumber::parse("495").unwrap();
    let data = corpus();
    let tail: String = data.lines().rev().take(40).map(|line| format!("{line}\n")).collect();
    let record = Record { sequence, arrival_ms: START_MS + 2_400_000, data: tail.into() };
    Observer::new(settings, Arc::default()).observe("s", &record, &mut observed);
    let header = Header {
        constants,
        shard: "s".into(),
        hash_range: 0..=u128::MAX,
        parents: Vec::new(),
        after: None,
        through: None,
        time_ms: START_MS,
        hole_ms: None,
        end: false,
    };
    let messages = observed.summary.expect("windows are on").messages(&header);
    messages.iter().flat_map(|message| message.encode()).collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zonewatch-privacy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn no_whole_address_leaves_by_any_way() {
    let folder = Folder::new("cut");
    let privacy = Privacy { ipv4_prefix: 24, ipv6_prefix: 56 };
    for schema in [Schema::Ecs, Schema::Ocsf, Schema::Lean] {
        let config = config(privacy.clone(), schema, schema != Schema::Lean);
        let mut outputs = replayed(&folder.0, &config);
        outputs.push(("digests".into(), digests(&config)));
        for (name, bytes) in &outputs {
            for address in ADDRESSES {
                assert!(!shows(bytes, address), "{address} is in {name} of {schema:?}");
            }
        }
        let shown = |name: &str, text: &str| {
            let (_, bytes) = outputs.iter().find(|(output, _)| output == name).unwrap();
            assert!(memchr::memmem::find(bytes, text.as_bytes()).is_some(), "{text} is not in {name} of {schema:?}");
        };
        for text in ["198.51.100.0", "203.0.113.0/24", "2001:db8:5:6a00::", "::ffff:198.51.100.0"] {
            shown("records", text);
        }
        shown("windows", "198.51.100.0");
        shown("findings", "198.51.100.0");
    }
}

#[test]
fn whole_addresses_leave_where_nothing_is_configured() {
    let folder = Folder::new("whole");
    let config = config(Privacy::default(), Schema::Ecs, true);
    let outputs = replayed(&folder.0, &config);
    let found = |name: &str, address: &str| {
        let (_, bytes) = outputs.iter().find(|(output, _)| output == name).unwrap();
        assert!(shows(bytes, address), "{address} is not found in {name}");
    };
    ADDRESSES[..6].iter().for_each(|address| found("records", address));
    found("windows", ADDRESSES[0]);
    found("findings", ADDRESSES[0]);
    // As base64.
    found("rejects", ADDRESSES[6]);
    // As octets.
    assert!(shows(&digests(&config), ADDRESSES[0]) && shows(&digests(&config), ADDRESSES[2]));
}
