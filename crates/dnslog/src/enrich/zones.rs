//! The zones of hosted-zone queries, resolved once and remembered: name, labels, and what it settles for names below it.

use super::same;
use crate::networks::Reference;
use crate::suffix::Suffixes;
use crate::{Source, name};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// What is known about one hosted zone, as it is logged to one log group.
#[derive(Debug, Default)]
pub(super) struct Zone {
    zone_id: String,
    log_group: String,
    /// Normalised; empty if neither the configuration nor the log group tells.
    pub(super) name: String,
    pub(super) origin: Origin,
    /// What every name at or below the zone has, where the zone settles it.
    pub(super) suffixes: Option<Suffixes>,
}

/// Where a zone's name comes from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nowhere: the name is unknown.
    #[default]
    Unknown,
    /// The configuration says so.
    Configured,
    /// The log group is called like it. Believed for names at or below it, because several zones may share a log group.
    LogGroup,
}

impl Zone {
    fn resolve(reference: &Reference, zone_id: &str, log_group: &str) -> Self {
        let (name, origin) = match (reference.zone_name(zone_id), name_of_group(log_group)) {
            (Some(name), _) => (name.to_owned(), Origin::Configured),
            (None, Some(name)) => (name, Origin::LogGroup),
            (None, None) => (String::new(), Origin::Unknown),
        };
        let suffixes = Suffixes::settled_by(&name);
        Self { zone_id: zone_id.to_owned(), log_group: log_group.to_owned(), name, origin, suffixes }
    }

    fn is(&self, zone_id: &str, log_group: &str) -> bool {
        same(&self.zone_id, zone_id) && same(&self.log_group, log_group)
    }

    /// `name` without this zone; `None` if it lies outside, or the zone's name is unknown.
    pub(super) fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.origin == Origin::Unknown {
            return None;
        }
        let (below, zone) = name.split_at_checked(name.len().checked_sub(self.name.len())?)?;
        match below {
            _ if !same(zone, &self.name) => None,
            "" => Some(""),
            below => below.strip_suffix('.'),
        }
    }
}

/// The zone a log group is named after, by AWS's recommendation `/aws/route53/<zone>`; groups with further parts
/// (`/aws/route53/public/<zone>`) exist too. A last part without a dot is a word, not a zone.
fn name_of_group(log_group: &str) -> Option<String> {
    let last = log_group.strip_prefix("/aws/route53/")?.rsplit('/').next()?;
    let mut scratch = String::new();
    let zone = name::normalize(last, &mut scratch);
    (zone.labels >= 2).then(|| zone.text.to_owned())
}

/// Zones that are remembered: those of a shard that carries very many, at about 300 bytes each.
const ZONES: usize = 1_024;

/// Zones by zone id and log group. Its size is fixed; a zone that finds its slot taken replaces the other.
pub(super) struct Zones {
    hasher: FixedState,
    slots: Box<[Zone]>,
    /// The slot asked for last: a record's queries are of one zone.
    last: usize,
}

impl Zones {
    pub(super) fn new(seed: u64) -> Self {
        let slots = std::iter::repeat_with(Zone::default).take(ZONES).collect();
        Self { hasher: FixedState::with_seed(seed), slots, last: 0 }
    }

    pub(super) fn of(&mut self, reference: &Reference, source: &Source<'_>, zone_id: &str) -> &Zone {
        let log_group = source.log_group;
        if !self.slots[self.last].is(zone_id, log_group) {
            self.last = self.hasher.hash_one((zone_id, log_group)) as usize % ZONES;
            if !self.slots[self.last].is(zone_id, log_group) {
                self.slots[self.last] = Zone::resolve(reference, zone_id, log_group);
            }
        }
        &self.slots[self.last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_group_names_a_zone_if_it_follows_the_recommendation() {
        for (log_group, zone) in [
            ("/aws/route53/example.com", Some("example.com")),
            ("/aws/route53/Example.COM.", Some("example.com")),
            ("/aws/route53/public/example.com", Some("example.com")),
            ("/aws/route53/2.0.192.in-addr.arpa", Some("2.0.192.in-addr.arpa")),
            ("/aws/route53/queries", None),
            ("/aws/route53/", None),
            ("/aws/route53resolver/example.com", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(name_of_group(log_group).as_deref(), zone, "{log_group}");
        }
    }
}
