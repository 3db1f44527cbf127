//! Windows for tests: a usual zone's, drawn by chance from a seed, and what is done to them.

use super::{Finding, Settings, Status, Zone};
use crate::window::Suffix;
use crate::{TopName, Window};
use dnslog::{QueryType, ResponseCode, Transport};
use traffic::Random;

/// A Monday, 2026-01-05T00:00:00Z.
pub(super) const START_MS: i64 = 1_767_571_200_000;
pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const DAY: i64 = 1440;

/// Queries besides the usual ones: all of one sort, by so many addresses, each from a network of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) queries: u64,
    pub(super) names: u64,
    pub(super) name_bytes: u64,
    pub(super) code: ResponseCode,
    pub(super) query_type: QueryType,
    pub(super) resolvers: u64,
}

impl Flow {
    pub(super) const NONE: Self = Self {
        queries: 0,
        names: 0,
        name_bytes: 14,
        code: ResponseCode::NoError,
        query_type: QueryType::A,
        resolvers: 5_000,
    };
}

fn list(random: &mut Random, prefix: &str, count: usize, queries: f64) -> Vec<TopName> {
    let sum: f64 = (1..=count).map(|rank| 1.0 / (rank as f64 + 2.0)).sum();
    let mut list: Vec<TopName> = (0..count)
        .map(|rank| {
            let mean = 0.8 * queries / (rank as f64 + 3.0) / sum;
            TopName { name: format!("{prefix}{rank}"), count: random.poisson(mean), error: 0 }
        })
        .collect();
    list.sort_by_key(|top| std::cmp::Reverse(top.count));
    list
}

/// A minute of a zone that is asked 600 times, its usual queries times a factor.
pub(super) fn minute(random: &mut Random, index: i64, factor: f64) -> Window {
    let mut window = Window {
        zone_key: "Z1".into(),
        zone_name: "example.com".into(),
        start_ms: START_MS + index * MINUTE_MS,
        length_ms: MINUTE_MS,
        whole: true,
        coverage: 1.0,
        ..Window::default()
    };
    for (code, share) in
        [(ResponseCode::NoError, 0.96), (ResponseCode::NxDomain, 0.035), (ResponseCode::ServFail, 0.005)]
    {
        window.codes[code as usize] = random.poisson(600.0 * factor * share);
    }
    window.queries = window.codes.iter().sum();
    let queries = window.queries as f64;
    window.types[QueryType::Txt as usize] = random.poisson(queries * 0.01);
    window.types[QueryType::A as usize] = window.queries - window.types[QueryType::Txt as usize];
    window.transports[Transport::Tcp as usize] = random.poisson(queries * 0.01);
    // More queries of the same names: half as many names more.
    window.distinct_names = random.poisson(120.0 * queries.max(1.0).powf(0.5) / 24.5);
    window.distinct_nxdomain_names = window.codes[ResponseCode::NxDomain as usize].min(window.distinct_names);
    window.distinct_resolvers = random.poisson(queries * 0.5);
    window.sub_name_bytes = window.distinct_names * 9 + random.poisson(20.0);
    window.entropy_millibits_sum = window.queries * 2_300 + random.poisson(40_000.0);
    window.top_names = list(random, "host", 12, queries);
    window.top_resolvers = list(random, "192.0.2.", 16, queries * 0.5);
    window.top_networks = list(random, "198.", 16, queries);
    window.top_edges = list(random, "EDGE", 8, queries * 1.2);
    window
}

/// The same with a flow beside.
pub(super) fn with(mut window: Window, flow: Flow) -> Window {
    // They come to the edges that the usual ones come to.
    let usual = window.queries.max(1);
    window.top_edges.iter_mut().for_each(|edge| edge.count += edge.count * flow.queries / usual);
    window.queries += flow.queries;
    window.codes[flow.code as usize] += flow.queries;
    window.types[flow.query_type as usize] += flow.queries;
    window.distinct_names += flow.names;
    if flow.code == ResponseCode::NxDomain {
        window.distinct_nxdomain_names += flow.names;
    }
    window.sub_name_bytes += flow.names * flow.name_bytes;
    window.entropy_millibits_sum += flow.queries * 3_200;
    window.distinct_resolvers += flow.resolvers.min(flow.queries);
    for (list, prefix) in [(&mut window.top_resolvers, "203.0.113."), (&mut window.top_networks, "203.")] {
        // Of many, none is in the list.
        let each = if flow.resolvers <= 16 { flow.queries / flow.resolvers.max(1) } else { 0 };
        let ours = (0..flow.resolvers.min(16)).filter(|_| each > 0);
        list.extend(ours.map(|one| TopName { name: format!("{prefix}{one}"), count: each, error: 0 }));
        list.sort_by_key(|top| std::cmp::Reverse(top.count));
        list.truncate(16);
    }
    window.suffixes.push(Suffix {
        name: String::new(),
        distinct: window.distinct_names,
        nxdomain_distinct: window.distinct_nxdomain_names,
        sub_name_bytes: window.sub_name_bytes,
    });
    window
}

/// A zone and where its time has come to.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) zone: Zone,
    pub(super) random: Random,
    pub(super) index: i64,
    pub(super) settings: Settings,
}

impl Watched {
    pub(super) fn new() -> Self {
        Self { zone: Zone::new(), random: Random::new(11), index: 0, settings: Settings::default() }
    }

    /// Of which eight usual days are known.
    pub(super) fn for_days() -> Self {
        let mut watched = Self::new();
        let told = watched.live(8 * DAY, |window, _| window);
        assert!(told.is_empty(), "{told:?}");
        watched
    }

    /// Lives through minutes, in each of which something is done to the usual window.
    pub(super) fn live(&mut self, minutes: i64, change: impl Fn(Window, &mut Random) -> Window) -> Vec<Finding> {
        let mut told = Vec::new();
        for _ in 0..minutes {
            let window = minute(&mut self.random, self.index, 1.0);
            let window = change(window, &mut self.random);
            self.index += 1;
            told.extend(self.zone.push(&window, &self.settings));
        }
        told
    }

    pub(super) fn flow(&mut self, minutes: i64, flow: Flow) -> Vec<Finding> {
        self.live(minutes, |window, random| {
            let queries = if flow.queries == 0 { 0 } else { random.poisson(flow.queries as f64) };
            with(window, Flow { queries, ..flow })
        })
    }
}

pub(super) fn opened(told: &[Finding]) -> Vec<super::Kind> {
    told.iter().filter(|finding| finding.status == Status::Opened).map(|finding| finding.kind).collect()
}
