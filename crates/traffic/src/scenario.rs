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
    /// A few addresses ask for a word list's names, or walk the signed zone.
    Enumeration,
    /// A client carries data in names, each asked once and answered.
    Tunnel,
    /// A few forged addresses ask for large answers.
    Amplification,
    /// One of the usual resolvers asks much of all.
    ResolverConcentration,
    /// Usual queries are answered elsewhere.
    EdgeShift,
    /// A network asks that never did.
    NewNetwork,
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
            Self::Tunnel => "tunnel",
            Self::Amplification => "amplification",
            Self::ResolverConcentration => "resolver_concentration",
            Self::EdgeShift => "edge_shift",
            Self::NewNetwork => "new_network",
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Random names that do not exist; strength: queries added, in proportion to the zone's mean rate.
    Flood,
    /// The same where a wildcard record answers.
    FloodOfWildcard,
    /// Strength: the factor on the usual rate, above 1.
    Spike,
    /// Strength: the factor on the usual rate, below 1.
    Drop,
    /// Strength: the share of answers that are SERVFAIL.
    Failure,
    /// A word list; strength: queries added, as those of all attacks below.
    Guesses,
    /// DNSKEY, then NSEC from name to name.
    Walk,
    /// TXT with long names by one client; a strength of 0.05 is slow.
    Tunnel,
    /// ANY, TXT and DNSKEY of the zone itself.
    Reflection,
    /// Strength: the share of the usual queries that one of the usual resolvers asks.
    Concentration,
    /// Strength: the share of the usual queries that another of the usual edge locations answers.
    Reroute,
    /// Strength: the share of the usual queries that come from a network never seen.
    Newcomer,
    /// No incident: more of the usual queries, coming and going within an hour; strength: the factor at its height.
    Launch,
    /// No incident: caches keep answers longer or shorter, which shows within two hours; strength: the factor on the rate.
    Caching,
    /// No incident: an edge location begins to answer; strength: its share.
    SmallEdge,
}

impl Cause {
    /// What it is, or none if nothing is wrong.
    pub const fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Flood | Self::FloodOfWildcard => Kind::RandomSubdomain,
            Self::Spike => Kind::TrafficSpike,
            Self::Drop => Kind::TrafficDrop,
            Self::Failure => Kind::ErrorSurge,
            Self::Guesses | Self::Walk => Kind::Enumeration,
            Self::Tunnel => Kind::Tunnel,
            Self::Reflection => Kind::Amplification,
            Self::Concentration => Kind::ResolverConcentration,
            Self::Reroute => Kind::EdgeShift,
            Self::Newcomer => Kind::NewNetwork,
            Self::Launch | Self::Caching | Self::SmallEdge => return None,
        })
    }
}

/// Something that happens to one zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incident {
    /// Which of the scenario's zones, by index.
    pub zone: usize,
    /// What.
    pub cause: Cause,
    /// When it begins, milliseconds after the scenario's start.
    pub after_ms: i64,
    /// How long it lasts, milliseconds.
    pub lasts_ms: i64,
    /// How much of it; see [`Cause`].
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
    pub const NAMES: &'static [&'static str] = &["day", "calm", "week", "flood", "many", "kinds"];

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "day" => Some(Self::day()),
            "calm" => Some(Self::calm()),
            "week" => Some(Self::week()),
            "flood" => Some(Self::flood()),
            "many" => Some(Self::many()),
            "kinds" => Some(Self::kinds()),
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
        let incidents = vec![incident(0, Cause::Flood, 3 * MINUTE_MS, 4, 20.0)];
        let about = "ten minutes at 1,000 queries a second with a random-subdomain flood";
        Self { name: "flood", about, lasts_ms: 10 * MINUTE_MS, queries_per_second: 1_000.0, incidents, ..Self::day() }
    }

    /// An hour of 300 zones: for what is bounded by their number.
    pub fn many() -> Self {
        let incidents = vec![
            incident(0, Cause::Flood, 20 * MINUTE_MS, 8, 10.0),
            incident(1, Cause::Failure, 40 * MINUTE_MS, 6, 0.6),
        ];
        let about = "an hour of 300 zones of very different size";
        Self { name: "many", about, lasts_ms: HOUR_MS, queries_per_second: 200.0, zones: Zone::many(300), incidents }
    }

    /// Ten days; on the last two every kind of incident in each of its forms, and what only looks like one. One zone's names
    /// are always asked once.
    pub fn kinds() -> Self {
        let mut zones = Zone::eight();
        zones.push(Zone::disposable());
        let incidents = incidents_of_each_kind(8 * 24 * HOUR_MS);
        let about = "ten days of nine zones, every kind of incident on the last two";
        Self { name: "kinds", about, lasts_ms: 10 * 24 * HOUR_MS, zones, incidents, ..Self::day() }
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
            .filter_map(|incident| {
                Some(Label {
                    zone: self.zones[incident.zone].name.to_string(),
                    zone_id: self.zones[incident.zone].id.to_string(),
                    kind: incident.cause.kind()?,
                    start_ms: start_ms + incident.after_ms,
                    end_ms: start_ms + incident.after_ms + incident.lasts_ms,
                })
            })
            .collect();
        labels.sort_by_key(|label| label.start_ms);
        labels
    }
}

fn incident(zone: usize, cause: Cause, after_ms: i64, minutes: i64, strength: f64) -> Incident {
    Incident { zone, cause, after_ms, lasts_ms: minutes * MINUTE_MS, strength }
}

/// Each cause of each kind, none of a zone within an hour of another.
fn incidents_of_each_kind(from_ms: i64) -> Vec<Incident> {
    let at = |hour: i64| from_ms + hour * HOUR_MS;
    vec![
        incident(0, Cause::Flood, at(2), 15, 8.0),
        incident(0, Cause::FloodOfWildcard, at(5), 15, 8.0),
        incident(0, Cause::Spike, at(12), 30, 5.0),
        incident(0, Cause::Launch, at(18), 60, 2.5),
        incident(1, Cause::Guesses, at(3), 25, 2.0),
        incident(1, Cause::Walk, at(7), 20, 1.5),
        incident(1, Cause::Tunnel, at(11), 20, 1.0),
        incident(1, Cause::Reflection, at(20), 15, 3.0),
        incident(2, Cause::Failure, at(6), 20, 0.1),
        incident(2, Cause::Drop, at(10), 20, 0.0),
        incident(2, Cause::Concentration, at(16), 30, 0.4),
        incident(3, Cause::Reroute, at(9), 60, 0.5),
        incident(3, Cause::Newcomer, at(14), 60, 0.25),
        incident(3, Cause::SmallEdge, at(26), 600, 0.02),
        incident(4, Cause::Tunnel, at(8), 120, 0.05),
        incident(4, Cause::Caching, at(26), 900, 0.65),
    ]
}

/// Six incidents, none of a zone while another of it lasts. The outage is first answered with errors, then not at all.
fn incidents_of_a_day(from_ms: i64) -> Vec<Incident> {
    let at = |hour: i64, minute: i64| from_ms + hour * HOUR_MS + minute * MINUTE_MS;
    vec![
        incident(3, Cause::Guesses, at(3, 10), 25, 3.0),
        incident(0, Cause::Flood, at(9, 30), 20, 12.0),
        incident(1, Cause::Spike, at(13, 0), 30, 5.0),
        incident(2, Cause::Failure, at(17, 15), 12, 0.7),
        incident(2, Cause::Drop, at(17, 27), 18, 0.0),
        incident(5, Cause::Guesses, at(21, 40), 15, 6.0),
    ]
}
