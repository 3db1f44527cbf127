//! Records hold to the published definitions of the schemas they claim.
//!
//! The definitions come in packages that `cargo xtask test` installs (npm `@elastic/ecs`, PyPI `ocsf-json-schema`); the
//! scripts that read them are in `tools/`. Here queries of every log form are decoded, enriched and written, and the
//! lines are handed to those scripts.

use dnslog::schema::{Place, Schema, Writer};
use dnslog::{Decoder, Enricher, Facts, Limits, Network, Query, Reference, Reject, Source, Visit};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Log events of the four forms, and what is odd about each form.
const MESSAGES: &[&str] = &[
    "1.0 2024-05-05T08:34:56.130Z Z0195849T189REVYAU10 www.example.com AAAA NOERROR UDP FRA56-C1 172.253.1.130 198.51.100.0/24",
    "1.0 2018-08-20T15:08:14Z Z149R7NEBZTKPN ExAmPlE.com ANY NXDOMAIN TCP DFW3 2001:db8::1 2001:db8:abcd::/48",
    r"1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN \052.\303\274.\134.example.co.uk TYPE65 SERVFAIL UDP Region 192.0.2.1 -",
    "1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN 4.2.0.192.in-addr.arpa PTR REFUSED UDP GRU1-C1 9.9.9.9 -",
    "1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN a.com A BADVERS UDP GRU1-C1 9.9.9.9 -",
    "1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN a.com A FORMERR UDP GRU1-C1 9.9.9.9 -",
    "1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN a.com A NOTIMP UDP GRU1-C1 9.9.9.9 -",
    r#"{"version":1.0,"queryTimestamp":"2024-05-05T08:34:56.130Z","hostZoneId":"Z123412341234","queryName":"_dmarc.example.com","queryType":"TXT","responseCode":"NOERROR","protocol":"UDP","edgeLocation":"SFO53-P1","resolverIp":"8.8.8.8","ednsClientSubnet":"-"}"#,
    r#"{"version":"1.100000","account_id":"111122223333","region":"eu-central-1","vpc_id":"vpc-0123","query_timestamp":"2021-12-11T22:46:23Z","query_name":"mail.example.org.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"alias.example.net.","Type":"CNAME","Class":"IN"},{"Rdata":"192.0.2.7","Type":"A","Class":"IN"}],"srcaddr":"10.0.0.5","srcport":"54321","transport":"UDP","srcids":{"instance":"i-0abc","resolver_endpoint":"rslvr-in-1","resolver_network_interface":"rni-1"},"firewall_rule_group_id":"rslvr-frg-1","firewall_rule_action":"BLOCK","firewall_domain_list_id":"rslvr-fdl-1"}"#,
    r#"{"version":"1.100000","account_id":"111122223333","region":"eu-central-1","vpc_id":"vpc-0123","query_timestamp":"2021-12-11T22:46:23Z","query_name":"qwertz","query_type":"A","query_class":"IN","rcode":"NXDOMAIN","answers":[],"srcaddr":"10.0.0.5","srcport":"1","transport":"TCP","srcids":{},"firewall_rule_group_id":"rslvr-frg-1","firewall_rule_action":"ALERT","firewall_domain_list_id":"rslvr-fdl-1"}"#,
    r#"{"activity_id":6,"activity_name":"Traffic","category_uid":4,"class_uid":4003,"cloud":{"provider":"AWS","region":"us-east-1","account":{"uid":"111122223333"}},"metadata":{"version":"1.5.0","product":{"name":"Global Resolver"}},"query":{"hostname":"www.example.net.","type":"AAAA","class":"IN"},"rcode":"NOERROR","rcode_id":0,"severity_id":1,"src_endpoint":{"ip":"198.51.100.7","port":5353},"connection_info":{"protocol_name":"udp","direction_id":1},"time":1714898096130,"type_uid":400306}"#,
];

const PLACE: Place<'static> = Place {
    shard: "shardId-000000000003",
    sequence_number: "49590338271490256608559692538361571095921575989136588898",
    arrival_ms: 1_714_898_101_007,
    region: "us-east-1",
    fallback_id: "shardId-000000000003/49590338271490256608559692538361571095921575989136588898/0",
};

/// Writes every query twice: with nothing known about its networks, and with everything.
struct Records {
    enricher: Enricher,
    writer: Writer,
    lines: Vec<u8>,
    rejects: Vec<String>,
}

impl Visit for Records {
    fn query(&mut self, _: &Source<'_>, query: &Query<'_>) {
        let source = Source {
            owner: "123456789012",
            log_group: "/aws/route53/example.com",
            log_stream: "Z0195849T189REVYAU10/FRA56-C1",
            subscription_filters: "[\"zonewatch\"]",
            policy_level: "ACCOUNT_LEVEL_POLICY",
        };
        let known = Network {
            country: "US".to_owned(),
            asn: 15_169,
            organization: "Google \"LLC\"".to_owned(),
            operator: "google",
        };
        let facts = self.enricher.enrich(&Source::default(), query);
        let unknown = Facts { source: None, client: None, ..facts };
        self.writer.write(&Source::default(), &Place::default(), query, &unknown, &mut self.lines);
        let facts = Facts { source: Some(&known), client: Some(&known), ..facts };
        self.writer.write(&source, &PLACE, query, &facts, &mut self.lines);
    }

    fn reject(&mut self, _: &Source<'_>, reject: &Reject<'_>) {
        self.rejects.push(format!("{}: {}", reject.reason.as_str(), String::from_utf8_lossy(reject.bytes)));
    }
}

fn records(schema: Schema, original: bool) -> Vec<u8> {
    let zones = vec![("Z0195849T189REVYAU10".to_owned(), "example.com".to_owned())];
    let reference = Reference::new(zones, Vec::new()).expect("no databases");
    let writer = Writer::new(schema, original);
    let (lines, rejects) = (Vec::new(), Vec::new());
    let mut records = Records { enricher: Enricher::new(Arc::new(reference), 1), writer, lines, rejects };
    for message in MESSAGES {
        Decoder::new(Limits::default()).decode(message.as_bytes(), &mut records);
    }
    assert_eq!(records.rejects, Vec::<String>::new());
    assert_eq!(records.lines.iter().filter(|byte| **byte == b'\n').count(), 2 * MESSAGES.len());
    records.lines
}

/// Where `cargo xtask test` keeps the packages.
fn tools() -> PathBuf {
    let variable = std::env::var_os("ZONEWATCH_TOOLS");
    variable
        .expect("ZONEWATCH_TOOLS is not set: run `cargo xtask test`, which installs the schemas' definitions")
        .into()
}

/// Runs a checking script on these lines: whether it accepts them, and what it says.
fn check(script: &str, lines: &[u8]) -> (bool, String) {
    let tools = tools();
    let program = if script.ends_with(".py") { tools.join("venv/bin/python") } else { PathBuf::from("node") };
    let mut child = Command::new(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").join(script))
        .env("ZONEWATCH_TOOLS", tools)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}: run `cargo xtask test`", program.display()));
    child.stdin.take().expect("piped").write_all(lines).expect("the script reads everything before it answers");
    let output = child.wait_with_output().expect("wait for the script");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn ecs_records_hold_to_the_field_list() {
    for original in [true, false] {
        let (accepted, said) = check("check_ecs.mjs", &records(Schema::Ecs, original));
        assert!(accepted, "{said}");
    }
}

#[test]
fn ocsf_records_hold_to_the_class() {
    for original in [true, false] {
        let (accepted, said) = check("check_ocsf.py", &records(Schema::Ocsf, original));
        assert!(accepted, "{said}");
    }
}

#[test]
fn the_checks_refuse_what_is_wrong() {
    let edited = |schema, from: &str, to: &str| {
        let lines = String::from_utf8(records(schema, false)).expect("records are UTF-8");
        assert!(lines.contains(from), "{from}");
        lines.replace(from, to).into_bytes()
    };
    for (script, lines, complaint) in [
        ("check_ecs.mjs", Vec::new(), "no records"),
        ("check_ecs.mjs", edited(Schema::Ecs, "\"response_code\"", "\"rcode\""), "dns.rcode is not in ECS"),
        ("check_ecs.mjs", edited(Schema::Ecs, ":\"17\"", ":17"), "network.iana_number is not text"),
        ("check_ecs.mjs", edited(Schema::Ecs, "[\"protocol\"", "[\"admin\""), "event.type admin does not belong"),
        ("check_ocsf.py", Vec::new(), "no records"),
        ("check_ocsf.py", edited(Schema::Ocsf, "\"hostname\"", "\"host\""), "'hostname' is a required property"),
        ("check_ocsf.py", edited(Schema::Ocsf, "\"NXDomain\"", "\"NXDOMAIN\""), "rcode is 'NXDOMAIN'"),
        ("check_ocsf.py", edited(Schema::Ocsf, "400306", "400301"), "does not follow"),
    ] {
        let (accepted, said) = check(script, &lines);
        assert!(!accepted && said.contains(complaint), "{complaint}: {said}");
    }
}
