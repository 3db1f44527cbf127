//! What Zonewatch does with the same payloads, stage upon stage.

use detect::message::{Constants, Header};
use detect::summary::Summary;
use detect::{Asked, Sequence, Tally};
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
    /// `None`: nobody wants windows.
    windows: Option<(Summary<Tally>, Epoch)>,
}

/// Which time an epoch's queries are of. The sets spread theirs over an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epoch {
    /// Half a minute: what log streams send every few seconds, some of them late, read between two commits.
    Usual,
    /// All of the hour: hundreds of panes with few queries each, as no stream brings them.
    Scattered,
}

impl Epoch {
    fn time_ms(self, query: &Query<'_>) -> i64 {
        match self {
            Self::Usual => query.time_ms.rem_euclid(30_000),
            Self::Scattered => query.time_ms,
        }
    }
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
        if let Some((summary, epoch)) = &mut self.windows {
            // Two seconds on the way, whenever the query was: none is late.
            let time_ms = epoch.time_ms(query);
            if let Some(tally) = summary.pane(facts.zone_key, time_ms, time_ms + 2_000) {
                tally.add(&Asked::of(query, &facts));
            }
        }
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
        let write = Write { enricher, writer, out: Vec::new(), lines: 0, rejects: 0, windows: None };
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

/// The same as [`Records`] in `ecs`, and what DETECT is told of an epoch: the payloads are one.
pub struct Windows {
    records: Records,
    constants: Constants,
    epoch: Epoch,
}

impl Windows {
    /// Of queries of this time.
    pub fn of(epoch: Epoch) -> Self {
        Self { records: Records::new(Schema::Ecs), constants: Constants::default(), epoch }
    }

    /// Queries counted in messages that were encoded.
    pub fn run(&mut self, payloads: &[Vec<u8>]) -> usize {
        self.records.write.windows = Some((Summary::new(self.constants), self.epoch));
        self.records.run(payloads);
        let (summary, _) = self.records.write.windows.take().expect("it was just put there");
        let messages = summary.messages(&header(self.constants));
        let panes = messages.iter().flat_map(|message| message.zones.values()).flat_map(|zone| zone.panes.values());
        let queries: u64 = panes.map(detect::Pane::count).sum();
        for message in &messages {
            std::hint::black_box(message.encode());
        }
        queries as usize
    }
}

/// Of the whole source stream's only shard.
fn header(constants: Constants) -> Header {
    Header {
        constants,
        shard: PLACE.shard.into(),
        hash_range: 0..=u128::MAX,
        parents: Vec::new(),
        after: None,
        through: Sequence::parse(PLACE.sequence_number),
        time_ms: PLACE.arrival_ms,
        hole_ms: None,
        end: false,
    }
}
