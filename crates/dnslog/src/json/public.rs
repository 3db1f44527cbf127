//! A public hosted zone's query as CloudWatch's `parseRoute53` processor writes it: the line's fields by name.

use super::scalar::Scalar;
use crate::line;
use crate::{Form, Query, QueryType, Reason, ResponseCode, Transport, address, time};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Record<'a> {
    #[serde(borrow)]
    version: Scalar<'a>,
    query_timestamp: Scalar<'a>,
    // AWS names it so.
    host_zone_id: Scalar<'a>,
    query_name: Scalar<'a>,
    query_type: Scalar<'a>,
    response_code: Scalar<'a>,
    protocol: Scalar<'a>,
    edge_location: Scalar<'a>,
    resolver_ip: Scalar<'a>,
    edns_client_subnet: Scalar<'a>,
}

pub(super) fn read<R>(message: &str, then: impl FnOnce(Result<Query<'_>, Reason>) -> R) -> R {
    match super::parse(message) {
        Ok(record) => then(query(&record, message)),
        Err(reason) => then(Err(reason)),
    }
}

fn query<'a>(record: &'a Record<'a>, message: &'a str) -> Result<Query<'a>, Reason> {
    // The version is a number here, which may have lost its fraction on the way.
    match &*record.version {
        "1" => {}
        version => line::check_version(version).map_err(|_| Reason::UnknownVersion)?,
    }
    let time_ms = time::parse(record.query_timestamp.as_bytes()).ok_or(Reason::BadTimestamp)?;
    line::check_zone_id(&record.host_zone_id)?;
    let subnet = &*record.edns_client_subnet;
    let (client_subnet, client_subnet_text) = match subnet {
        "" | "-" => (None, ""),
        text => (Some(address::parse_subnet(text).ok_or(Reason::BadSubnet)?), text),
    };
    let query = Query {
        event_id: "",
        time_ms,
        form: Form::PublicJson,
        zone_id: &record.host_zone_id,
        name: line::name(&record.query_name)?,
        class: "IN",
        query_type: QueryType::of(&record.query_type),
        query_type_text: line::word(&record.query_type)?,
        response_code: ResponseCode::of(&record.response_code),
        response_code_text: line::word(&record.response_code)?,
        transport: Transport::of(&record.protocol),
        transport_text: line::word(&record.protocol)?,
        edge: line::edge(&record.edge_location)?,
        source_ip: Some(address::parse(&record.resolver_ip).ok_or(Reason::BadAddress)?),
        source_ip_text: &record.resolver_ip,
        client_subnet,
        client_subnet_text,
        resolver: None,
        original: message,
        extracted_fields: "",
    };
    // The processor decodes what the line had encoded, so a space here is part of the name.
    line::check_words(&query)?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"version":1.0,"queryTimestamp":"2017-12-13T08:16:02.130Z","hostZoneId":"Z123412341234",
        "queryName":"a*.example.com","queryType":"AAAA","responseCode":"NOERROR","protocol":"TCP","edgeLocation":"IAD12",
        "resolverIp":"192.168.3.1","ednsClientSubnet":"192.168.222.0/24","later":{"a":[1]}}"#;

    fn reason(message: &str) -> Option<Reason> {
        read(message, |query| query.err())
    }

    #[test]
    fn fields_are_those_of_the_line() {
        read(MESSAGE, |query| {
            let query = query.unwrap();
            assert_eq!((query.form, query.zone_id, query.name), (Form::PublicJson, "Z123412341234", "a*.example.com"));
            assert_eq!((query.time_ms, query.query_type), (1_513_152_962_130, QueryType::Aaaa));
            assert_eq!((query.response_code, query.transport), (ResponseCode::NoError, Transport::Tcp));
            assert_eq!((query.edge, query.source_ip_text), ("IAD12", "192.168.3.1"));
            assert_eq!(query.client_subnet_text, "192.168.222.0/24");
            assert_eq!(query.original, MESSAGE);
        });
    }

    #[test]
    fn variations_are_accepted() {
        for (from, to) in [
            ("1.0", "1"),
            ("1.0", "1.5"),
            ("1.0", "\"1.0\""),
            ("\"192.168.222.0/24\"", "\"-\""),
            ("\"192.168.222.0/24\"", "null"),
            ("a*.example.com", "a b.example.com"),
            ("a*.example.com", "b\\u00fccher.example"),
        ] {
            assert_eq!(reason(&MESSAGE.replacen(from, to, 1)), None, "{to}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("1.0", "2.0", Reason::UnknownVersion),
            ("1.0", "null", Reason::UnknownVersion),
            ("2017-12-13T", "2017-12-32T", Reason::BadTimestamp),
            ("\"Z123412341234\"", "\"123412341234\"", Reason::BadZoneId),
            ("\"Z123412341234\"", "12", Reason::BadZoneId),
            ("a*.example.com", "", Reason::BadName),
            ("\"AAAA\"", "[]", Reason::BadField),
            ("NOERROR", "NO\\u0000ERROR", Reason::BadField),
            ("TCP", "", Reason::BadField),
            ("IAD12", "", Reason::BadField),
            ("192.168.3.1", "resolver", Reason::BadAddress),
            ("192.168.222.0/24", "192.168.222.0", Reason::BadSubnet),
        ] {
            assert_eq!(reason(&MESSAGE.replacen(from, to, 1)), Some(expected), "{to}");
        }
    }
}
