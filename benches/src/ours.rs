//! What Zonewatch does with the same payloads, stage upon stage.

use dnslog::schema::{Place, Schema, Writer};
use dnslog::{Decoder, Enricher, Limits, Query, Reference, Reject, Source, Visit};
use std::sync::Arc;

/// Counts what it is handed, and looks at a field of it so that nothing is optimised away.
#[derive(Default)]
struct Count {
    queries: usize,
    rejects: usize,
    times: i64,
}

impl Visit for Count {
    fn query(&mut self, _source: &Source<'_>, query: &Query<'_>) {
        self.queries += 1;
        self.times ^= std::hint::black_box(query).time_ms;
    }

    fn reject(&mut self, _source: &Source<'_>, _reject: &Reject<'_>) {
        self.rejects += 1;
    }
}

/// Decodes to queries, every check on, every form recognised.
pub struct Decode {
    decoder: Decoder,
}

impl Default for Decode {
    fn default() -> Self {
        Self { decoder: Decoder::new(Limits::default()) }
    }
}

impl Decode {
    /// Queries decoded; a reject counts against them.
    pub fn run(&mut self, payloads: &[Vec<u8>]) -> usize {
        let mut count = Count::default();
        for payload in payloads {
            self.decoder.decode(payload, &mut count);
        }
        std::hint::black_box(count.times);
        count.queries.saturating_sub(count.rejects)
    }
}

/// Decodes, enriches and writes one line for each query.
pub struct Records {
    decoder: Decoder,
    write: Write,
}

struct Write {
    enricher: Enricher,
    writer: Writer,
    out: Vec<u8>,
    lines: usize,
    rejects: usize,
}

/// What a record read from a stream comes with.
const PLACE: Place<'static> = Place {
    shard: "shardId-000000000007",
    sequence_number: "49590338271490256608559692538361571095921575989136588898",
    arrival_ms: 1_794_819_700_000,
    region: "us-east-1",
    fallback_id: "",
};

impl Visit for Write {
    fn query(&mut self, source: &Source<'_>, query: &Query<'_>) {
        let facts = self.enricher.enrich(source, query);
        self.writer.write(source, &PLACE, query, &facts, &mut self.out);
        self.lines += 1;
    }

    fn reject(&mut self, _source: &Source<'_>, _reject: &Reject<'_>) {
        self.rejects += 1;
    }
}

impl Records {
    /// Writes records of this schema; `ecs` and `ocsf` with the original line, as they are by default.
    pub fn new(schema: Schema) -> Self {
        let enricher = Enricher::new(Arc::new(Reference::default()), 0x5eed);
        let writer = Writer::new(schema, schema != Schema::Lean);
        let write = Write { enricher, writer, out: Vec::new(), lines: 0, rejects: 0 };
        Self { decoder: Decoder::new(Limits::default()), write }
    }

    /// Lines written, kept for no longer than a record; a reject counts against them.
    pub fn run(&mut self, payloads: &[Vec<u8>]) -> usize {
        self.each(payloads, |_| {})
    }

    /// The same; each record's lines are shown to `see`.
    pub fn each(&mut self, payloads: &[Vec<u8>], mut see: impl FnMut(&[u8])) -> usize {
        (self.write.lines, self.write.rejects) = (0, 0);
        for payload in payloads {
            self.write.out.clear();
            self.decoder.decode(payload, &mut self.write);
            see(std::hint::black_box(&self.write.out));
        }
        self.write.lines.saturating_sub(self.write.rejects)
    }
}
