//! Records of every kind: queries of every log form, decoded, enriched and written, each with nothing known about its
//! networks and with everything. They hold all fields that a record can have.

use dnslog::schema::{Place, Schema, Writer};
use dnslog::{Decoder, Enricher, Facts, Limits, Network, Query, Reference, Reject, Source, Visit};
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
    "1.0 2024-05-05T08:34:56.130Z Z149R7NEBZTKPN a.com A NOERROR QUIC GRU1-C1 9.9.9.9 -",
    r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/route53/example.com","logStream":"Z0195849T189REVYAU10/FRA56-C1","subscriptionFilters":["zonewatch"],"logEvents":[{"id":"38240587","timestamp":1714898096130,"message":"1.0 2024-05-05T08:34:56.130Z Z0195849T189REVYAU10 www.example.com A NOERROR UDP FRA56-C1 172.253.1.130 -","extractedFields":{"zone":"example.com"}}]}"#,
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

/// All of them, a line each.
pub(crate) fn records(schema: Schema, original: bool) -> Vec<u8> {
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
