//! What happens: which zones, how busy, and what goes wrong when.

use crate::Zone;
use serde::Serialize;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What goes wrong. The names are those of the findings that should say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Names that do not exist, made by chance, through all resolvers.
    RandomSubdomain,
    /// Many more of the usual queries.
    TrafficSpike,
    /// Far fewer of the usual queries, or none.
    TrafficDrop,
    /// The usual queries, answered with SERVFAIL, and asked again.
    ErrorSurge,
    /// A few addresses ask for a word list's names.
    Enumeration,
}

impl Kind {
    /// The name in labels and findings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RandomSubdomain => "random_subdomain",
            Self::TrafficSpike => "traffic_spike",
            Self::TrafficDrop => "traffic_drop",
            Self::ErrorSurge => "error_surge",
            Self::Enumeration => "enumeration",
        }
    }
}

/// Something that goes wrong with one zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incident {
    /// Which of the scenario's zones, by index.
    pub zone: usize,
    /// What.
    pub kind: Kind,
    /// When it begins, milliseconds after the scenario's start.
    pub after_ms: i64,
    /// How long it lasts, milliseconds.
    pub lasts_ms: i64,
    /// Floods and enumeration: queries added, in proportion to the zone's mean rate. Spikes and drops: the factor on
    /// the usual rate. Error surges: the share of failed answers.
    pub strength: f64,
}

/// The truth about an incident, for whoever checks what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The zone's name.
    pub zone: String,
    /// The zone's id.
    pub zone_id: String,
    /// What happens.
    pub kind: Kind,
    /// The first millisecond of it, event time since 1970.
    pub start_ms: i64,
    /// The first millisecond after it.
    pub end_ms: i64,
}

/// Zones, how busy they are, and incidents.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// One of [`Scenario::NAMES`].
    pub name: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// How long it lasts, milliseconds. Traffic goes on after it, without incidents.
    pub lasts_ms: i64,
    /// Mean rate of all zones together over a week, incidents aside.
    pub queries_per_second: f64,
    /// Who is asked.
    pub zones: Vec<Zone>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

impl Scenario {
    /// The scenarios there are.
    pub const NAMES: &'static [&'static str] = &["day", "calm", "week", "flood", "many"];

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "day" => Some(Self::day()),
            "calm" => Some(Self::calm()),
            "week" => Some(Self::week()),
            "flood" => Some(Self::flood()),
            "many" => Some(Self::many()),
            _ => None,
        }
    }

    /// A day of eight zones in which each kind of incident happens.
    pub fn day() -> Self {
        Self {
            name: "day",
            about: "24 hours of eight zones with a flood, a spike, an outage and two scans",
            lasts_ms: 24 * HOUR_MS,
            queries_per_second: 40.0,
            zones: Zone::eight(),
            incidents: incidents_of_a_day(0),
        }
    }

    /// A day without incidents.
    pub fn calm() -> Self {
        let about = "24 hours of eight zones, nothing wrong";
        Self { name: "calm", about, incidents: Vec::new(), ..Self::day() }
    }

    /// Seven days; incidents on the last three, so that there is something to learn from before.
    pub fn week() -> Self {
        let incidents = [4, 5, 6].into_iter().flat_map(|day| incidents_of_a_day(day * 24 * HOUR_MS)).collect();
        let about = "seven days of eight zones, incidents on the last three";
        Self { name: "week", about, lasts_ms: 7 * 24 * HOUR_MS, incidents, ..Self::day() }
    }

    /// Ten busy minutes with a random-subdomain flood in the middle: for load.
    pub fn flood() -> Self {
        let incidents = vec![incident(0, Kind::RandomSubdomain, 3 * MINUTE_MS, 4, 20.0)];
        let about = "ten minutes at 1,000 queries a second with a random-subdomain flood";
        Self { name: "flood", about, lasts_ms: 10 * MINUTE_MS, queries_per_second: 1_000.0, incidents, ..Self::day() }
    }

    /// An hour of 300 zones: for what is bounded by their number.
    pub fn many() -> Self {
        let incidents = vec![
            incident(0, Kind::RandomSubdomain, 20 * MINUTE_MS, 8, 10.0),
            incident(1, Kind::ErrorSurge, 40 * MINUTE_MS, 6, 0.6),
        ];
        let about = "an hour of 300 zones of very different size";
        Self { name: "many", about, lasts_ms: HOUR_MS, queries_per_second: 200.0, zones: Zone::many(300), incidents }
    }

    /// The same at another mean rate.
    pub fn at_rate(self, queries_per_second: f64) -> Self {
        Self { queries_per_second, ..self }
    }

    /// What a perfect detector would say of a run that starts at this event time, first things first.
    pub fn labels(&self, start_ms: i64) -> Vec<Label> {
        let start_ms = crate::generator::whole_second(start_ms);
        let mut labels: Vec<Label> = self
            .incidents
            .iter()
            .map(|incident| Label {
                zone: self.zones[incident.zone].name.to_string(),
                zone_id: self.zones[incident.zone].id.to_string(),
                kind: incident.kind,
                start_ms: start_ms + incident.after_ms,
                end_ms: start_ms + incident.after_ms + incident.lasts_ms,
            })
            .collect();
        labels.sort_by_key(|label| label.start_ms);
        labels
    }
}

fn incident(zone: usize, kind: Kind, after_ms: i64, minutes: i64, strength: f64) -> Incident {
    Incident { zone, kind, after_ms, lasts_ms: minutes * MINUTE_MS, strength }
}

/// Six incidents, none of a zone while another of it lasts. The outage is first answered with errors, then not at all.
fn incidents_of_a_day(from_ms: i64) -> Vec<Incident> {
    let at = |hour: i64, minute: i64| from_ms + hour * HOUR_MS + minute * MINUTE_MS;
    vec![
        incident(3, Kind::Enumeration, at(3, 10), 25, 3.0),
        incident(0, Kind::RandomSubdomain, at(9, 30), 20, 12.0),
        incident(1, Kind::TrafficSpike, at(13, 0), 30, 5.0),
        incident(2, Kind::ErrorSurge, at(17, 15), 12, 0.7),
        incident(2, Kind::TrafficDrop, at(17, 27), 18, 0.0),
        incident(5, Kind::Enumeration, at(21, 40), 15, 6.0),
    ]
}
