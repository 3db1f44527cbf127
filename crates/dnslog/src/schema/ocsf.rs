//! `ocsf`: OCSF DNS Activity (class 4003). What the class has no attribute for is in `unmapped`.

use super::answer::Protocol;
use super::json::{entropy, member, number, number_member, open, put, quoted, text};
use super::{Event, Writer};
use crate::{Network, ResolverFields, ResponseCode};

/// The version of the class definition the tests check against.
const VERSION: &str = "1.8.0";

pub(super) fn write(writer: &mut Writer, event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { source, place, query, facts } = event;
    // A log line tells of query and answer together, which the class calls traffic.
    out.extend_from_slice(
        b"{\"class_uid\":4003,\"class_name\":\"DNS Activity\",\"category_uid\":4,\"category_name\":\"Network Activity\",\
          \"activity_id\":6,\"activity_name\":\"Traffic\",\"type_uid\":400306,\"type_name\":\"DNS Activity: Traffic\",\
          \"severity_id\":1,\"severity\":\"Informational\",\"time\":",
    );
    number(out, query.time_ms);
    outcome(event, out);
    out.extend_from_slice(b",\"query\":{\"hostname\":\"");
    text(out, facts.name);
    out.extend_from_slice(b"\",\"type\":\"");
    text(out, query.type_text());
    out.extend_from_slice(b"\",\"class\":\"");
    text(out, query.class);
    out.extend_from_slice(b"\"}");
    if let Some(fields) = query.resolver {
        answers(fields, out);
        firewall(event, fields, out);
    }
    source_endpoint(event, out);
    connection(event, out);
    let profiles = if event.has_firewall() { "\"cloud\",\"security_control\"" } else { "\"cloud\"" };
    let key = [
        profiles,
        query.edge,
        source.log_stream,
        source.policy_level,
        place.sequence_number,
        place.shard,
        source.log_group,
        event.account(),
        event.region(),
        facts.zone,
        query.zone_id,
        event.form(),
        query.resolver.map_or("", |fields| fields.endpoint_id),
    ];
    let (middle, end) = writer.memo.of(&key, |out| {
        constant_middle(event, profiles, out);
        let middle = out.len();
        constant_end(event, out);
        middle
    });
    out.extend_from_slice(middle);
    number_member(out, "logged_time", place.arrival_ms);
    out.extend_from_slice(b",\"uid\":\"");
    text(out, event.id());
    out.extend_from_slice(end);
    unmapped(event, out);
    if writer.original && !query.original.is_empty() {
        put(out, b",\"raw_data\":\"", query.original);
    }
    out.extend_from_slice(b"}\n");
}

/// What depends on the log stream and the record alone, up to the arrival and the event's id.
fn constant_middle(event: &Event<'_>, profiles: &str, out: &mut Vec<u8>) {
    let Event { source, query, facts, .. } = event;
    out.extend_from_slice(b",\"dst_endpoint\":{\"svc_name\":\"Route 53\"");
    member(out, "name", query.edge);
    member(out, "instance_uid", query.resolver.map_or("", |fields| fields.endpoint_id));
    if let Some(edge) = facts.edge {
        out.extend_from_slice(b",\"location\":{");
        member(out, "city", edge.city);
        member(out, "country", edge.country);
        out.extend_from_slice(b",\"lat\":");
        out.extend_from_slice(edge.latitude_text.as_bytes());
        out.extend_from_slice(b",\"long\":");
        out.extend_from_slice(edge.longitude_text.as_bytes());
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"cloud\":{\"provider\":\"AWS\"");
    member(out, "region", event.region());
    if !event.account().is_empty() {
        out.extend_from_slice(b",\"account\":{\"type_id\":10,\"type\":\"AWS Account\"");
        member(out, "uid", event.account());
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"metadata\":{\"version\":\"");
    out.extend_from_slice(VERSION.as_bytes());
    out.extend_from_slice(b"\",\"product\":{\"name\":\"Route 53\",\"vendor_name\":\"AWS\"},\"profiles\":[");
    out.extend_from_slice(profiles.as_bytes());
    out.push(b']');
    member(out, "log_name", source.log_group);
}

/// What follows the event's id, up to the open object `unmapped`.
fn constant_end(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { source, place, query, facts } = event;
    out.extend_from_slice(b"\"},\"unmapped\":{\"zone\":");
    quoted(out, facts.zone);
    member(out, "hosted_zone_id", query.zone_id);
    member(out, "form", event.form());
    member(out, "log_stream", source.log_stream);
    member(out, "policy_level", source.policy_level);
    member(out, "shard", place.shard);
    member(out, "sequence_number", place.sequence_number);
}

fn unmapped(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    put(out, b",\"relative_name\":\"", facts.relative_name);
    if let Some(sent) = event.sent_name() {
        member(out, "sent_name", sent);
    }
    member(out, "registered_domain", facts.registered_domain);
    member(out, "public_suffix", facts.public_suffix);
    number_member(out, "labels", facts.labels);
    number_member(out, "longest_label", facts.longest_label);
    out.extend_from_slice(b",\"entropy\":");
    entropy(out, facts.entropy);
    member(out, "resolver_operator", facts.source.map_or("", |network| network.operator));
    if !query.client_subnet_text.is_empty() {
        member(out, "edns_client_subnet", query.client_subnet_text);
        if let Some(network) = facts.client {
            member(out, "client_country", &network.country);
            if network.asn != 0 {
                number_member(out, "client_asn", network.asn);
            }
            member(out, "client_organization", &network.organization);
            member(out, "client_operator", network.operator);
        }
    }
    if query.protocol().is_none() {
        member(out, "protocol", query.transport_text);
    }
    member(out, "extracted_fields", query.extracted_fields);
    if let Some(fields) = query.resolver {
        member(out, "firewall_domain_list_id", fields.firewall_domain_list_id);
    }
    out.push(b'}');
}

/// Response code and status.
fn outcome(event: &Event<'_>, out: &mut Vec<u8>) {
    let (name, id) = match event.query.response_code {
        ResponseCode::NoError => ("NoError", 0_u8),
        ResponseCode::FormErr => ("FormError", 1),
        ResponseCode::ServFail => ("ServError", 2),
        ResponseCode::NxDomain => ("NXDomain", 3),
        ResponseCode::NotImp => ("NotImp", 4),
        ResponseCode::Refused => ("Refused", 5),
        ResponseCode::Other => (event.query.response_code_text, 99),
    };
    out.extend_from_slice(b",\"rcode_id\":");
    number(out, id);
    out.extend_from_slice(b",\"rcode\":\"");
    text(out, name);
    out.extend_from_slice(match id {
        0 => b"\",\"status_id\":1,\"status\":\"Success\"",
        _ => b"\",\"status_id\":2,\"status\":\"Failure\"",
    });
}

fn answers(fields: &ResolverFields<'_>, out: &mut Vec<u8>) {
    if fields.answers.is_empty() {
        return;
    }
    open(out, "answers");
    for (index, answer) in fields.answers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[{\"rdata\":" } else { b",{\"rdata\":" });
        quoted(out, answer.data);
        member(out, "type", answer.record_type);
        member(out, "class", answer.class);
        out.push(b'}');
    }
    out.push(b']');
}

/// What DNS Firewall did: the `security_control` profile.
fn firewall(event: &Event<'_>, fields: &ResolverFields<'_>, out: &mut Vec<u8>) {
    if !event.has_firewall() {
        return;
    }
    if event.is_blocked() {
        out.extend_from_slice(
            b",\"action_id\":2,\"action\":\"Denied\",\"disposition_id\":2,\"disposition\":\"Blocked\"",
        );
    } else if fields.firewall_rule_action.eq_ignore_ascii_case("ALERT") {
        out.extend_from_slice(
            b",\"action_id\":3,\"action\":\"Observed\",\"disposition_id\":19,\"disposition\":\"Alert\"",
        );
    } else {
        out.extend_from_slice(b",\"action_id\":99,\"disposition_id\":99");
        member(out, "action", fields.firewall_rule_action);
        member(out, "disposition", fields.firewall_rule_action);
    }
    if !fields.firewall_rule_group_id.is_empty() {
        out.extend_from_slice(b",\"firewall_rule\":{");
        member(out, "uid", fields.firewall_rule_group_id);
        out.push(b'}');
    }
}

fn source_endpoint(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    if query.source_ip_text.is_empty() {
        return;
    }
    out.extend_from_slice(match query.source_ip {
        Some(_) => b",\"src_endpoint\":{\"ip\":\"".as_slice(),
        None => b",\"src_endpoint\":{\"name\":\"",
    });
    text(out, query.source_ip_text);
    out.push(b'"');
    if let Some(fields) = query.resolver {
        if let Some(port) = fields.source_port {
            number_member(out, "port", port);
        }
        member(out, "vpc_uid", fields.vpc_id);
        member(out, "instance_uid", fields.instance_id);
        member(out, "interface_uid", fields.network_interface_id);
    }
    if let Some(network) = facts.source {
        country_and_system(network, out);
    }
    out.push(b'}');
}

fn country_and_system(network: &Network, out: &mut Vec<u8>) {
    if !network.country.is_empty() {
        out.extend_from_slice(b",\"location\":{\"country\":\"");
        text(out, &network.country);
        out.extend_from_slice(b"\"}");
    }
    if network.asn != 0 {
        out.extend_from_slice(b",\"autonomous_system\":{\"number\":");
        number(out, network.asn);
        member(out, "name", &network.organization);
        out.push(b'}');
    }
}

fn connection(event: &Event<'_>, out: &mut Vec<u8>) {
    // Whether a query comes in or goes out depends on whose network is meant; for a hosted zone it is Route 53's own.
    out.extend_from_slice(match event.query.resolver {
        None => b",\"connection_info\":{\"direction_id\":1,\"direction\":\"Inbound\"".as_slice(),
        Some(_) => b",\"connection_info\":{\"direction_id\":0,\"direction\":\"Unknown\"",
    });
    out.extend_from_slice(match event.query.protocol() {
        Some(Protocol::Udp) => b",\"protocol_name\":\"udp\",\"protocol_num\":17",
        Some(Protocol::Tcp) => b",\"protocol_name\":\"tcp\",\"protocol_num\":6",
        None => b"",
    });
    if let Some(version) = event.query.ip_version() {
        number_member(out, "protocol_ver_id", version);
    }
    out.push(b'}');
}
