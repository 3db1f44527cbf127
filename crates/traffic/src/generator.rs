//! Event time goes on, and log events appear.

use crate::edge::{ADDED, DETOUR};
use crate::line::{self, Circumstances};
use crate::question::{Asker, Question};
use crate::random::Random;
use crate::resolver::{Resolvers, stray_address};
use crate::scenario::{Cause, Incident, Label, Scenario};
use crate::zone::Precision;
use crate::{Zone, event_id};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The step in which counts are drawn: as fine as rates change and coarse enough to be cheap.
const TICK_MS: i64 = 1_000;

/// One log event of a hosted zone's log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// The hosted zone's id.
    pub zone_id: Arc<str>,
    /// Its name.
    pub zone_name: Arc<str>,
    /// The edge location that answered; with the zone id it names the log stream.
    pub edge: &'static str,
    /// Event time, milliseconds since 1970.
    pub time_ms: i64,
    /// As CloudWatch makes it: about 56 digits.
    pub id: String,
    /// The query-log line.
    pub message: String,
}

/// A query as whoever only counts needs it, without a log event made of it.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Which of the scenario's zones, by index.
    pub zone: usize,
    /// Event time, milliseconds since 1970.
    pub time_ms: i64,
    /// The name as the resolver spells it.
    pub name: &'a str,
    /// The type, as it is logged.
    pub query_type: &'static str,
    /// The response code, as it is logged.
    pub response_code: &'static str,
    /// How it came.
    pub transport: &'static str,
    /// The edge location that answered.
    pub edge: &'static str,
    /// Who asked.
    pub address: &'a str,
}

/// Makes a scenario's log events in order of event time.
///
/// What it makes depends on the scenario, the seed and the start alone: not on how the time is cut into calls.
#[derive(Debug, Clone)]
pub struct Generator {
    scenario: Scenario,
    seed: u64,
    start_ms: i64,
    maker: EventMaker,
    /// The first tick that was not made yet.
    next_ms: i64,
    /// Made, but after the time that was asked for.
    waiting: VecDeque<LogEvent>,
}

impl Generator {
    /// Begins at this event time, milliseconds since 1970, cut to the second.
    pub fn new(scenario: Scenario, seed: u64, start_ms: i64) -> Self {
        let start_ms = whole_second(start_ms);
        let maker = EventMaker::new(seed);
        Self { scenario, seed, start_ms, maker, next_ms: start_ms, waiting: VecDeque::new() }
    }

    /// Every log event before this time that was not handed out yet, in order.
    pub fn events(&mut self, until_ms: i64) -> Vec<LogEvent> {
        while self.next_ms < until_ms {
            let tick = self.tick();
            self.waiting.extend(tick);
        }
        let ready = self.waiting.partition_point(|event| event.time_ms < until_ms);
        self.waiting.drain(..ready).collect()
    }

    /// Shows the queries up to a time, cut to the second, that were not shown or handed out yet; second after second, within
    /// one in no order. They are those of [`Generator::events`].
    pub fn visit(&mut self, until_ms: i64, mut visit: impl FnMut(&Query<'_>)) {
        while self.next_ms + TICK_MS <= until_ms {
            let tick_ms = self.next_ms;
            self.next_ms += TICK_MS;
            for index in 0..self.scenario.zones.len() {
                self.tick_zone(index, tick_ms, |maker, zone, mut question, time_ms, random| {
                    let asked = maker.ask(zone, &mut question, time_ms, None, random);
                    visit(&Query {
                        zone: index,
                        time_ms: asked.time_ms,
                        name: &question.name,
                        query_type: question.query_type,
                        response_code: question.response_code,
                        transport: asked.transport,
                        edge: asked.edge,
                        address: asked.address,
                    });
                });
            }
        }
    }

    /// What a perfect detector would say.
    pub fn labels(&self) -> Vec<Label> {
        self.scenario.labels(self.start_ms)
    }

    /// Where event time begins.
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Where the scenario ends; the traffic goes on.
    pub fn end_ms(&self) -> i64 {
        self.start_ms + self.scenario.lasts_ms
    }

    /// Queries a second that a zone is expected to get at an event time, incidents and noise aside.
    pub fn expected_rate(&self, zone: usize, time_ms: i64) -> f64 {
        self.mean_rate(zone) * self.scenario.zones[zone].rhythm.at(time_ms)
    }

    fn mean_rate(&self, zone: usize) -> f64 {
        let all: f64 = self.scenario.zones.iter().map(|zone| zone.share).sum();
        self.scenario.queries_per_second * self.scenario.zones[zone].share / all
    }

    fn tick(&mut self) -> Vec<LogEvent> {
        let tick_ms = self.next_ms;
        self.next_ms += TICK_MS;
        let mut events = Vec::new();
        for index in 0..self.scenario.zones.len() {
            self.tick_zone(index, tick_ms, |maker, zone, question, time_ms, random| {
                events.push(maker.event(zone, question, time_ms, None, random));
            });
        }
        // Stable, so that what has the same time keeps the order in which it was made.
        events.sort_by_key(|event| event.time_ms);
        events
    }

    fn tick_zone(
        &mut self,
        index: usize,
        tick_ms: i64,
        mut take: impl FnMut(&mut EventMaker, &Zone, Question, i64, &mut Random),
    ) {
        let zone = &self.scenario.zones[index];
        let seconds = TICK_MS as f64 / 1_000.0;
        let zone_seed = self.seed ^ crate::random::hash(zone.id.as_bytes());
        let mean = self.mean_rate(index) * seconds;
        let after_ms = tick_ms - self.start_ms;
        let mut tick = Tick::default();
        for incident in self.scenario.incidents.iter().filter(|incident| incident.zone == index) {
            if is_on(incident, after_ms) {
                tick.happen(incident, after_ms);
            }
        }
        let usual = mean * zone.rhythm.noisy_at(tick_ms, zone_seed) * tick.factor;
        let random = &mut Random::new(zone_seed ^ (tick_ms as u64).rotate_left(20));
        let counts = [(Sort::Usual, usual), (Sort::Flood, mean * tick.flood), (Sort::Probe, mean * tick.probes)];
        let mut counts = counts.map(|(sort, mean)| (sort, random.poisson(mean))).to_vec();
        self.maker.begin_batches(random);
        // Drawn after all else, so that what has none of it is as it ever was.
        counts.extend(tick.others.iter().map(|(sort, strength)| (*sort, random.poisson(mean * strength))));
        for (sort, count) in counts {
            for _ in 0..count {
                let time_ms = tick_ms + random.below(TICK_MS as usize) as i64;
                let mut question = sort.ask(zone, random);
                if sort == Sort::Usual {
                    tick.change(&mut question, random);
                }
                take(&mut self.maker, zone, question, time_ms, random);
            }
        }
    }
}

/// What happens to a zone in one tick.
#[derive(Debug)]
struct Tick {
    /// On the usual rate.
    factor: f64,
    /// In proportion to the mean rate.
    flood: f64,
    probes: f64,
    others: Vec<(Sort, f64)>,
    /// Shares of the usual queries.
    failing: f64,
    changed: Option<(Cause, f64)>,
}

impl Default for Tick {
    fn default() -> Self {
        Self { factor: 1.0, flood: 0.0, probes: 0.0, others: Vec::new(), failing: 0.0, changed: None }
    }
}

impl Tick {
    fn happen(&mut self, incident: &Incident, after_ms: i64) {
        let strength = incident.strength;
        match incident.cause {
            Cause::Spike | Cause::Drop => self.factor *= strength,
            Cause::Launch => self.factor *= ramped(incident, after_ms, incident.lasts_ms / 3),
            Cause::Caching => self.factor *= ramped(incident, after_ms, CACHES_FOLLOW_MS),
            Cause::Flood => self.flood += strength,
            Cause::Guesses => self.probes += strength,
            Cause::FloodOfWildcard => self.others.push((Sort::FloodOfWildcard, strength)),
            Cause::Walk => self.others.push((Sort::Walk, strength)),
            Cause::Tunnel => self.others.push((Sort::Tunnel, strength)),
            Cause::Reflection => self.others.push((Sort::Reflection, strength)),
            Cause::Failure => {
                self.failing = strength;
                // Resolvers ask again, each on average about twice for what failed.
                self.factor *= 1.0 + strength;
            }
            Cause::Concentration | Cause::Reroute | Cause::Newcomer | Cause::SmallEdge => {
                self.changed = Some((incident.cause, strength));
            }
        }
    }

    fn change(&self, question: &mut Question, random: &mut Random) {
        if random.chance(self.failing) {
            question.response_code = "SERVFAIL";
        }
        let Some((cause, share)) = self.changed else { return };
        if random.chance(share) {
            match cause {
                Cause::Concentration => question.asker = Asker::Favourite,
                Cause::Newcomer => question.asker = Asker::Newcomer,
                Cause::Reroute => question.edge = Some(DETOUR),
                _ => question.edge = Some(ADDED),
            }
        }
    }
}

/// What was asked before a record's TTL was changed is in caches for up to two hours.
const CACHES_FOLLOW_MS: i64 = 7_200_000;

/// The factor of an incident that comes within `ramp_ms` of its beginning and goes as quickly before its end.
fn ramped(incident: &Incident, after_ms: i64, ramp_ms: i64) -> f64 {
    let since_ms = after_ms - incident.after_ms;
    let near_ms = since_ms.min(incident.lasts_ms - since_ms);
    1.0 + (incident.strength - 1.0) * (near_ms as f64 / ramp_ms as f64).min(1.0)
}

/// Event time begins on a whole second, so that lines without a fraction are not before it.
pub(crate) fn whole_second(time_ms: i64) -> i64 {
    time_ms - time_ms.rem_euclid(TICK_MS)
}

fn is_on(incident: &Incident, after_ms: i64) -> bool {
    (incident.after_ms..incident.after_ms + incident.lasts_ms).contains(&after_ms)
}

/// What sort of query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Usual,
    Flood,
    Probe,
    FloodOfWildcard,
    Walk,
    Tunnel,
    Reflection,
}

impl Sort {
    pub(crate) fn ask(self, zone: &Zone, random: &mut Random) -> Question {
        match self {
            Self::Usual => Question::ordinary(zone, random),
            Self::Flood => Question::random_subdomain(zone, random),
            Self::Probe => Question::probe(zone, random),
            Self::FloodOfWildcard => Question::random_subdomain_of_wildcard(zone, random),
            Self::Walk => Question::walk(zone, random),
            Self::Tunnel => Question::tunnel(zone, random),
            Self::Reflection => Question::reflection(zone, random),
        }
    }
}

/// Makes a log event of a question: who asked, where, when, under which id.
#[derive(Debug, Clone)]
pub(crate) struct EventMaker {
    resolvers: Resolvers,
    /// A few addresses that scan.
    scanners: [String; 3],
    /// The batch all events are put in until the next, and the next sequence of each edge in it.
    batch: u128,
    sequences: HashMap<&'static str, u16>,
}

impl EventMaker {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::of(seed, "scanners");
        let scanners = std::array::from_fn(|_| stray_address(random));
        Self { resolvers: Resolvers::new(seed), scanners, batch: 0, sequences: HashMap::new() }
    }

    /// What comes from here on was put into CloudWatch by other calls.
    pub(crate) fn begin_batches(&mut self, random: &mut Random) {
        self.batch = (u128::from(random.bits()) << 64) | u128::from(random.bits());
        self.sequences.clear();
    }

    pub(crate) fn edge(&self, random: &mut Random) -> &'static str {
        self.resolvers.edge(random)
    }

    /// Who asks, where, and how. `edge` fixes the edge location and so who asks; without one the asker decides.
    fn ask<'a>(
        &'a self,
        zone: &'a Zone,
        question: &mut Question,
        time_ms: i64,
        edge: Option<&'static str>,
        random: &mut Random,
    ) -> Circumstances<'a> {
        let time_ms = if zone.precision == Precision::Seconds { whole_second(time_ms) } else { time_ms };
        let resolvers = &self.resolvers;
        let resolver = match question.asker {
            Asker::Public | Asker::Scanner | Asker::Forged | Asker::Newcomer => resolvers.draw(edge, random),
            Asker::Botnet => resolvers.any(edge, random),
            Asker::Client => resolvers.neighbours(random),
            Asker::Favourite => resolvers.favourite(),
        };
        let (address, subnet) = match question.asker {
            Asker::Scanner => (random.pick(&self.scanners).as_str(), "-"),
            Asker::Forged => (*random.pick(FORGED), "-"),
            Asker::Newcomer => (*random.pick(NEWCOMERS), "-"),
            Asker::Public | Asker::Botnet | Asker::Client | Asker::Favourite => {
                let name = std::mem::take(&mut question.name);
                question.name = line::spell(name, resolver, random);
                (resolver.address.as_str(), resolvers.subnet_for(resolver, random))
            }
        };
        let edge = edge.unwrap_or_else(|| resolvers.edge_for(resolver, random));
        let edge = question.edge.unwrap_or(edge);
        let transport = line::transport(question.query_type, random);
        Circumstances { time_ms, precision: zone.precision, zone_id: &zone.id, edge, address, subnet, transport }
    }

    pub(crate) fn event(
        &mut self,
        zone: &Zone,
        mut question: Question,
        time_ms: i64,
        edge: Option<&'static str>,
        random: &mut Random,
    ) -> LogEvent {
        let asked = self.ask(zone, &mut question, time_ms, edge, random);
        let message = line::format(&question, &asked);
        let Circumstances { time_ms, edge, .. } = asked;
        let sequence = self.sequences.entry(edge).or_insert(0);
        // Each edge has its own log stream, so its own batch.
        let batch = self.batch ^ u128::from(crate::random::hash(edge.as_bytes()));
        let id = event_id::format(time_ms, batch, *sequence);
        *sequence = sequence.wrapping_add(1);
        LogEvent { zone_id: zone.id.clone(), zone_name: zone.name.clone(), edge, time_ms, id, message }
    }
}

/// Who is to be flooded by a reflection.
const FORGED: &[&str] = &["203.0.113.80", "203.0.113.81"];
/// A provider's network that never asks, in the range for providers' own use (RFC 6598).
const NEWCOMERS: &[&str] = &["100.64.7.1", "100.64.7.2", "100.64.9.53", "100.64.9.54", "100.64.20.3", "100.64.31.9"];
