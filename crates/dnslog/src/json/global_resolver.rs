//! Route 53 Global Resolver logs: OCSF DNS Activity (class 4003) as JSON.

use super::scalar::Scalar;
use crate::line;
use crate::{Answer, Form, Query, QueryType, Reason, ResolverFields, ResponseCode, Transport, address, time};
use serde::Deserialize;

/// OCSF's number of DNS Activity.
const CLASS_UID: &str = "4003";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    class_uid: Scalar<'a>,
    metadata: Metadata<'a>,
    // Milliseconds since 1970.
    time: Scalar<'a>,
    time_dt: Scalar<'a>,
    query: Question<'a>,
    rcode: Scalar<'a>,
    rcode_id: Option<i64>,
    answers: Option<Vec<AnswerRecord<'a>>>,
    src_endpoint: Endpoint<'a>,
    dst_endpoint: Option<Endpoint<'a>>,
    connection_info: Option<Connection<'a>>,
    cloud: Option<Cloud<'a>>,
    firewall_rule: Option<Rule<'a>>,
    disposition: Scalar<'a>,
    action: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    version: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Question<'a> {
    #[serde(borrow)]
    hostname: Scalar<'a>,
    #[serde(rename = "type")]
    query_type: Scalar<'a>,
    class: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AnswerRecord<'a> {
    #[serde(borrow)]
    rdata: Scalar<'a>,
    #[serde(rename = "type")]
    record_type: Scalar<'a>,
    class: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Endpoint<'a> {
    #[serde(borrow)]
    ip: Scalar<'a>,
    port: Scalar<'a>,
    vpc_uid: Scalar<'a>,
    instance_uid: Scalar<'a>,
    interface_uid: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Connection<'a> {
    #[serde(borrow)]
    protocol_name: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cloud<'a> {
    #[serde(borrow)]
    region: Scalar<'a>,
    account: Option<Account<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Account<'a> {
    #[serde(borrow)]
    uid: Scalar<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rule<'a> {
    #[serde(borrow)]
    uid: Scalar<'a>,
}

pub(super) fn read<R>(message: &str, then: impl FnOnce(Result<Query<'_>, Reason>) -> R) -> R {
    let record: Record<'_> = match super::parse(message) {
        Ok(record) => record,
        Err(reason) => return then(Err(reason)),
    };
    let cloud = record.cloud.as_ref();
    let answers = record.answers.iter().flatten().map(|answer| Answer {
        data: &answer.rdata,
        record_type: &answer.record_type,
        class: &answer.class,
    });
    // OCSF names the decision in one of two places, by version.
    let action = if record.disposition.is_empty() { &record.action } else { &record.disposition };
    let rule = record.firewall_rule.as_ref().map_or("", |rule| &rule.uid);
    let fields = ResolverFields {
        account_id: cloud.and_then(|cloud| cloud.account.as_ref()).map_or("", |account| &account.uid),
        region: cloud.map_or("", |cloud| &cloud.region),
        vpc_id: &record.src_endpoint.vpc_uid,
        source_port: record.src_endpoint.port.parse().ok(),
        instance_id: &record.src_endpoint.instance_uid,
        endpoint_id: record.dst_endpoint.as_ref().map_or("", |endpoint| &endpoint.instance_uid),
        network_interface_id: record.dst_endpoint.as_ref().map_or("", |endpoint| &endpoint.interface_uid),
        answers: answers.collect(),
        firewall_rule_group_id: rule,
        firewall_rule_action: if rule.is_empty() { "" } else { action },
        firewall_domain_list_id: "",
    };
    then(query(&record, &fields, message))
}

fn query<'a>(record: &'a Record<'a>, fields: &'a ResolverFields<'a>, message: &'a str) -> Result<Query<'a>, Reason> {
    if &*record.class_uid != CLASS_UID {
        return Err(Reason::UnknownMessage);
    }
    // OCSF counts its versions in three parts.
    if record.metadata.version.split('.').next() != Some("1") {
        return Err(Reason::UnknownVersion);
    }
    let time_ms = match record.time.parse() {
        Ok(time_ms) if time_ms >= 0 => time_ms,
        _ => time::parse(record.time_dt.as_bytes()).ok_or(Reason::BadTimestamp)?,
    };
    let source_ip = match &*record.src_endpoint.ip {
        "" => None,
        text => Some(address::parse(text).ok_or(Reason::BadAddress)?),
    };
    let transport_text = record.connection_info.as_ref().map_or("", |connection| &connection.protocol_name);
    let query = Query {
        event_id: "",
        time_ms,
        form: Form::GlobalResolver,
        zone_id: "",
        name: line::name(&record.query.hostname)?,
        class: if record.query.class.is_empty() { "IN" } else { line::word(&record.query.class)? },
        query_type: QueryType::of(&record.query.query_type),
        query_type_text: line::word(&record.query.query_type)?,
        response_code: response_code(record),
        response_code_text: line::word(&record.rcode)?,
        transport: Transport::of(transport_text),
        transport_text: line::word(transport_text)?,
        edge: "",
        source_ip,
        source_ip_text: &record.src_endpoint.ip,
        client_subnet: None,
        client_subnet_text: "",
        resolver: Some(fields),
        original: message,
        extracted_fields: "",
    };
    line::check_text(&query)?;
    Ok(query)
}

/// OCSF's captions differ from the mnemonics (`ServError` for SERVFAIL), its numbers are those of the protocol.
fn response_code(record: &Record<'_>) -> ResponseCode {
    match record.rcode_id {
        Some(0) => ResponseCode::NoError,
        Some(1) => ResponseCode::FormErr,
        Some(2) => ResponseCode::ServFail,
        Some(3) => ResponseCode::NxDomain,
        Some(4) => ResponseCode::NotImp,
        Some(5) => ResponseCode::Refused,
        _ => ResponseCode::of(&record.rcode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"class_uid":4003,"category_uid":4,"activity_id":6,"metadata":{"version":"1.3.0","product":{"name":"x"}},
        "time":1765000000123,"query":{"hostname":"example.com.","type":"AAAA","class":"IN"},"rcode":"ServError","rcode_id":2,
        "answers":[{"rdata":"192.0.2.1","type":"A","class":"IN","ttl":60}],"src_endpoint":{"ip":"192.0.2.7","port":4242,
        "vpc_uid":"vpc-1","instance_uid":"i-1"},"dst_endpoint":{"instance_uid":"rslvr-1","interface_uid":"rni-1"},
        "connection_info":{"protocol_name":"DOH","direction":"Inbound"},"cloud":{"provider":"AWS","region":"us-east-1",
        "account":{"uid":"111122223333"}},"firewall_rule":{"uid":"rule-1"},"disposition":"Blocked"}"#;

    fn reason(message: &str) -> Option<Reason> {
        read(message, |query| query.err())
    }

    #[test]
    fn all_fields_are_read() {
        read(MESSAGE, |query| {
            let query = query.unwrap();
            assert_eq!((query.form, query.zone_id, query.name), (Form::GlobalResolver, "", "example.com."));
            assert_eq!((query.time_ms, query.query_type), (1_765_000_000_123, QueryType::Aaaa));
            assert_eq!((query.response_code, query.response_code_text), (ResponseCode::ServFail, "ServError"));
            assert_eq!((query.transport, query.source_ip_text), (Transport::Doh, "192.0.2.7"));
            let fields = query.resolver.unwrap();
            assert_eq!((fields.account_id, fields.region, fields.vpc_id), ("111122223333", "us-east-1", "vpc-1"));
            assert_eq!((fields.source_port, fields.instance_id), (Some(4242), "i-1"));
            assert_eq!((fields.endpoint_id, fields.network_interface_id), ("rslvr-1", "rni-1"));
            assert_eq!(fields.answers, [Answer { data: "192.0.2.1", record_type: "A", class: "IN" }]);
            assert_eq!((fields.firewall_rule_group_id, fields.firewall_rule_action), ("rule-1", "Blocked"));
        });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("4003", "4001", Some(Reason::UnknownMessage)),
            ("1.3.0", "2.0.0", Some(Reason::UnknownVersion)),
            ("1765000000123", "\"soon\"", Some(Reason::BadTimestamp)),
            ("1765000000123", "-1", Some(Reason::BadTimestamp)),
            ("\"time\":1765000000123", "\"time_dt\":\"2025-12-06T05:46:40.123Z\"", None),
            ("example.com.", "", Some(Reason::BadName)),
            ("AAAA", "", Some(Reason::BadField)),
            ("\"ServError\"", "null", Some(Reason::BadField)),
            ("DOH", "", Some(Reason::BadField)),
            ("192.0.2.7", "x", Some(Reason::BadAddress)),
            ("\"rcode_id\":2", "\"rcode_id\":\"2\"", Some(Reason::BadEvent)),
        ] {
            let changed = MESSAGE.replacen(from, to, 1);
            assert_ne!(changed, MESSAGE, "{from}");
            assert_eq!(reason(&changed), expected, "{to}");
        }
    }
}
