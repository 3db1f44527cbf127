//! Hosted zones: who they are and how busy.

use crate::Rhythm;
use crate::random::{Random, Weights, hash};
use std::sync::Arc;

/// A public hosted zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// `Z` and upper-case letters and digits, as Route 53 makes them.
    pub id: Arc<str>,
    /// Its name, without a trailing dot.
    pub name: Arc<str>,
    /// Its part of the scenario's mean rate; the parts need not add up to anything.
    pub share: f64,
    /// When it is busy.
    pub rhythm: Rhythm,
    pub(crate) character: Character,
    pub(crate) precision: Precision,
    pub(crate) hosts: Hosts,
}

/// What is asked of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Character {
    /// Browsers: A, AAAA and HTTPS of a few popular hosts.
    Web,
    /// Machines: A and AAAA of many hosts.
    Service,
    /// Mail exchangers and their policies.
    Mail,
    /// Addresses to names.
    Reverse,
    /// Names made for one question each.
    Disposable,
}

/// How exactly a zone's log lines give the time. Both forms are met in published lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Milliseconds,
    Seconds,
}

/// Host labels below a zone; the empty one is the zone itself.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    labels: Arc<[String]>,
    weights: Weights,
}

impl Hosts {
    fn new(labels: Vec<String>) -> Self {
        // Flatter than Zipf's law: resolvers' caches hide the most popular names.
        let weights = Weights::new((1..=labels.len()).map(|rank| (rank as f64).powf(-0.8)));
        Self { labels: labels.into(), weights }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> &str {
        &self.labels[self.weights.draw(random)]
    }
}

const WEB: &[&str] =
    &["www", "", "static", "api", "img", "login", "m", "cdn", "assets", "blog", "shop", "search", "status", "help"];
const MAIL: &[&str] = &["mail", "", "mx1", "mx2", "smtp", "imap", "autodiscover", "autoconfig", "mta-sts", "webmail"];

impl Zone {
    fn new(id: &str, name: &str, character: Character, share: f64, rhythm: Rhythm) -> Self {
        let mut labels: Vec<String> = match character {
            Character::Web | Character::Service | Character::Disposable => {
                WEB.iter().map(|label| (*label).to_owned()).collect()
            }
            Character::Mail => MAIL.iter().map(|label| (*label).to_owned()).collect(),
            Character::Reverse => (0..256).map(|octet: u32| octet.to_string()).collect(),
        };
        if character == Character::Web {
            labels.extend((1..=150).map(|number| format!("tenant-{:05}.app", number * 7_919 % 100_000)));
        }
        if character == Character::Service {
            for region in ["eu-west-1", "us-east-1", "ap-south-1"] {
                labels.push(format!("gateway.{region}"));
                labels.extend((1..=60).map(|number| format!("node-{number:03}.{region}")));
            }
        }
        let precision = Precision::Milliseconds;
        Self { id: id.into(), name: name.into(), share, rhythm, character, precision, hosts: Hosts::new(labels) }
    }

    fn in_whole_seconds(self) -> Self {
        Self { precision: Precision::Seconds, ..self }
    }

    /// Eight zones of different character, size and hours, the first the largest.
    pub(crate) fn eight() -> Vec<Self> {
        use Character::{Mail, Reverse, Service, Web};
        let rhythm = |peak_hour, swing, weekend| Rhythm { peak_hour, swing, weekend, noise: 0.06 };
        vec![
            Self::new("Z0455817GH2E8A1M3WEX", "example.com", Web, 0.34, rhythm(14.0, 0.55, 0.75)),
            Self::new("Z08917342KQJ5VEXAMPLE", "example.net", Service, 0.22, rhythm(13.0, 0.15, 0.95)),
            Self::new("Z149R7NEXAMPLEO", "example.org", Web, 0.16, rhythm(19.5, 0.6, 0.8)),
            Self::new("Z0195849T189REVEXSHOP", "shop.example.com", Web, 0.12, rhythm(20.0, 0.65, 1.25)),
            Self::new("Z1D633PJN98EXCDN", "cdn.example.net", Service, 0.07, rhythm(5.0, 0.45, 1.0)),
            Self::new("Z0855848ZMRIQ3PMAILX", "mail.example.org", Mail, 0.05, rhythm(10.0, 0.5, 0.35)),
            Self::new("Z2FDTNDATAQYW2REV", "2.0.192.in-addr.arpa", Reverse, 0.03, rhythm(12.0, 0.3, 0.7)),
            Self::new("Z3M3LMPEXINTERNAL", "internal.example.net", Service, 0.01, rhythm(9.0, 0.5, 0.2))
                .in_whole_seconds(),
        ]
    }

    /// A zone whose names are mostly asked once, every day.
    pub(crate) fn disposable() -> Self {
        let rhythm = Rhythm { peak_hour: 15.0, swing: 0.5, weekend: 0.7, noise: 0.06 };
        Self::new("Z07DISPOSABLEEXMETRIC", "metrics.example.net", Character::Disposable, 0.2, rhythm)
    }

    /// Many zones, the sizes by Zipf's law: for what is bounded by the number of zones.
    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count)
            .map(|index| {
                let name = format!("customer-{index:04}.example");
                let digest = hash(name.as_bytes());
                let rhythm = Rhythm { peak_hour: (digest % 24) as f64, swing: 0.5, weekend: 0.7, noise: 0.06 };
                let id = format!("Z{digest:016X}{index:04}");
                Self::new(&id, &name, Character::Web, 1.0 / (index + 1) as f64, rhythm)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn zone_ids_look_like_route_53s_and_are_unique() {
        let zones: Vec<Zone> = Zone::eight().into_iter().chain(Zone::many(300)).collect();
        let ids: HashSet<&str> = zones.iter().map(|zone| &*zone.id).collect();
        assert_eq!(ids.len(), zones.len());
        for id in ids {
            assert!(id.starts_with('Z') && id.len() <= 32, "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
        }
    }
}
