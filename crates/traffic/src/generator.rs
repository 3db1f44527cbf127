//! Event time goes on, and log events appear.

use crate::line::{self, Circumstances};
use crate::question::{Asker, Question};
use crate::random::Random;
use crate::resolver::{Resolvers, stray_address};
use crate::scenario::{Incident, Kind, Label, Scenario};
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
            self.tick_zone(index, tick_ms, &mut events);
        }
        // Stable, so that what has the same time keeps the order in which it was made.
        events.sort_by_key(|event| event.time_ms);
        events
    }

    fn tick_zone(&mut self, index: usize, tick_ms: i64, events: &mut Vec<LogEvent>) {
        let zone = &self.scenario.zones[index];
        let seconds = TICK_MS as f64 / 1_000.0;
        let zone_seed = self.seed ^ crate::random::hash(zone.id.as_bytes());
        let mean = self.mean_rate(index);
        let mut usual = mean * zone.rhythm.noisy_at(tick_ms, zone_seed) * seconds;
        let (mut flood, mut probes, mut failing) = (0.0, 0.0, 0.0);
        for incident in self.scenario.incidents.iter().filter(|incident| incident.zone == index) {
            if !is_on(incident, tick_ms - self.start_ms) {
                continue;
            }
            match incident.kind {
                Kind::TrafficSpike | Kind::TrafficDrop => usual *= incident.strength,
                Kind::RandomSubdomain => flood += incident.strength * mean * seconds,
                Kind::Enumeration => probes += incident.strength * mean * seconds,
                Kind::ErrorSurge => {
                    failing = incident.strength;
                    // Resolvers ask again, each on average about twice for what failed.
                    usual *= 1.0 + incident.strength;
                }
            }
        }
        let random = &mut Random::new(zone_seed ^ (tick_ms as u64).rotate_left(20));
        let counts = [usual, flood, probes].map(|mean| random.poisson(mean));
        self.maker.begin_batches(random);
        for (count, sort) in counts.into_iter().zip([Sort::Usual, Sort::Flood, Sort::Probe]) {
            for _ in 0..count {
                let time_ms = tick_ms + random.below(TICK_MS as usize) as i64;
                let mut question = sort.ask(zone, random);
                if sort == Sort::Usual && random.chance(failing) {
                    question.response_code = "SERVFAIL";
                }
                events.push(self.maker.event(zone, question, time_ms, None, random));
            }
        }
    }
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
}

impl Sort {
    pub(crate) fn ask(self, zone: &Zone, random: &mut Random) -> Question {
        match self {
            Self::Usual => Question::ordinary(zone, random),
            Self::Flood => Question::random_subdomain(zone, random),
            Self::Probe => Question::probe(zone, random),
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

    /// `edge` fixes the edge location and so who asks; without one the asker decides.
    pub(crate) fn event(
        &mut self,
        zone: &Zone,
        mut question: Question,
        time_ms: i64,
        edge: Option<&'static str>,
        random: &mut Random,
    ) -> LogEvent {
        let time_ms = if zone.precision == Precision::Seconds { whole_second(time_ms) } else { time_ms };
        let resolver = match question.asker {
            Asker::Public | Asker::Scanner => self.resolvers.draw(edge, random),
            Asker::Botnet => self.resolvers.any(edge, random),
        };
        let (address, subnet) = match question.asker {
            Asker::Scanner => (random.pick(&self.scanners).as_str(), "-"),
            Asker::Public | Asker::Botnet => {
                question.name = line::spell(question.name, resolver, random);
                (resolver.address.as_str(), self.resolvers.subnet_for(resolver, random))
            }
        };
        let edge = edge.unwrap_or_else(|| self.resolvers.edge_for(resolver, random));
        let zone_id = &zone.id;
        let circumstances = Circumstances { time_ms, precision: zone.precision, zone_id, edge, address, subnet };
        let message = line::format(&question, &circumstances, random);
        let sequence = self.sequences.entry(edge).or_insert(0);
        // Each edge has its own log stream, so its own batch.
        let batch = self.batch ^ u128::from(crate::random::hash(edge.as_bytes()));
        let id = event_id::format(time_ms, batch, *sequence);
        *sequence = sequence.wrapping_add(1);
        LogEvent { zone_id: zone.id.clone(), zone_name: zone.name.clone(), edge, time_ms, id, message }
    }
}
