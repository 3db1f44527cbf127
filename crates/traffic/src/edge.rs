//! Route 53 edge locations, as they are written in query logs: an airport's code, a number, often a suffix.

use crate::random::{Random, Weights};

/// Edge and its share of the traffic.
const EDGES: &[(&str, f64)] = &[
    ("FRA56-C1", 13.0),
    ("FRA50-P2", 5.0),
    ("IAD79-C3", 12.0),
    ("IAD12-C2", 4.0),
    ("LHR61-C2", 9.0),
    ("AMS54-C1", 8.0),
    ("DUB2-C1", 6.0),
    ("CDG50-P1", 5.0),
    ("ORD51-C4", 5.0),
    ("DFW3", 4.0),
    ("SFO5-C3", 5.0),
    ("SEA19-C2", 3.0),
    ("NRT57-P4", 4.0),
    ("SIN2-C1", 4.0),
    ("BOM78-P1", 3.0),
    ("SYD62-P2", 2.0),
    ("GRU1-C1", 3.0),
    ("HKG60-P1", 2.0),
    ("ICN57-P2", 1.0),
    ("JNB50-C1", 1.0),
];

/// Where queries come to that are led elsewhere: an edge that is there.
pub(crate) const DETOUR: &str = "AMS54-C1";
/// An edge that is not.
pub(crate) const ADDED: &str = "WAW51-P1";

/// Edges in proportion to what they carry.
#[derive(Debug, Clone)]
pub(crate) struct Edges {
    weights: Weights,
}

impl Edges {
    pub(crate) fn new() -> Self {
        Self { weights: Weights::new(EDGES.iter().map(|(_, share)| *share)) }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> &'static str {
        EDGES[self.weights.draw(random)].0
    }
}
