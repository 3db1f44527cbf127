//! The three schemas, byte by byte, and what holds for any query.

use super::*;
use crate::testing::{public_query, public_source, resolver_query, subnet_query};
use crate::{Enricher, Facts, Network, QueryType, Reference, ResolverFields, ResponseCode, Subnet, Transport};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
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
    let head = "{\"time\":1714898096130,\"id\":\"38243527912873456123498712345678901234567890123456789012\",";
    for (query, rest) in [
        (
            subnet_query(),
            r#""zone":"example.com","zid":"Z0195849T189REVYAU10","name":"www","type":"AAAA","rcode":"NOERROR","edge":"FRA56-C1","ip":"172.253.1.130","cc":"US","asn":15169,"op":"google","net":"198.51.100.0/24","net_cc":"DE","net_asn":3320,"ent":0.000}"#,
        ),
        (
            Query { name: "ExAmple.com", transport: Transport::Tcp, transport_text: "TCP", edge: "", ..public_query() },
            r#""zone":"example.com","zid":"Z0195849T189REVYAU10","name":"@","type":"AAAA","rcode":"NOERROR","proto":"TCP","ip":"172.253.1.130","cc":"US","asn":15169,"op":"google","ent":0.000,"sent":"ExAmple.com"}"#,
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
            r#""zone":"Z2","zid":"Z2","fqdn":"b*.example.co.uk","domain":"example.co.uk","type":"TYPE\"65","class":"CH","rcode":"BADVERS","edge":"FRA56-C1","ip":"?","ent":3.578,"sent":"b\\052.example.co.uk"}"#,
        ),
        (
            resolver_query(),
            r#""zone":"example.org","name":"mail","type":"A","rcode":"NOERROR","ip":"10.0.0.5","ent":2.000,"sent":"Mail.Example.org.","form":"resolver","account":"111122223333","region":"eu-central-1","vpc":"vpc-0123","port":54321,"instance":"i-0abc","endpoint":"rslvr-in-1","interface":"rni-1","answers":["alias.example.net.","192.0.2.7"],"fw_action":"BLOCK","fw_group":"rslvr-frg-1","fw_list":"rslvr-fdl-1"}"#,
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

#[test]
fn lean_never_carries_the_message() {
    for query in [public_query(), resolver_query()] {
        assert_eq!(line(Schema::Lean, true, &query), line(Schema::Lean, false, &query));
    }
}

#[test]
fn ecs_lines_are_exact() {
    let query = Query { name: "Www.example.com", ..subnet_query() };
    let expected = r#"{"@timestamp":"2024-05-05T08:34:56.130Z","event":{"id":"38243527912873456123498712345678901234567890123456789012","kind":"event","category":["network"],"outcome":"success","type":["protocol"],"original":"1.0 2024-05-05T08:34:56.130Z Z0195849T189REVYAU10 www.example.com AAAA NOERROR UDP FRA56-C1 172.253.1.130 -"},"dns":{"type":"answer","response_code":"NOERROR","question":{"name":"www.example.com","type":"AAAA","class":"IN","registered_domain":"example.com","subdomain":"www","top_level_domain":"com"}},"network":{"protocol":"dns","transport":"udp","iana_number":"17","type":"ipv4"},"source":{"address":"172.253.1.130","ip":"172.253.1.130","geo":{"country_iso_code":"US"},"as":{"number":15169,"organization":{"name":"Google LLC"}}},"client":{"address":"198.51.100.0/24","geo":{"country_iso_code":"DE"},"as":{"number":3320,"organization":{"name":"Deutsche Telekom AG"}}},"related":{"hosts":["www.example.com"],"ip":["172.253.1.130"]},"zonewatch":{"arrival":"2024-05-05T08:35:01.007Z","name":{"relative":"www","labels":3,"longest_label":7,"entropy":0.000,"sent":"Www.example.com"},"resolver":{"operator":"google"},"zone":{"name":"example.com"},"form":"public_line","record":{"shard":"shardId-000000000003","sequence_number":"49590338271490256608559692538361571095921575989136588898"}},"aws":{"route53":{"hosted_zone_id":"Z0195849T189REVYAU10","edge_location":"FRA56-C1","edns_client_subnet":"198.51.100.0/24"},"cloudwatch":{"log_group":"/aws/route53/example.com","log_stream":"Z0195849T189REVYAU10/FRA56-C1","subscription_filters":"[\"zonewatch\"]"}},"observer":{"vendor":"AWS","product":"Route 53","name":"FRA56-C1","geo":{"city_name":"Frankfurt am Main","country_iso_code":"DE","location":{"lat":50.0264,"lon":8.5431}}},"cloud":{"provider":"aws","region":"us-east-1","account":{"id":"123456789012"}},"log":{"file":{"path":"/aws/route53/example.com/Z0195849T189REVYAU10/FRA56-C1"}},"ecs":{"version":"9.4.0"}}"#;
    assert_eq!(line(Schema::Ecs, true, &query), format!("{expected}\n"));

    let expected = r#"{"@timestamp":"2024-05-05T08:34:56.130Z","event":{"id":"38243527912873456123498712345678901234567890123456789012","kind":"event","category":["network"],"outcome":"success","type":["protocol","denied"]},"dns":{"type":"answer","response_code":"NOERROR","question":{"name":"mail.example.org","type":"A","class":"IN","registered_domain":"example.org","subdomain":"mail","top_level_domain":"org"},"answers":[{"data":"alias.example.net.","type":"CNAME","class":"IN"},{"data":"192.0.2.7","type":"A","class":"IN"}],"resolved_ip":["192.0.2.7"]},"network":{"protocol":"dns","transport":"udp","iana_number":"17","type":"ipv4"},"source":{"address":"10.0.0.5","ip":"10.0.0.5","port":54321},"related":{"hosts":["mail.example.org"],"ip":["10.0.0.5","192.0.2.7"]},"zonewatch":{"arrival":"2024-05-05T08:35:01.007Z","name":{"relative":"mail","labels":3,"longest_label":7,"entropy":2.000,"sent":"Mail.Example.org."},"zone":{"name":"example.org"},"form":"resolver","record":{"shard":"shardId-000000000003","sequence_number":"49590338271490256608559692538361571095921575989136588898"}},"aws":{"route53":{"vpc_id":"vpc-0123","instance_id":"i-0abc","resolver_endpoint":"rslvr-in-1","resolver_network_interface":"rni-1","firewall":{"action":"BLOCK","rule_group":{"id":"rslvr-frg-1"},"domain_list":{"id":"rslvr-fdl-1"}}},"cloudwatch":{"log_group":"/aws/route53/example.com","log_stream":"Z0195849T189REVYAU10/FRA56-C1","subscription_filters":"[\"zonewatch\"]"}},"observer":{"vendor":"AWS","product":"Route 53"},"cloud":{"provider":"aws","region":"eu-central-1","account":{"id":"111122223333"}},"log":{"file":{"path":"/aws/route53/example.com/Z0195849T189REVYAU10/FRA56-C1"}},"ecs":{"version":"9.4.0"}}"#;
    assert_eq!(line(Schema::Ecs, false, &resolver_query()), format!("{expected}\n"));
}

#[test]
fn ocsf_lines_are_exact() {
    let query = Query { response_code: ResponseCode::NxDomain, response_code_text: "NXDOMAIN", ..subnet_query() };
    let expected = r#"{"class_uid":4003,"class_name":"DNS Activity","category_uid":4,"category_name":"Network Activity","activity_id":6,"activity_name":"Traffic","type_uid":400306,"type_name":"DNS Activity: Traffic","severity_id":1,"severity":"Informational","time":1714898096130,"rcode_id":3,"rcode":"NXDomain","status_id":2,"status":"Failure","query":{"hostname":"www.example.com","type":"AAAA","class":"IN"},"src_endpoint":{"ip":"172.253.1.130","location":{"country":"US"},"autonomous_system":{"number":15169,"name":"Google LLC"}},"connection_info":{"direction_id":1,"direction":"Inbound","protocol_name":"udp","protocol_num":17,"protocol_ver_id":4},"dst_endpoint":{"svc_name":"Route 53","name":"FRA56-C1","location":{"city":"Frankfurt am Main","country":"DE","lat":50.0264,"long":8.5431}},"cloud":{"provider":"AWS","region":"us-east-1","account":{"type_id":10,"type":"AWS Account","uid":"123456789012"}},"metadata":{"version":"1.8.0","product":{"name":"Route 53","vendor_name":"AWS"},"profiles":["cloud"],"log_name":"/aws/route53/example.com","logged_time":1714898101007,"uid":"38243527912873456123498712345678901234567890123456789012"},"unmapped":{"zone":"example.com","hosted_zone_id":"Z0195849T189REVYAU10","form":"public_line","log_stream":"Z0195849T189REVYAU10/FRA56-C1","shard":"shardId-000000000003","sequence_number":"49590338271490256608559692538361571095921575989136588898","relative_name":"www","registered_domain":"example.com","public_suffix":"com","labels":3,"longest_label":7,"entropy":0.000,"resolver_operator":"google","edns_client_subnet":"198.51.100.0/24","client_country":"DE","client_asn":3320,"client_organization":"Deutsche Telekom AG"},"raw_data":"1.0 2024-05-05T08:34:56.130Z Z0195849T189REVYAU10 www.example.com AAAA NOERROR UDP FRA56-C1 172.253.1.130 -"}"#;
    assert_eq!(line(Schema::Ocsf, true, &query), format!("{expected}\n"));

    let expected = r#"{"class_uid":4003,"class_name":"DNS Activity","category_uid":4,"category_name":"Network Activity","activity_id":6,"activity_name":"Traffic","type_uid":400306,"type_name":"DNS Activity: Traffic","severity_id":1,"severity":"Informational","time":1714898096130,"rcode_id":0,"rcode":"NoError","status_id":1,"status":"Success","query":{"hostname":"mail.example.org","type":"A","class":"IN"},"answers":[{"rdata":"alias.example.net.","type":"CNAME","class":"IN"},{"rdata":"192.0.2.7","type":"A","class":"IN"}],"action_id":2,"action":"Denied","disposition_id":2,"disposition":"Blocked","firewall_rule":{"uid":"rslvr-frg-1"},"src_endpoint":{"ip":"10.0.0.5","port":54321,"vpc_uid":"vpc-0123","instance_uid":"i-0abc","interface_uid":"rni-1"},"connection_info":{"direction_id":0,"direction":"Unknown","protocol_name":"udp","protocol_num":17,"protocol_ver_id":4},"dst_endpoint":{"svc_name":"Route 53","instance_uid":"rslvr-in-1"},"cloud":{"provider":"AWS","region":"eu-central-1","account":{"type_id":10,"type":"AWS Account","uid":"111122223333"}},"metadata":{"version":"1.8.0","product":{"name":"Route 53","vendor_name":"AWS"},"profiles":["cloud","security_control"],"log_name":"/aws/route53/example.com","logged_time":1714898101007,"uid":"38243527912873456123498712345678901234567890123456789012"},"unmapped":{"zone":"example.org","form":"resolver","log_stream":"Z0195849T189REVYAU10/FRA56-C1","shard":"shardId-000000000003","sequence_number":"49590338271490256608559692538361571095921575989136588898","relative_name":"mail","sent_name":"Mail.Example.org.","registered_domain":"example.org","public_suffix":"org","labels":3,"longest_label":7,"entropy":2.000,"firewall_domain_list_id":"rslvr-fdl-1"}}"#;
    assert_eq!(line(Schema::Ocsf, false, &resolver_query()), format!("{expected}\n"));
}

#[test]
fn an_event_without_an_id_takes_the_one_made_for_it() {
    let query = Query { event_id: "", ..public_query() };
    for (schema, pointer) in [(Schema::Ecs, "/event/id"), (Schema::Ocsf, "/metadata/uid"), (Schema::Lean, "/id")] {
        let record: Value = serde_json::from_str(&line(schema, false, &query)).expect("JSON");
        assert_eq!(record.pointer(pointer), Some(&Value::from("made-1")), "{schema:?}");
    }
}

/// The paths of a record's leaves; what is in an array counts as standing alone.
fn leaves(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                leaves(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(path, item, found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// The fields that a schema's table in `docs/records.md` lists.
fn documented(schema: &str) -> BTreeSet<String> {
    let docs = include_str!("../../../../docs/records.md");
    let section = docs.split("\n## ").find(|section| section.starts_with(&format!("{schema}\n"))).expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn the_documentation_lists_every_field_and_no_other() {
    let known = network("US", 15_169, "Google LLC", "google");
    let source = Source { policy_level: "ACCOUNT_LEVEL_POLICY", ..public_source() };
    let odd = Query {
        source_ip: None,
        source_ip_text: "?",
        class: "CH",
        transport: Transport::Other,
        transport_text: "SCTP",
        extracted_fields: "{}",
        name: "Example.net",
        ..resolver_query()
    };
    let carried = Query {
        zone_id: "Z9",
        name: "a.example.org",
        transport: Transport::Tcp,
        transport_text: "TCP",
        ..subnet_query()
    };
    for (schema, section) in [(Schema::Ecs, "ecs"), (Schema::Ocsf, "ocsf"), (Schema::Lean, "lean")] {
        let mut found = BTreeSet::new();
        for query in [subnet_query(), resolver_query(), odd, carried] {
            let mut enricher = enricher();
            let facts = enricher.enrich(&source, &query);
            let facts = Facts { source: Some(&known), client: Some(&known), ..facts };
            let record = written(&mut Writer::new(schema, true), &source, &query, &facts);
            leaves("", &serde_json::from_str(&record).expect("JSON"), &mut found);
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), documented(section).iter().collect::<Vec<_>>(), "{section}");
    }
}

/// Any text a log could hold, often with what JSON escapes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.-]{0,20}", "(?s).{0,20}", "[\"\\\\\u{0}-\u{1f}]{0,6}"]
}

prop_compose! {
    /// A query whose texts are arbitrary, of a hosted zone or of a Resolver.
    fn anything()(
        texts in prop::collection::vec(text(), 16),
        of_resolver in any::<bool>(),
        time_ms in prop_oneof![any::<i64>(), 0_i64..2_000_000_000_000],
        address in prop::option::of(any::<std::net::IpAddr>()),
        asn in any::<u32>(),
    ) -> (Vec<String>, bool, i64, Option<std::net::IpAddr>, u32) {
        (texts, of_resolver, time_ms, address, asn)
    }
}

proptest! {
    #[test]
    fn any_query_makes_one_line_of_json(
        (texts, of_resolver, time_ms, address, asn) in anything(),
        form in prop::sample::select(FORMS.to_vec()),
    ) {
        let [id, name, class, kind, code, carried, edge, original, group, stream, owner, data, organization, action, rule, zone] =
            texts.as_slice() else { unreachable!("sixteen texts") };
        let resolver = ResolverFields {
            account_id: owner, region: class, vpc_id: stream, source_port: Some(53), instance_id: id, endpoint_id: group,
            network_interface_id: edge, answers: vec![crate::Answer { data, record_type: kind, class }; 2],
            firewall_rule_group_id: rule, firewall_rule_action: action, firewall_domain_list_id: data,
        };
        let address_text = address.map_or_else(|| data.clone(), |address| address.to_string());
        let source = Source { owner, log_group: group, log_stream: stream, subscription_filters: rule, policy_level: kind };
        let query = Query {
            event_id: id, time_ms, zone_id: if of_resolver { "" } else { zone }, name, class,
            query_type: QueryType::of(kind), query_type_text: kind,
            response_code: ResponseCode::of(code), response_code_text: code,
            transport: Transport::of(carried), transport_text: carried, edge,
            source_ip: address, source_ip_text: &address_text,
            client_subnet: address.map(|address| Subnet { address, prefix_bits: 24 }), client_subnet_text: data,
            resolver: of_resolver.then_some(&resolver), original,
            ..public_query()
        };
        let mut enricher = enricher();
        let facts = enricher.enrich(&source, &query);
        let known = network("\"", asn, organization, "google");
        let facts = Facts { source: Some(&known), client: Some(&known), ..facts };

        let mut writer = Writer::new(form.0, form.1);
        let line = written(&mut writer, &source, &query, &facts);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let record: Value = serde_json::from_str(&line).map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
        prop_assert!(record.is_object());
        // What is left from an earlier line changes nothing, and no name is ever lost.
        prop_assert_eq!(&written(&mut writer, &source, &public_query(), &facts), &written(&mut Writer::new(form.0, form.1), &source, &public_query(), &facts));
        prop_assert_eq!(&written(&mut writer, &source, &query, &facts), &line);
        match form.0 {
            Schema::Ecs => prop_assert_eq!(record.pointer("/dns/question/name"), Some(&Value::from(facts.name))),
            Schema::Ocsf => prop_assert_eq!(record.pointer("/query/hostname"), Some(&Value::from(facts.name))),
            Schema::Lean => prop_assert!(record.get("name").or(record.get("fqdn")).is_some()),
        }
    }
}
