//! A query and reference data to facts.

use crate::{Query, Source};
use std::sync::Arc;

/// What does not change from query to query: configured zone names and network databases. Replaced as a whole when a
/// database file is replaced.
#[derive(Debug, Default)]
pub struct Reference {
    /// Zone id → zone name, from the configuration.
    pub zone_names: Vec<(String, String)>,
}

/// What we know about an address's network. Empty text means unknown; `asn` 0 means unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// The autonomous system's number.
    pub asn: u32,
    /// Its organisation.
    pub organization: String,
    /// A well-known public resolver's operator (`google`, `cloudflare`, …).
    pub operator: &'static str,
}

/// An airport that gives an edge location its code.
#[derive(Debug, PartialEq)]
pub struct Edge {
    /// The three letters the edge's name begins with.
    pub iata: &'static str,
    /// The city.
    pub city: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// What enrichment adds to one query.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The zone's name: configured, else from the log group `/aws/route53/<zone>`, else the zone id. For Resolver
    /// logs the longest configured zone that is a suffix of the name, else the registered domain.
    pub zone: &'a str,
    /// The key a zone is counted under: the zone id, or `zone` where there is none.
    pub zone_key: &'a str,
    /// Lower case, no trailing dot, escapes in one form.
    pub name: &'a str,
    /// `name` without the zone: `www` for `www.example.com`; empty at the apex; all of `name` if outside the zone.
    pub relative_name: &'a str,
    /// The public suffix and the label before it; empty if there is none.
    pub registered_domain: &'a str,
    /// The public suffix of `name`.
    pub public_suffix: &'a str,
    /// Labels of `name`.
    pub labels: u8,
    /// Bytes of the longest label.
    pub longest_label: u8,
    /// Shannon entropy of `relative_name`'s bytes, bits a byte.
    pub entropy: f32,
    /// Where the edge location is, if its code is known.
    pub edge: Option<&'static Edge>,
    /// The network of the address that asked.
    pub source: Option<&'a Network>,
    /// The network of the client subnet.
    pub client: Option<&'a Network>,
}

/// Adds facts to queries. One a task: it caches what it learned about zones and resolvers, bounded.
pub struct Enricher {
    reference: Arc<Reference>,
}

impl Enricher {
    /// An enricher over this reference data. The seed makes cache slots unpredictable to whoever chooses names.
    pub fn new(reference: Arc<Reference>, _seed: u64) -> Self {
        Self { reference }
    }

    /// Takes new reference data and forgets what was cached from the old.
    pub fn replace(&mut self, reference: Arc<Reference>) {
        self.reference = reference;
    }

    /// The facts of one query.
    pub fn enrich<'a>(&'a mut self, source: &Source<'a>, query: &Query<'a>) -> Facts<'a> {
        let _ = source;
        Facts {
            zone: query.zone_id,
            zone_key: query.zone_id,
            name: query.name,
            relative_name: query.name,
            registered_domain: "",
            public_suffix: "",
            labels: 0,
            longest_label: 0,
            entropy: 0.0,
            edge: None,
            source: None,
            client: None,
        }
    }
}
