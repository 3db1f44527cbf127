//! What facts say of queries.

use super::*;
use crate::testing::{public_query, resolver_query};
use proptest::prelude::*;

fn enricher(zones: &[(&str, &str)]) -> Enricher {
    let zones = zones.iter().map(|(id, name)| (id.to_string(), name.to_string())).collect();
    Enricher::new(Arc::new(Reference::new(zones, Vec::new()).expect("no databases")), 1)
}

/// A row of the table below: zone id, log group, name; zone, relative name, registered domain, public suffix.
type Row = [&'static str; 7];

#[test]
fn a_hosted_zones_query_is_placed_in_its_zone() {
    let rows: &[Row] = &[
        ["Z1", "/aws/route53/other.org", "www.example.com", "example.com", "www", "example.com", "com"],
        ["Z1", "", "eXample.cOm.", "example.com", "", "example.com", "com"],
        ["Z1", "", "a.b.example.com", "example.com", "a.b", "example.com", "com"],
        ["Z1", "", "notexample.com", "example.com", "notexample.com", "notexample.com", "com"],
        ["Z2", "/aws/route53/example.co.uk", "x.example.co.uk", "example.co.uk", "x", "example.co.uk", "co.uk"],
        ["Z2", "/aws/route53/shared.com", "x.example.com", "Z2", "x.example.com", "example.com", "com"],
        ["Z2", "/aws/route53/queries", "x.example.com", "Z2", "x.example.com", "example.com", "com"],
        ["Z2", "", ".", "Z2", ".", "", ""],
        ["Z3", "", "x.s3.amazonaws.com", "amazonaws.com", "x.s3", "x.s3.amazonaws.com", "s3.amazonaws.com"],
        ["Z4", "", "4.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa", "4", "192.in-addr.arpa", "in-addr.arpa"],
        ["Z5", "", "a.co.uk", "co.uk", "a", "a.co.uk", "co.uk"],
        ["Z5", "", "co.uk", "co.uk", "", "", "co.uk"],
        ["Z6", "", "x.y", ".", "x.y", "x.y", "y"],
    ];
    let mut enricher = enricher(&[
        ("/hostedzone/Z1", "Example.com."),
        ("Z3", "amazonaws.com"),
        ("Z4", "2.0.192.in-addr.arpa"),
        ("Z5", "co.uk"),
        ("Z6", "."),
    ]);
    // Twice: once found, once remembered.
    for row in rows.iter().chain(rows) {
        let [zone_id, log_group, name, zone, relative, registered, public] = *row;
        let source = Source { log_group, ..Source::default() };
        let query = Query { zone_id, name, ..public_query() };
        let facts = enricher.enrich(&source, &query);
        let found = [facts.zone, facts.relative_name, facts.registered_domain, facts.public_suffix];
        assert_eq!(found, [zone, relative, registered, public], "{row:?}");
        assert_eq!(facts.zone_key, zone_id);
    }
}

#[test]
fn a_resolvers_query_is_placed_by_its_name() {
    let mut enricher = enricher(&[("Z1", "example.com"), ("Z2", "corp.example.com"), ("Z3", "internal")]);
    for (name, zone, relative) in [
        ("www.example.com.", "example.com", "www"),
        ("db.corp.example.com.", "corp.example.com", "db"),
        ("corp.example.com", "corp.example.com", ""),
        ("xcorp.example.com", "example.com", "xcorp"),
        ("a.b.other.co.uk.", "other.co.uk", "a.b"),
        ("host.internal", "internal", "host"),
        ("internal", "internal", ""),
        ("qwertz", ".", "qwertz"),
        ("co.uk", ".", "co.uk"),
        (".", ".", "."),
    ] {
        let query = Query { name, ..resolver_query() };
        let facts = enricher.enrich(&Source::default(), &query);
        assert_eq!((facts.zone, facts.zone_key, facts.relative_name), (zone, zone, relative), "{name}");
    }
}

#[test]
fn labels_entropy_edge_and_operator_are_told() {
    let mut enricher = enricher(&[("Z1", "example.com")]);
    let query = Query { zone_id: "Z1", name: "AbAb.x.example.com", edge: "FRA56-C1", ..public_query() };
    let facts = enricher.enrich(&Source::default(), &query);
    assert_eq!((facts.labels, facts.longest_label), (4, 7));
    assert!((facts.entropy - 1.918_3).abs() < 1e-4, "{}", facts.entropy);
    assert_eq!(facts.edge.map(|edge| edge.country), Some("DE"));
    assert_eq!(facts.source.map(|network| network.operator), Some("google"));
    assert_eq!(facts.client, None);

    let query = Query { source_ip: "192.0.2.1".parse().ok(), edge: "Region", ..query };
    let facts = enricher.enrich(&Source::default(), &query);
    assert_eq!((facts.edge, facts.source), (None, None));
}

#[test]
fn new_reference_data_is_used_at_once() {
    let mut enricher = enricher(&[]);
    let query = Query { zone_id: "Z1", name: "www.example.com", ..public_query() };
    assert_eq!(enricher.enrich(&Source::default(), &query).zone, "Z1");
    let zones = vec![("Z1".to_owned(), "example.com".to_owned())];
    enricher.replace(Arc::new(Reference::new(zones, Vec::new()).expect("no databases")));
    assert_eq!(enricher.enrich(&Source::default(), &query).zone, "example.com");
}

proptest! {
    /// Caches change nothing: an enricher that has seen other queries says what a fresh one says.
    #[test]
    fn facts_do_not_depend_on_what_came_before(
        queries in prop::collection::vec(("Z?[12]?", "(/aws/route53/(a\\.com|b))?", "[abAB.\\\\]{0,6}(\\.a\\.com|\\.co\\.uk)?", 0_u32..40), 1..60),
    ) {
        let zones = [("Z1", "a.com"), ("Z2", "co.uk")];
        let mut used = enricher(&zones);
        for (zone_id, log_group, name, address) in &queries {
            let source = Source { log_group, ..Source::default() };
            let source_ip = Some(std::net::Ipv4Addr::from_bits(0x0808_0800 + address * 16).into());
            let query = Query { zone_id, name, source_ip, ..public_query() };
            let mut fresh = enricher(&zones);
            prop_assert_eq!(format!("{:?}", used.enrich(&source, &query)), format!("{:?}", fresh.enrich(&source, &query)));
        }
    }
}
