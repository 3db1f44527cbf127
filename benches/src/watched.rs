//! Made-up zones, watched: queries counted in panes, panes summed up to windows, windows judged.
//!
//! The same counting and judging as in the fleet, without log lines, records and shards between: every window is whole.

use detect::finding::{Finding, Settings, Zone};
use detect::{Asked, Pane, Tally, Window};
use dnslog::{QueryType, ResponseCode, Transport};
use std::sync::Arc;
use traffic::{Generator, Query, Scenario};

const PANE_MS: i64 = 10_000;
/// Lengths of windows, and how many of the one before make one.
const LENGTHS: [(i64, i64); 3] = [(PANE_MS, 1), (60_000, 6), (600_000, 10)];

/// What of a zone is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Of all lengths.
    All,
    /// Of a minute and longer, for tests that have no time.
    Minutes,
}

/// One of a scenario's zones alone, as busy as in it.
pub fn alone(scenario: &Scenario, zone: usize) -> Scenario {
    let all: f64 = scenario.zones.iter().map(|zone| zone.share).sum();
    let queries_per_second = scenario.queries_per_second * scenario.zones[zone].share / all;
    let incidents = scenario.incidents.iter().filter(|incident| incident.zone == zone).copied();
    let incidents = incidents.map(|incident| traffic::Incident { zone: 0, ..incident }).collect();
    Scenario { zones: vec![scenario.zones[zone].clone()], queries_per_second, incidents, ..scenario.clone() }
}

/// A telling, and when: event time, milliseconds since 1970.
pub type Told = (i64, Finding);

/// A zone that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    zone: Zone,
    settings: Settings,
    windows: Windows,
    key: Arc<str>,
    name: Arc<str>,
    /// By length of window: what has been counted of the one that is open.
    sums: [Tally; 3],
}

impl Watched {
    /// The only zone of a scenario, of which nothing is known.
    pub fn new(scenario: &Scenario, windows: Windows) -> Self {
        let zone = &scenario.zones[0];
        let (key, name) = (zone.id.clone(), zone.name.clone());
        Self { zone: Zone::new(), settings: Settings::default(), windows, key, name, sums: Default::default() }
    }

    /// What is known, and what is open.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Lives until a time, a multiple of ten minutes as the beginning is; `early`: open panes are judged at their middle.
    pub fn live(&mut self, generator: &mut Generator, from_ms: i64, until_ms: i64, early: bool) -> Vec<Told> {
        let mut told = Vec::new();
        for start_ms in (from_ms..until_ms).step_by(PANE_MS as usize) {
            if early {
                let middle_ms = start_ms + PANE_MS / 2;
                self.count(generator, middle_ms);
                let findings = self.zone.excess(&self.window(0, start_ms), &self.settings);
                told.extend(findings.into_iter().map(|finding| (middle_ms, finding)));
            }
            self.count(generator, start_ms + PANE_MS);
            self.close(start_ms + PANE_MS, &mut told);
        }
        told
    }

    /// The windows of ten seconds of a time, not judged.
    pub fn panes(&mut self, generator: &mut Generator, from_ms: i64, until_ms: i64) -> Vec<Window> {
        let pane = |start_ms: i64| {
            self.count(generator, start_ms + PANE_MS);
            let window = self.window(0, start_ms);
            self.sums[0] = Tally::default();
            window
        };
        (from_ms..until_ms).step_by(PANE_MS as usize).map(pane).collect()
    }

    fn count(&mut self, generator: &mut Generator, until_ms: i64) {
        let (zone, pane) = (&self.name, &mut self.sums[0]);
        let mut name = String::new();
        generator.visit(until_ms, |query| {
            name.clear();
            name.push_str(query.name);
            name.make_ascii_lowercase();
            pane.add(&asked(query, &name, zone));
        });
    }

    fn close(&mut self, end_ms: i64, told: &mut Vec<Told>) {
        for (place, (length_ms, _)) in LENGTHS.into_iter().enumerate() {
            if end_ms % length_ms != 0 {
                break;
            }
            if place > 0 || self.windows == Windows::All {
                let window = self.window(place, end_ms - length_ms);
                let findings = self.zone.push(&window, &self.settings);
                told.extend(findings.into_iter().map(|finding| (end_ms, finding)));
            }
            let closed = std::mem::take(&mut self.sums[place]);
            if let Some(longer) = self.sums.get_mut(place + 1) {
                longer.merge(&closed);
            }
        }
    }

    fn window(&self, place: usize, start_ms: i64) -> Window {
        Window {
            zone_key: self.key.clone(),
            zone_name: self.name.clone(),
            start_ms,
            length_ms: LENGTHS[place].0,
            whole: true,
            coverage: 1.0,
            ..self.sums[place].window()
        }
    }
}

/// A query as it is counted. The generator's names are in their one form but for the case of their letters.
fn asked<'a>(query: &Query<'a>, name: &'a str, zone: &'a str) -> Asked<'a> {
    let relative_name = name.strip_suffix(zone).unwrap_or(name);
    let relative_name = relative_name.strip_suffix('.').unwrap_or(relative_name);
    Asked {
        zone,
        relative_name,
        query_type: QueryType::of(query.query_type),
        response_code: ResponseCode::of(query.response_code),
        transport: Transport::of(query.transport),
        edge: query.edge,
        source_ip: query.address.parse().ok(),
        longest_label: name.split('.').map(str::len).max().unwrap_or(0) as u8,
        entropy_millibits: entropy_millibits(relative_name.as_bytes()),
        event_id: "",
    }
}

/// Shannon entropy, thousandths of a bit a byte.
fn entropy_millibits(bytes: &[u8]) -> u32 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let (length, mut bits) = (bytes.len() as f64, 0.0);
    for byte in bytes {
        let count = std::mem::take(&mut counts[usize::from(*byte)]);
        if count > 0 {
            // The first place of each byte stands for all of them.
            bits -= f64::from(count) / length * (f64::from(count) / length).log2();
        }
    }
    (1000.0 * bits).round() as u32
}
