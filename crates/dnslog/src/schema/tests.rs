//! The three schemas, byte by byte, and what holds for any query.

use super::*;
use crate::testing::{public_query, public_source, resolver_query, subnet_query};
use crate::{Enricher, Facts, Network, QueryType, Reference, ResolverFields, ResponseCode, Subnet, Transport};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

const PLACE: Place<'static> = Place {
    shard: "shardId-000000000003",
    sequence_number: "49590338271490256608559692538361571095921575989136588898",
    arrival_ms: 1_714_898_101_007,
    region: "us-east-1",
    fallback_id: "made-1",
};

/// Every schema, with and without the original.
const FORMS: [(Schema, bool); 6] = [
    (Schema::Ecs, true),
    (Schema::Ecs, false),
    (Schema::Ocsf, true),
    (Schema::Ocsf, false),
    (Schema::Lean, true),
    (Schema::Lean, false),
];

fn enricher() -> Enricher {
    let zones = vec![("Z0195849T189REVYAU10".to_owned(), "example.com".to_owned())];
    Enricher::new(Arc::new(Reference::new(zones, Vec::new()).expect("no databases")), 1)
}

fn network(country: &str, asn: u32, organization: &str, operator: &'static str) -> Network {
    Network { country: country.to_owned(), asn, organization: organization.to_owned(), operator }
}

/// The line of a query whose networks are known.
fn line(schema: Schema, original: bool, query: &Query<'_>) -> String {
    let (source, mut enricher) = (public_source(), enricher());
    let google = network("US", 15_169, "Google LLC", "google");
    let telekom = network("DE", 3_320, "Deutsche Telekom AG", "");
    let facts = enricher.enrich(&source, query);
    let client = query.client_subnet.map(|_| &telekom);
    let facts = Facts { source: facts.source.map(|_| &google), client, ..facts };
    written(&mut Writer::new(schema, original), &source, query, &facts)
}

fn written(writer: &mut Writer, source: &Source<'_>, query: &Query<'_>, facts: &Facts<'_>) -> String {
    let mut out = b"before".to_vec();
    writer.write(source, &PLACE, query, facts, &mut out);
    String::from_utf8(out).expect("a record is UTF-8").strip_prefix("before").expect("lines are appended").to_owned()
}

#[test]
fn lean_lines_are_exact() {
    let head = "{\"time\":\"2024-05-05T08:34:56.130Z\",\"id\":\"38243527912873456123498712345678901234567890123456789012\",";
    for (query, rest) in [
        (
            subnet_query(),
            r#""zone":"example.com","zone_id":"Z0195849T189REVYAU10","name":"www","type":"AAAA","rcode":"NOERROR","edge":"FRA56-C1","ip":"172.253.1.130","cc":"US","asn":15169,"op":"google","subnet":"198.51.100.0/24","subnet_cc":"DE","subnet_asn":3320,"entropy":0.000}"#,
        ),
        (
            Query { name: "ExAmple.com", transport: Transport::Tcp, transport_text: "TCP", edge: "", ..public_query() },
            r#""zone":"example.com","zone_id":"Z0195849T189REVYAU10","name":"@","type":"AAAA","rcode":"NOERROR","proto":"TCP","ip":"172.253.1.130","cc":"US","asn":15169,"op":"google","entropy":0.000,"sent":"ExAmple.com"}"#,
        ),
        (
            Query {
                zone_id: "Z2",
                name: "b\\052.example.co.uk",
                class: "CH",
                query_type: QueryType::Other,
                query_type_text: "TYPE\"65",
                response_code: ResponseCode::Other,
                response_code_text: "BADVERS",
                source_ip: None,
                source_ip_text: "?",
                ..public_query()
            },
            r#""zone":"Z2","zone_id":"Z2","fqdn":"b*.example.co.uk","domain":"example.co.uk","type":"TYPE\"65","class":"CH","rcode":"BADVERS","edge":"FRA56-C1","ip":"?","entropy":3.507,"sent":"b\\052.example.co.uk"}"#,
        ),
        (
            resolver_query(),
            r#""zone":"example.org","name":"mail","type":"A","rcode":"NOERROR","ip":"10.0.0.5","entropy":2.000,"sent":"Mail.Example.org.","form":"resolver","account":"111122223333","region":"eu-central-1","vpc":"vpc-0123","port":54321,"instance":"i-0abc","endpoint":"rslvr-in-1","interface":"rni-1","answers":["alias.example.net.","192.0.2.7"],"fw_action":"BLOCK","fw_group":"rslvr-frg-1","fw_list":"rslvr-fdl-1"}"#,
        ),
    ] {
        assert_eq!(line(Schema::Lean, false, &query), format!("{head}{rest}\n"));
    }
}

#[test]
fn a_typical_lean_line_takes_at_most_330_bytes() {
    // 0x20 case is not typical; everything else is there: country, AS, operator, client subnet with both.
    let typical = Query { name: "api-eu-1.example.com", ..subnet_query() };
    let length = line(Schema::Lean, false, &typical).len();
    assert!(length <= 330, "{length} bytes");
}
