//! VPC Resolver query logs, versions 1.0 and 1.1.

use super::scalar::Scalar;
use crate::line;
use crate::{Answer, Form, Query, QueryType, Reason, ResolverFields, ResponseCode, Transport, address, time};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    version: Scalar<'a>,
    account_id: Scalar<'a>,
    region: Scalar<'a>,
    vpc_id: Scalar<'a>,
    query_timestamp: Scalar<'a>,
    query_name: Scalar<'a>,
    query_type: Scalar<'a>,
    query_class: Scalar<'a>,
    rcode: Scalar<'a>,
    answers: Option<Vec<AnswerRecord<'a>>>,
    srcaddr: Scalar<'a>,
    // Text, although it is a number.
    srcport: Scalar<'a>,
    transport: Scalar<'a>,
    srcids: Option<SourceIds<'a>>,
    firewall_rule_group_id: Scalar<'a>,
    firewall_rule_action: Scalar<'a>,
    firewall_domain_list_id: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AnswerRecord<'a> {
    #[serde(borrow, rename = "Rdata")]
    data: Scalar<'a>,
    #[serde(rename = "Type")]
    record_type: Scalar<'a>,
    #[serde(rename = "Class")]
    class: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SourceIds<'a> {
    #[serde(borrow)]
    instance: Scalar<'a>,
    // Version 1.0 wrote hyphens.
    #[serde(alias = "resolver-endpoint")]
    resolver_endpoint: Scalar<'a>,
    #[serde(alias = "resolver-network-interface")]
    resolver_network_interface: Scalar<'a>,
}

pub(super) fn read<R>(message: &str, then: impl FnOnce(Result<Query<'_>, Reason>) -> R) -> R {
    let record: Record<'_> = match super::parse(message) {
        Ok(record) => record,
        Err(reason) => return then(Err(reason)),
    };
    let no_ids = SourceIds::default();
    let ids = record.srcids.as_ref().unwrap_or(&no_ids);
    let answers = record.answers.iter().flatten().map(|answer| Answer {
        data: &answer.data,
        record_type: &answer.record_type,
        class: &answer.class,
    });
    let fields = ResolverFields {
        account_id: &record.account_id,
        region: &record.region,
        vpc_id: &record.vpc_id,
        source_port: record.srcport.parse().ok(),
        instance_id: &ids.instance,
        endpoint_id: &ids.resolver_endpoint,
        network_interface_id: &ids.resolver_network_interface,
        answers: answers.collect(),
        firewall_rule_group_id: &record.firewall_rule_group_id,
        firewall_rule_action: &record.firewall_rule_action,
        firewall_domain_list_id: &record.firewall_domain_list_id,
    };
    then(query(&record, &fields, message))
}

fn query<'a>(record: &'a Record<'a>, fields: &'a ResolverFields<'a>, message: &'a str) -> Result<Query<'a>, Reason> {
    line::check_version(&record.version).map_err(|_| Reason::UnknownVersion)?;
    let source_ip = match &*record.srcaddr {
        "" => None,
        text => Some(address::parse(text).ok_or(Reason::BadAddress)?),
    };
    let query = Query {
        event_id: "",
        time_ms: time::parse(record.query_timestamp.as_bytes()).ok_or(Reason::BadTimestamp)?,
        form: Form::Resolver,
        zone_id: "",
        name: line::name(&record.query_name)?,
        class: if record.query_class.is_empty() { "IN" } else { line::word(&record.query_class)? },
        query_type: QueryType::of(&record.query_type),
        query_type_text: line::word(&record.query_type)?,
        response_code: ResponseCode::of(&record.rcode),
        response_code_text: line::word(&record.rcode)?,
        transport: Transport::of(&record.transport),
        transport_text: line::word(&record.transport)?,
        edge: "",
        source_ip,
        source_ip_text: &record.srcaddr,
        client_subnet: None,
        client_subnet_text: "",
        resolver: Some(fields),
        original: message,
        extracted_fields: "",
    };
    line::check_text(&query)?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The shape of the example in the Route 53 Developer Guide, with the fields of a DNS Firewall match.
    const MESSAGE: &str = r#"{"version":"1.100000","account_id":"111122223333","region":"us-east-1","vpc_id":"vpc-7example",
        "query_timestamp":"2021-12-11T22:46:23Z","query_name":"example.com.","query_type":"A","query_class":"IN",
        "rcode":"NOERROR","answers":[{"Rdata":"192.0.2.1","Type":"A","Class":"IN"},{"Rdata":"a \"b\"","Type":"TXT","Class":"IN"}],
        "srcaddr":"10.5.0.4","srcport":"36692","transport":"UDP","srcids":{"instance":"i-0d15cd0d3example",
        "resolver_endpoint":"rslvr-in-example","resolver_network_interface":"rni-example"},
        "firewall_rule_group_id":"rslvr-frg-example","firewall_rule_action":"BLOCK","firewall_domain_list_id":"rslvr-fdl-example",
        "additional_properties":{"is_delayed":true}}"#;

    fn reason(message: &str) -> Option<Reason> {
        read(message, |query| query.err())
    }

    #[test]
    fn all_fields_are_read() {
        read(MESSAGE, |query| {
            let query = query.unwrap();
            assert_eq!((query.form, query.zone_id, query.name), (Form::Resolver, "", "example.com."));
            assert_eq!((query.time_ms, query.class), (1_639_262_783_000, "IN"));
            assert_eq!((query.query_type, query.response_code), (QueryType::A, ResponseCode::NoError));
            assert_eq!((query.source_ip, query.transport), ("10.5.0.4".parse().ok(), Transport::Udp));
            let fields = query.resolver.unwrap();
            assert_eq!(
                (fields.account_id, fields.region, fields.vpc_id),
                ("111122223333", "us-east-1", "vpc-7example")
            );
            assert_eq!((fields.source_port, fields.instance_id), (Some(36_692), "i-0d15cd0d3example"));
            assert_eq!((fields.endpoint_id, fields.network_interface_id), ("rslvr-in-example", "rni-example"));
            let answers = [
                Answer { data: "192.0.2.1", record_type: "A", class: "IN" },
                Answer { data: "a \"b\"", record_type: "TXT", class: "IN" },
            ];
            assert_eq!(fields.answers, answers);
            assert_eq!(fields.firewall_rule_group_id, "rslvr-frg-example");
            assert_eq!(fields.firewall_rule_action, "BLOCK");
            assert_eq!(fields.firewall_domain_list_id, "rslvr-fdl-example");
        });
    }

    #[test]
    fn version_1_0_wrote_hyphens() {
        let old = MESSAGE
            .replace("1.100000", "1.000000")
            .replace("resolver_endpoint", "resolver-endpoint")
            .replace("resolver_network_interface", "resolver-network-interface");
        read(&old, |query| {
            let fields = query.unwrap().resolver.unwrap();
            assert_eq!((fields.endpoint_id, fields.network_interface_id), ("rslvr-in-example", "rni-example"));
        });
    }

    #[test]
    fn variations_are_accepted() {
        for (from, to) in [
            ("\"36692\"", "36692"),
            ("\"36692\"", "\"unknown\""),
            ("example.com.", "example.com"),
            ("\"IN\",\n        \"rcode\"", "\"\",\"rcode\""),
            ("\"10.5.0.4\"", "null"),
            ("\"1.100000\"", "1.1"),
        ] {
            let changed = MESSAGE.replacen(from, to, 1);
            assert_ne!(changed, MESSAGE, "{from}");
            assert_eq!(reason(&changed), None, "{to}");
        }
        let bare = r#"{"version":"1.1","query_timestamp":"2021-12-11T22:46:23Z","query_name":"a","query_type":"A",
            "rcode":"NXDOMAIN","answers":[],"srcids":{},"transport":"UDP"}"#;
        assert_eq!(reason(bare), None);
        assert_eq!(reason(&bare.replace("[]", "null").replace("{}", "null")), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("1.100000", "2.0", Reason::UnknownVersion),
            ("1.100000", "", Reason::UnknownVersion),
            // An AWS page shows this one.
            ("2021-12-11T22:46:23Z", "2017-03-16T19:20:177Z", Reason::BadTimestamp),
            ("\"example.com.\"", "[]", Reason::BadName),
            ("example.com.", "a b", Reason::BadName),
            ("\"NOERROR\"", "null", Reason::BadField),
            ("\"UDP\"", "\"\"", Reason::BadField),
            ("10.5.0.4", "10.5.0", Reason::BadAddress),
            ("[{\"Rdata\"", "[5,{\"Rdata\"", Reason::BadEvent),
        ] {
            let changed = MESSAGE.replacen(from, to, 1);
            assert_ne!(changed, MESSAGE, "{from}");
            assert_eq!(reason(&changed), Some(expected), "{to}");
        }
    }
}
