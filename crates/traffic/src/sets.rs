//! Payload sets of known shape, for benches and load.
//!
//! What differs between records is how many events share one deflate stream (a record's Huffman tables cost about as
//! much as twenty events) and how well they compress (random names and ids do not). Each set stands for one such case.

use crate::generator::{EventMaker, LogEvent, Sort};
use crate::random::{Random, Weights};
use crate::{Zone, payload};

/// 2026-11-16 09:00 UTC, a Monday.
const START_MS: i64 = 1_794_819_600_000;

/// Events a set should hold: enough for a steady median, few enough for many rounds.
const EVENTS: usize = 40_000;

/// Payloads and how many events are in them.
#[derive(Debug, Clone)]
pub struct Set {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// Gzip members as CloudWatch makes them, one a record.
    pub payloads: Vec<Vec<u8>>,
    /// Events in all of them.
    pub events: usize,
    /// Bytes of all of them inflated.
    pub inflated_bytes: usize,
}

/// The sets there are.
pub const NAMES: &[&str] = &["small", "mid", "mixed", "big", "attack"];

/// The set of this name.
pub fn named(name: &str, seed: u64) -> Option<Set> {
    let (name, size, flood_share): (_, fn(&mut Random) -> usize, _) = match name {
        // A quiet zone's edge: one to ten events, small ones more often; 3.7 on average.
        "small" => ("small", |random| random.log_uniform(1, 10) as usize, 0.0),
        "mid" => ("mid", |_| 100, 0.0),
        // What a fleet sees: as many records of 1 to 10 events as of 100 to 1,000.
        "mixed" => ("mixed", |random| random.log_uniform(1, 2_000) as usize, 0.0),
        "big" => ("big", |_| 2_000, 0.0),
        // A random-subdomain flood: four in five names are new and do not exist.
        "attack" => ("attack", |random| random.log_uniform(700, 2_000) as usize, 0.8),
        _ => return None,
    };
    Some(make(name, seed, size, flood_share))
}

/// Records of one to ten events.
pub fn small(seed: u64) -> Vec<Vec<u8>> {
    payloads("small", seed)
}

/// Records of 100 events.
pub fn mid(seed: u64) -> Vec<Vec<u8>> {
    payloads("mid", seed)
}

/// Records of 1 to 2,000 events, evenly over orders of magnitude: the reference.
pub fn mixed(seed: u64) -> Vec<Vec<u8>> {
    payloads("mixed", seed)
}

/// Records of 2,000 events.
pub fn big(seed: u64) -> Vec<Vec<u8>> {
    payloads("big", seed)
}

/// Large records, four fifths of them a random-subdomain flood.
pub fn attack(seed: u64) -> Vec<Vec<u8>> {
    payloads("attack", seed)
}

fn payloads(name: &'static str, seed: u64) -> Vec<Vec<u8>> {
    named(name, seed).map(|set| set.payloads).unwrap_or_default()
}

fn make(name: &'static str, seed: u64, size: fn(&mut Random) -> usize, flood_share: f64) -> Set {
    let random = &mut Random::of(seed, name);
    let mut maker = EventMaker::new(seed);
    let zones = Zone::eight();
    let weights = Weights::new(zones.iter().map(|zone| zone.share));
    let mut set = Set { name, payloads: Vec::new(), events: 0, inflated_bytes: 0 };
    while set.events < EVENTS {
        let zone = &zones[if flood_share > 0.0 { 0 } else { weights.draw(random) }];
        let count = size(random);
        let events = stream_events(zone, count, flood_share, &mut maker, random);
        let text = payload::data_message("123456789012", "zonewatch", &events);
        set.payloads.push(payload::gzip(&text));
        set.events += count;
        set.inflated_bytes += text.len();
    }
    set
}

/// Consecutive events of one log stream, as one record brings them.
fn stream_events(
    zone: &Zone,
    count: usize,
    flood_share: f64,
    maker: &mut EventMaker,
    random: &mut Random,
) -> Vec<LogEvent> {
    let edge = maker.edge(random);
    let start_ms = START_MS + random.below(3_600_000) as i64;
    // So far apart that few share a millisecond: ids of one millisecond and one batch would compress to nothing.
    let span_ms = count * (10 + random.below(40));
    maker.begin_batches(random);
    let mut times: Vec<i64> = (0..count).map(|_| start_ms + random.below(span_ms) as i64).collect();
    times.sort_unstable();
    times
        .into_iter()
        .map(|time_ms| {
            let sort = if random.chance(flood_share) { Sort::Flood } else { Sort::Usual };
            let question = sort.ask(zone, random);
            maker.event(zone, question, time_ms, Some(edge), random)
        })
        .collect()
}
