//! The same work by an ordinary, careful Rust program: the first opponent.
//!
//! Well-known crates used as their documents show them: flate2's reader, `serde_json::Value`, `str::split`,
//! `HashMap`, psl, `to_writer`. It finds the same facts as the `lean` schema has and leaves out our rejects, other log
//! forms and caps. It may use every shortcut that does not need a second look at the format: addresses it has seen are
//! remembered without bound, and flate2 has its fastest backend.

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::error::Error;
use std::io::Read;
use std::net::IpAddr;

#[expect(dead_code, reason = "as for the facts")]
struct Edge {
    city: String,
    country: String,
}

struct Network {
    address: IpAddr,
    bits: u8,
    operator: String,
}

/// What enrichment finds out about a name and an edge location.
#[expect(dead_code, reason = "the work is to find it; lean lines leave some of it to be looked up")]
struct Facts<'a> {
    registered_domain: &'a str,
    public_suffix: &'a str,
    labels: usize,
    longest_label: usize,
    entropy: f64,
    place: Option<&'a Edge>,
}

/// A program that turns subscription payloads into JSON lines.
pub struct Ordinary {
    edges: HashMap<String, Edge>,
    networks: Vec<Network>,
    operators: HashMap<IpAddr, Option<String>>,
    out: Vec<u8>,
}

impl Default for Ordinary {
    /// With the tables that enrichment has.
    fn default() -> Self {
        let edges = include_str!("../../crates/dnslog/data/edges.csv").lines().filter_map(edge).collect();
        let networks = include_str!("../../crates/dnslog/data/operators.csv").lines().filter_map(network).collect();
        Self { edges, networks, operators: HashMap::new(), out: Vec::new() }
    }
}

fn edge(line: &str) -> Option<(String, Edge)> {
    let fields: Vec<&str> = line.split(',').collect();
    let (code, country, city) = (*fields.first()?, *fields.get(1)?, *fields.get(4)?);
    Some((code.to_owned(), Edge { city: city.to_owned(), country: country.to_owned() }))
}

fn network(line: &str) -> Option<Network> {
    let (prefix, rest) = line.split_once(',')?;
    let (address, bits) = prefix.split_once('/')?;
    let operator = rest.split(',').next()?.to_owned();
    Some(Network { address: address.parse().ok()?, bits: bits.parse().ok()?, operator })
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl Ordinary {
    /// Lines written for all payloads.
    ///
    /// # Errors
    ///
    /// If a payload is not what it should be.
    pub fn run(&mut self, payloads: &[Vec<u8>]) -> Result<usize, Box<dyn Error>> {
        self.each(payloads, |_| {})
    }

    /// The same; each record's lines are shown to `see`.
    ///
    /// # Errors
    ///
    /// If a payload is not what it should be.
    pub fn each(&mut self, payloads: &[Vec<u8>], mut see: impl FnMut(&[u8])) -> Result<usize, Box<dyn Error>> {
        let mut lines = 0;
        for payload in payloads {
            self.out.clear();
            lines += self.record(payload)?;
            see(std::hint::black_box(&self.out));
        }
        Ok(lines)
    }

    fn record(&mut self, payload: &[u8]) -> Result<usize, Box<dyn Error>> {
        let mut text = String::new();
        GzDecoder::new(payload).read_to_string(&mut text)?;
        let envelope: Value = serde_json::from_str(&text)?;
        if envelope["messageType"] != "DATA_MESSAGE" {
            return Ok(0);
        }
        let group = envelope["logGroup"].as_str().unwrap_or_default();
        let zone = group.strip_prefix("/aws/route53/").unwrap_or(group);
        let events = envelope["logEvents"].as_array().ok_or("no log events")?;
        for event in events {
            let record = self.line(zone, event)?;
            serde_json::to_writer(&mut self.out, &record)?;
            self.out.push(b'\n');
        }
        Ok(events.len())
    }

    fn line(&mut self, zone: &str, event: &Value) -> Result<Map<String, Value>, Box<dyn Error>> {
        let id = event["id"].as_str().ok_or("no id")?;
        let message = event["message"].as_str().ok_or("no message")?;
        let fields: Vec<&str> = message.split(' ').collect();
        let [version, _, zone_id, sent, query_type, code, protocol, edge, source, subnet, ..] = fields[..] else {
            return Err(format!("{} fields in {message:?}", fields.len()).into());
        };
        if !version.starts_with("1.") {
            return Err(format!("version {version}").into());
        }
        // The only escape it has met.
        let name = sent.trim_end_matches('.').to_lowercase().replace("\\052", "*");
        let relative = name.strip_suffix(zone).map_or(name.as_str(), |below| below.trim_end_matches('.'));
        let facts = self.facts(&name, relative, edge);

        let mut record = Map::new();
        let mut put = |key: &str, value: Value| record.insert(key.to_owned(), value);
        put("time", event["timestamp"].clone());
        put("id", id.into());
        put("zone", zone.into());
        put("zid", zone_id.into());
        put("name", if relative.is_empty() { "@" } else { relative }.into());
        if !zone.ends_with(facts.registered_domain) {
            put("domain", facts.registered_domain.into());
        }
        put("type", query_type.into());
        put("rcode", code.into());
        if protocol != "UDP" {
            put("proto", protocol.into());
        }
        put("edge", edge.into());
        put("ip", source.into());
        if subnet != "-" {
            let (network, bits) = subnet.split_once('/').ok_or("no prefix length")?;
            network.parse::<IpAddr>()?;
            bits.parse::<u8>()?;
            put("net", subnet.into());
        }
        put("ent", ((facts.entropy * 1000.0).round() / 1000.0).into());
        if sent != name {
            put("sent", sent.into());
        }
        // What windows count and other schemas write.
        std::hint::black_box(&facts);
        if let Some(operator) = self.operator(source.parse()?) {
            put("op", operator.into());
        }
        Ok(record)
    }

    fn facts<'a>(&'a self, name: &'a str, relative: &str, edge: &str) -> Facts<'a> {
        Facts {
            registered_domain: psl::domain_str(name).unwrap_or_default(),
            public_suffix: psl::suffix_str(name).unwrap_or_default(),
            labels: name.split('.').count(),
            longest_label: name.split('.').map(str::len).max().unwrap_or(0),
            entropy: entropy(relative),
            place: edge.get(..3).and_then(|code| self.edges.get(code)),
        }
    }

    fn operator(&mut self, address: IpAddr) -> Option<&str> {
        let find =
            || self.networks.iter().find(|network| network.holds(address)).map(|network| network.operator.clone());
        self.operators.entry(address).or_insert_with(find).as_deref()
    }
}

/// Bits a byte.
fn entropy(text: &str) -> f64 {
    let mut counts: HashMap<u8, usize> = HashMap::new();
    for byte in text.bytes() {
        *counts.entry(byte).or_default() += 1;
    }
    // Not zero, or nothing would be divided by it.
    let length = text.len().max(1) as f64;
    let part = |count: &usize| *count as f64 / length;
    -counts.values().map(|count| part(count) * part(count).log2()).sum::<f64>()
}
