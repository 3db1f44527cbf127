//! Queries that tests of several modules start from.

use crate::{Answer, Form, Query, QueryType, ResolverFields, ResponseCode, Source, Subnet, Transport};
use std::sync::LazyLock;

/// A log event's id as CloudWatch Logs makes them.
pub(crate) const EVENT_ID: &str = "38243527912873456123498712345678901234567890123456789012";

/// The envelope of [`public_query`].
pub(crate) fn public_source() -> Source<'static> {
    Source {
        owner: "123456789012",
        log_group: "/aws/route53/example.com",
        log_stream: "Z0195849T189REVYAU10/FRA56-C1",
        subscription_filters: "[\"zonewatch\"]",
        policy_level: "",
    }
}

/// A query for `www.example.com` from Google Public DNS, with a client subnet.
pub(crate) fn public_query() -> Query<'static> {
    Query {
        event_id: EVENT_ID,
        time_ms: 1_714_898_096_130,
        form: Form::PublicLine,
        zone_id: "Z0195849T189REVYAU10",
        name: "www.example.com",
        class: "IN",
        query_type: QueryType::Aaaa,
        query_type_text: "AAAA",
        response_code: ResponseCode::NoError,
        response_code_text: "NOERROR",
        transport: Transport::Udp,
        transport_text: "UDP",
        edge: "FRA56-C1",
        source_ip: Some([172, 253, 1, 130].into()),
        source_ip_text: "172.253.1.130",
        client_subnet: None,
        client_subnet_text: "",
        resolver: None,
        original: "1.0 2024-05-05T08:34:56.130Z Z0195849T189REVYAU10 www.example.com AAAA NOERROR UDP FRA56-C1 172.253.1.130 -",
        extracted_fields: "",
    }
}

/// The same with a client subnet.
pub(crate) fn subnet_query() -> Query<'static> {
    Query {
        client_subnet: Some(Subnet { address: [198, 51, 100, 0].into(), prefix_bits: 24 }),
        client_subnet_text: "198.51.100.0/24",
        ..public_query()
    }
}

/// A VPC Resolver's query that DNS Firewall blocked.
pub(crate) fn resolver_query() -> Query<'static> {
    static RESOLVER: LazyLock<ResolverFields<'static>> = LazyLock::new(|| ResolverFields {
        account_id: "111122223333",
        region: "eu-central-1",
        vpc_id: "vpc-0123",
        source_port: Some(54_321),
        instance_id: "i-0abc",
        endpoint_id: "rslvr-in-1",
        network_interface_id: "rni-1",
        answers: vec![
            Answer { data: "alias.example.net.", record_type: "CNAME", class: "IN" },
            Answer { data: "192.0.2.7", record_type: "A", class: "IN" },
        ],
        firewall_rule_group_id: "rslvr-frg-1",
        firewall_rule_action: "BLOCK",
        firewall_domain_list_id: "rslvr-fdl-1",
    });
    Query {
        form: Form::Resolver,
        zone_id: "",
        name: "Mail.Example.org.",
        query_type: QueryType::A,
        query_type_text: "A",
        edge: "",
        source_ip: Some([10, 0, 0, 5].into()),
        source_ip_text: "10.0.0.5",
        resolver: Some(&RESOLVER),
        original: "{\"version\":\"1.100000\",\"query_name\":\"Mail.Example.org.\"}",
        ..public_query()
    }
}
