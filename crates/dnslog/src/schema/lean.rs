//! `lean`: flat, short, for S3 and Athena at volume. A typical hosted-zone query takes at most 330 bytes.
//!
//! Nothing is repeated that the zone, the edge code or the AS number already says. In this order, and left out where
//! empty unless marked (always):
//!
//! | key | what |
//! | --- | --- |
//! | `time` | when Route 53 answered, milliseconds since 1970 UTC (always) |
//! | `id` | the log event's id, whole (always) |
//! | `zone` | the zone's name (always) |
//! | `zid` | the hosted zone's id; Resolver logs have none |
//! | `name` | the normalised name without the zone, `@` at the zone's apex |
//! | `fqdn` | in place of `name`: the whole name, if it lies outside the zone |
//! | `domain` | the registered domain, unless the zone settles it |
//! | `type` | query type (always) |
//! | `class` | query class, if not `IN` |
//! | `rcode` | response code (always) |
//! | `proto` | how it was carried, if not `UDP` |
//! | `edge` | edge location |
//! | `ip` | the address that asked (always) |
//! | `cc`, `asn`, `op` | its country, AS number and public resolver operator |
//! | `net`, `net_cc`, `net_asn` | EDNS client subnet, its country and AS number |
//! | `ent` | entropy, bits a byte of the name without the zone |
//! | `sent` | the name as the client sent it, if that differs from the normalised name |
//! | `form` | the log form, if not `public_line` |
//! | `account`, `region`, `vpc`, `port`, `instance`, `endpoint`, `interface` | Resolver logs only |
//! | `answers` | Resolver logs only: the answers' data |
//! | `fw_action`, `fw_group`, `fw_list` | DNS Firewall's action, rule group and domain list |
//!
//! The message itself is never there: it would be half of the record.

use super::json::{entropy, member, number, number_member, open, put, put_plain, quoted, text, verbatim};
use super::{Event, Writer};
use crate::{Form, Network, ResolverFields, Transport};

pub(super) fn write(writer: &mut Writer, event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    // A number, as Firehose's conversion to Parquet and Athena read it; 13 bytes less than the instant as text.
    out.extend_from_slice(b"{\"time\":");
    number(out, query.time_ms);
    put(out, b",\"id\":\"", event.id());
    let (zone, edge) = writer.memo.of(&[facts.zone, query.zone_id, query.edge], |out| {
        put(out, b",\"zone\":\"", facts.zone);
        member(out, "zid", query.zone_id);
        let middle = out.len();
        member(out, "edge", query.edge);
        out.extend_from_slice(b",\"ip\":\"");
        middle
    });
    verbatim(out, zone);
    name(event, out);
    put(out, b",\"type\":\"", query.type_text());
    if query.class != "IN" {
        member(out, "class", query.class);
    }
    put(out, b",\"rcode\":\"", query.code_text());
    if query.transport != Transport::Udp {
        member(out, "proto", query.transport_text);
    }
    verbatim(out, edge);
    text(out, query.source_ip_text);
    out.push(b'"');
    source(event, out);
    out.extend_from_slice(b",\"ent\":");
    entropy(out, facts.entropy);
    if let Some(sent) = event.sent_name() {
        member(out, "sent", sent);
    }
    if query.form != Form::PublicLine {
        member(out, "form", event.form());
    }
    if let Some(fields) = query.resolver {
        resolver(fields, out);
    }
    out.extend_from_slice(b"}\n");
}

fn name(event: &Event<'_>, out: &mut Vec<u8>) {
    let facts = event.facts;
    let is_in_zone = event.is_in_zone();
    match (is_in_zone, facts.relative_name) {
        (false, _) => put(out, b",\"fqdn\":\"", facts.name),
        (true, "") => out.extend_from_slice(b",\"name\":\"@\""),
        (true, relative_name) => put(out, b",\"name\":\"", relative_name),
    }
    // A zone at or below the registered domain says it; one above it, or a name outside, does not.
    if !is_in_zone || facts.zone.len() < facts.registered_domain.len() {
        member(out, "domain", facts.registered_domain);
    }
}

fn source(event: &Event<'_>, out: &mut Vec<u8>) {
    let Event { query, facts, .. } = event;
    if let Some(network) = facts.source {
        country_and_system(network, b",\"cc\":\"", b",\"asn\":", out);
        if !network.operator.is_empty() {
            put_plain(out, b",\"op\":\"", network.operator);
        }
    }
    if !query.client_subnet_text.is_empty() {
        put(out, b",\"net\":\"", query.client_subnet_text);
        if let Some(network) = facts.client {
            country_and_system(network, b",\"net_cc\":\"", b",\"net_asn\":", out);
        }
    }
}

fn country_and_system(network: &Network, country: &[u8], system: &[u8], out: &mut Vec<u8>) {
    if !network.country.is_empty() {
        put(out, country, &network.country);
    }
    if network.asn != 0 {
        out.extend_from_slice(system);
        number(out, network.asn);
    }
}

fn resolver(fields: &ResolverFields<'_>, out: &mut Vec<u8>) {
    member(out, "account", fields.account_id);
    member(out, "region", fields.region);
    member(out, "vpc", fields.vpc_id);
    if let Some(port) = fields.source_port {
        number_member(out, "port", port);
    }
    member(out, "instance", fields.instance_id);
    member(out, "endpoint", fields.endpoint_id);
    member(out, "interface", fields.network_interface_id);
    if !fields.answers.is_empty() {
        open(out, "answers");
        for (index, answer) in fields.answers.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            quoted(out, answer.data);
        }
        out.push(b']');
    }
    member(out, "fw_action", fields.firewall_rule_action);
    member(out, "fw_group", fields.firewall_rule_group_id);
    member(out, "fw_list", fields.firewall_domain_list_id);
}
