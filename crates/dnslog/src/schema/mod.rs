//! Facts to one JSON line: the same input gives the same bytes.
//!
//! `docs/records.md` describes every field of the three schemas. A writer appends to a buffer that the caller reuses; what
//! repeats from query to query is rendered once (`memo.rs`), which changes how fast a line is written, never what it says.

mod answer;
mod ecs;
mod json;
mod lean;
mod memo;
mod ocsf;

use crate::enrich::same;
use crate::{Facts, Form, Query, Source};
use json::Clock;
use memo::Memo;

/// Which record form is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// Elastic Common Schema.
    #[default]
    Ecs,
    /// OCSF DNS Activity (4003).
    Ocsf,
    /// Flat and short, for volume.
    Lean,
}

/// Where a record was read: part of what makes it identifiable, and of ECS `log.*`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The source shard.
    pub shard: &'a str,
    /// The record's sequence number.
    pub sequence_number: &'a str,
    /// When the record reached the stream, milliseconds since 1970.
    pub arrival_ms: i64,
    /// The AWS Region of the source stream.
    pub region: &'a str,
    /// The id to use where the log event has none.
    pub fallback_id: &'a str,
}

/// Writes records of one schema. One a task, kept: it remembers what repeats.
#[derive(Debug, Clone)]
pub struct Writer {
    schema: Schema,
    original: bool,
    clock: Clock,
    // Arrivals come minutes after queries; one clock for both would forget its minute twice a line.
    arrival_clock: Clock,
    memo: Memo,
}

impl Writer {
    /// A writer of this schema. `original` says whether records carry the original message; `lean` never does.
    pub fn new(schema: Schema, original: bool) -> Self {
        Self { schema, original, clock: Clock::default(), arrival_clock: Clock::default(), memo: Memo::default() }
    }

    /// The record form.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Appends one record and a line feed. Facts must be those of this source and query.
    pub fn write(
        &mut self,
        source: &Source<'_>,
        place: &Place<'_>,
        query: &Query<'_>,
        facts: &Facts<'_>,
        out: &mut Vec<u8>,
    ) {
        let event = Event { source, place, query, facts };
        match self.schema {
            Schema::Ecs => ecs::write(self, &event, out),
            Schema::Ocsf => ocsf::write(self, &event, out),
            Schema::Lean => lean::write(self, &event, out),
        }
    }
}

/// All that is known about one query.
struct Event<'a> {
    source: &'a Source<'a>,
    place: &'a Place<'a>,
    query: &'a Query<'a>,
    facts: &'a Facts<'a>,
}

impl<'a> Event<'a> {
    /// The log event's id, or the one made for it.
    fn id(&self) -> &'a str {
        if self.query.event_id.is_empty() { self.place.fallback_id } else { self.query.event_id }
    }

    /// What the client sent, if the normalised name does not say it. A dot at the end is the log's, not the client's.
    fn sent_name(&self) -> Option<&'a str> {
        let logged = self.query.name;
        let is_same = same(logged, self.facts.name) || logged.strip_suffix('.') == Some(self.facts.name);
        (!is_same).then_some(logged)
    }

    /// The account that the query belongs to.
    fn account(&self) -> &'a str {
        self.query.resolver.map(|resolver| resolver.account_id).filter(|id| !id.is_empty()).unwrap_or(self.source.owner)
    }

    /// The Region that the query belongs to.
    fn region(&self) -> &'a str {
        self.query.resolver.map(|resolver| resolver.region).filter(|name| !name.is_empty()).unwrap_or(self.place.region)
    }

    /// The log form, as records name it.
    fn form(&self) -> &'static str {
        match self.query.form {
            Form::PublicLine => "public_line",
            Form::PublicJson => "public_json",
            Form::Resolver => "resolver",
            Form::GlobalResolver => "global_resolver",
        }
    }

    /// Whether a DNS Firewall rule matched.
    fn has_firewall(&self) -> bool {
        self.query.resolver.is_some_and(|resolver| !resolver.firewall_rule_action.is_empty())
    }

    /// Whether DNS Firewall blocked the query.
    fn is_blocked(&self) -> bool {
        self.query.resolver.is_some_and(|resolver| resolver.firewall_rule_action.eq_ignore_ascii_case("BLOCK"))
    }

    /// Whether `relative_name` and the zone together make the name.
    fn is_in_zone(&self) -> bool {
        self.facts.relative_name.len() < self.facts.name.len()
    }
}

#[cfg(test)]
mod tests;
