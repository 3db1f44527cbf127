//! `ecs`: Elastic Common Schema. Fields that ECS lacks are under `aws.*`, where the Elastic integrations for Route 53 and
//! CloudWatch have a name for them, and else under `zonewatch.*`.

use super::answer::Protocol;
use super::json::{entropy, member, number, number_member, open, put, put_plain, quoted, text};
use super::{Event, Writer};
use crate::{Network, ResolverFields, ResponseCode};

/// The version of the field definitions the tests check against.
const VERSION: &str = "9.4.0";

pub(super) fn write(writer: &mut Writer, event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { source, place, query, facts } = event;
    out.extend_from_slice(b"{\"@timestamp\":\"");
    writer.clock.write(out, query.time_ms);
    out.extend_from_slice(b"\",\"event\":{\"id\":\"");
    text(out, event.id());
    out.extend_from_slice(match query.response_code {
        ResponseCode::NoError => {
            b"\",\"kind\":\"event\",\"category\":[\"network\"],\"outcome\":\"success\",\"type\":[\"protocol\""
        }
        _ => b"\",\"kind\":\"event\",\"category\":[\"network\"],\"outcome\":\"failure\",\"type\":[\"protocol\"",
    });
    if event.is_blocked() {
        out.extend_from_slice(b",\"denied\"");
    }
    out.push(b']');
    if writer.original && !query.original.is_empty() {
        put(out, b",\"original\":\"", query.original);
    }
    dns(event, out);
    network(event, out);
    addresses(event, out);
    out.extend_from_slice(b",\"zonewatch\":{\"arrival\":\"");
    writer.arrival_clock.write(out, place.arrival_ms);
    out.extend_from_slice(b"\",\"name\":{\"relative\":\"");
    text(out, facts.relative_name);
    out.extend_from_slice(b"\",\"labels\":");
    number(out, facts.labels);
    out.extend_from_slice(b",\"longest_label\":");
    number(out, facts.longest_label);
    out.extend_from_slice(b",\"entropy\":");
    entropy(out, facts.entropy);
    if let Some(sent) = event.sent_name() {
        member(out, "sent", sent);
    }
    out.push(b'}');
    operators(event, out);
    if query.protocol().is_none() {
        member(out, "transport", query.transport_text);
    }
    // Kept as the text it was sent as: what it holds is the sender's, and could clash with any mapping.
    member(out, "extracted_fields", query.extracted_fields);
    let key = [
        facts.zone,
        query.zone_id,
        query.edge,
        event.form(),
        source.log_stream,
        place.sequence_number,
        place.shard,
        source.log_group,
        source.subscription_filters,
        source.policy_level,
        event.account(),
        event.region(),
    ];
    let (middle, end) = writer.memo.of(&key, |out| {
        constant_middle(event, out);
        let middle = out.len();
        constant_end(event, out);
        middle
    });
    out.extend_from_slice(middle);
    member(out, "edns_client_subnet", query.client_subnet_text);
    if let Some(fields) = query.resolver {
        resolver(fields, out);
    }
    out.extend_from_slice(end);
}

/// `zonewatch.*` that depends on the log stream and the record alone, up to the open object `aws.route53`.
fn constant_middle(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { place, query, facts, .. } = event;
    out.extend_from_slice(b",\"zone\":{\"name\":");
    quoted(out, facts.zone);
    out.extend_from_slice(b"},\"form\":\"");
    out.extend_from_slice(event.form().as_bytes());
    out.extend_from_slice(b"\",\"record\":{");
    member(out, "shard", place.shard);
    member(out, "sequence_number", place.sequence_number);
    out.extend_from_slice(b"}},\"aws\":{\"route53\":{");
    member(out, "hosted_zone_id", query.zone_id);
    member(out, "edge_location", query.edge);
}

/// What follows `aws.route53`, to the end of the line.
fn constant_end(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { source, query, facts, .. } = event;
    out.push(b'}');
    if !source.log_group.is_empty() {
        out.extend_from_slice(b",\"cloudwatch\":{");
        member(out, "log_group", source.log_group);
        member(out, "log_stream", source.log_stream);
        member(out, "policy_level", source.policy_level);
        member(out, "subscription_filters", source.subscription_filters);
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"observer\":{\"vendor\":\"AWS\",\"product\":\"Route 53\"");
    member(out, "name", query.edge);
    if let Some(edge) = facts.edge {
        open(out, "geo");
        out.push(b'{');
        member(out, "city_name", edge.city);
        member(out, "country_iso_code", edge.country);
        out.extend_from_slice(b",\"location\":{\"lat\":");
        out.extend_from_slice(edge.latitude_text.as_bytes());
        out.extend_from_slice(b",\"lon\":");
        out.extend_from_slice(edge.longitude_text.as_bytes());
        out.extend_from_slice(b"}}");
    }
    out.extend_from_slice(b"},\"cloud\":{\"provider\":\"aws\"");
    member(out, "region", event.region());
    if !event.account().is_empty() {
        out.extend_from_slice(b",\"account\":{");
        member(out, "id", event.account());
        out.push(b'}');
    }
    out.push(b'}');
    if !source.log_group.is_empty() {
        // As Elastic's CloudWatch input writes it: the group and the stream as one path.
        out.extend_from_slice(b",\"log\":{\"file\":{\"path\":\"");
        text(out, source.log_group);
        out.push(b'/');
        text(out, source.log_stream);
        out.extend_from_slice(b"\"}}");
    }
    out.extend_from_slice(b",\"ecs\":{\"version\":\"");
    out.extend_from_slice(VERSION.as_bytes());
    out.extend_from_slice(b"\"}}\n");
}

/// `dns.*`. A log line tells of a query that was answered, so it is an `answer`, if mostly one without its records.
/// `dns.id` is absent: no log has the message's id.
fn dns(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    out.extend_from_slice(b"},\"dns\":{\"type\":\"answer\",\"response_code\":\"");
    text(out, query.code_text());
    out.extend_from_slice(b"\",\"question\":{\"name\":\"");
    text(out, facts.name);
    out.extend_from_slice(b"\",\"type\":\"");
    text(out, query.type_text());
    put(out, b"\",\"class\":\"", query.class);
    if !facts.registered_domain.is_empty() {
        let subdomain = facts.name.len() - facts.registered_domain.len();
        put(out, b",\"registered_domain\":\"", facts.registered_domain);
        if subdomain > 1 {
            put(out, b",\"subdomain\":\"", &facts.name[..subdomain - 1]);
        }
    }
    if !facts.public_suffix.is_empty() {
        put(out, b",\"top_level_domain\":\"", facts.public_suffix);
    }
    out.push(b'}');
    if let Some(fields) = query.resolver {
        answers(event, fields, out);
    }
    out.push(b'}');
}

fn answers(event: &Event<'_>, fields: &ResolverFields<'_>, out: &mut Vec<u8>) {
    if fields.answers.is_empty() {
        return;
    }
    open(out, "answers");
    for (index, answer) in fields.answers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[{\"data\":" } else { b",{\"data\":" });
        quoted(out, answer.data);
        member(out, "type", answer.record_type);
        member(out, "class", answer.class);
        out.push(b'}');
    }
    out.push(b']');
    if event.query.answered_addresses().next().is_some() {
        open(out, "resolved_ip");
        list(out, event.query.answered_addresses());
    }
}

/// Appends texts as a JSON array.
fn list<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quoted(out, value);
    }
    out.push(b']');
}

fn network(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"network\":{\"protocol\":\"dns\"");
    // The number is a keyword in ECS, so it is text.
    out.extend_from_slice(match event.query.protocol() {
        Some(Protocol::Udp) => b",\"transport\":\"udp\",\"iana_number\":\"17\"",
        Some(Protocol::Tcp) => b",\"transport\":\"tcp\",\"iana_number\":\"6\"",
        None => b"",
    });
    out.extend_from_slice(match event.query.ip_version() {
        Some(4) => b",\"type\":\"ipv4\"}",
        Some(_) => b",\"type\":\"ipv6\"}",
        None => b"}",
    });
}

/// `source.*` (who asked Route 53), `client.*` (the client subnet a resolver passed on) and `related.*`.
fn addresses(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    if !query.source_ip_text.is_empty() {
        put(out, b",\"source\":{\"address\":\"", query.source_ip_text);
        if query.source_ip.is_some() {
            put(out, b",\"ip\":\"", query.source_ip_text);
        }
        if let Some(port) = query.resolver.and_then(|fields| fields.source_port) {
            number_member(out, "port", port);
        }
        if let Some(network) = facts.source {
            country_and_system(network, out);
        }
        out.push(b'}');
    }
    if !query.client_subnet_text.is_empty() {
        put(out, b",\"client\":{\"address\":\"", query.client_subnet_text);
        if let Some(network) = facts.client {
            country_and_system(network, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b",\"related\":{\"hosts\":[\"");
    text(out, facts.name);
    out.extend_from_slice(b"\"]");
    let own = query.source_ip.map(|_| query.source_ip_text);
    if own.is_some() || query.answered_addresses().next().is_some() {
        out.extend_from_slice(b",\"ip\":");
        list(out, own.into_iter().chain(query.answered_addresses()));
    }
    out.push(b'}');
}

fn country_and_system(network: &Network, out: &mut Vec<u8>) {
    if !network.country.is_empty() {
        out.extend_from_slice(b",\"geo\":{\"country_iso_code\":\"");
        text(out, &network.country);
        out.extend_from_slice(b"\"}");
    }
    if network.asn != 0 {
        out.extend_from_slice(b",\"as\":{\"number\":");
        number(out, network.asn);
        if !network.organization.is_empty() {
            out.extend_from_slice(b",\"organization\":{\"name\":\"");
            text(out, &network.organization);
            out.extend_from_slice(b"\"}");
        }
        out.push(b'}');
    }
}

/// Operators of well-known public resolvers: of the address that asked, and of the client subnet.
fn operators(event: &Event<'_>, out: &mut Vec<u8>) {
    for (network, before) in [
        (event.facts.source, b",\"resolver\":{\"operator\":\"".as_slice()),
        (event.facts.client, b",\"client\":{\"operator\":\""),
    ] {
        if let Some(network) = network.filter(|network| !network.operator.is_empty()) {
            put_plain(out, before, network.operator);
            out.push(b'}');
        }
    }
}

/// Members of `aws.route53` that Resolver logs have, by the names of Elastic's integration where it has them.
fn resolver(fields: &ResolverFields<'_>, out: &mut Vec<u8>) {
    member(out, "vpc_id", fields.vpc_id);
    member(out, "instance_id", fields.instance_id);
    member(out, "resolver_endpoint", fields.endpoint_id);
    member(out, "resolver_network_interface", fields.network_interface_id);
    if !fields.firewall_rule_action.is_empty() {
        out.extend_from_slice(if out.last() == Some(&b'{') { b"\"firewall\":{" } else { b",\"firewall\":{" });
        member(out, "action", fields.firewall_rule_action);
        for (object, id) in
            [("rule_group", fields.firewall_rule_group_id), ("domain_list", fields.firewall_domain_list_id)]
        {
            if !id.is_empty() {
                open(out, object);
                out.push(b'{');
                member(out, "id", id);
                out.push(b'}');
            }
        }
        out.push(b'}');
    }
}
