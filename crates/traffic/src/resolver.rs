//! Who asks: public resolvers in their operators' networks, and many providers' own.

use crate::edge::Edges;
use crate::random::{Random, Weights};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One resolver address.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    pub(crate) address: String,
    /// The edge location its queries usually reach.
    pub(crate) edge: &'static str,
    pub(crate) sends_subnet: bool,
    /// Mixes upper and lower case, so that answers are harder to forge ("0x20").
    pub(crate) mixes_case: bool,
}

/// A public resolver's operator. `address` makes one of its addresses.
struct Operator {
    share: f64,
    addresses: usize,
    subnet_share: f64,
    mixed_case_share: f64,
    address: fn(&mut Random) -> String,
}

/// Networks that their operators publish or announce: Google 74.125.72.0/21, 172.253.0.0/20 (Public DNS FAQ) and
/// 2a00:1450::/32, Cloudflare 172.64.0.0/13, 162.158.0.0/15 and 2400:cb00::/32 (cloudflare.com/ips), OpenDNS
/// 146.112.0.0/16 and 2a04:e4c0::/29, Quad9 9.9.9.0/24, 149.112.112.0/24 and 2620:fe::/48 (its service addresses).
const OPERATORS: &[Operator] = &[
    Operator { share: 0.22, addresses: 3_000, subnet_share: 0.9, mixed_case_share: 0.35, address: google },
    Operator { share: 0.16, addresses: 3_000, subnet_share: 0.0, mixed_case_share: 0.05, address: cloudflare },
    Operator { share: 0.05, addresses: 600, subnet_share: 0.4, mixed_case_share: 0.0, address: opendns },
    Operator { share: 0.04, addresses: 300, subnet_share: 0.0, mixed_case_share: 0.3, address: quad9 },
];

fn google(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("74.125.{}.{}", 72 + random.below(8), 1 + random.below(254)),
        1 => format!("172.253.{}.{}", random.below(16), 1 + random.below(254)),
        _ => format!("2a00:1450:40{:02x}:c{:02x}::{:x}", random.below(32), random.below(16), 0x101 + random.below(64)),
    }
}

fn cloudflare(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("162.158.{}.{}", random.below(256), 1 + random.below(254)),
        1 => format!("172.{}.{}.{}", 68 + random.below(4), random.below(256), 1 + random.below(254)),
        _ => format!("2400:cb00:{:x}:1024::{:x}:{:x}", 16 + random.below(600), 0xac44, random.below(65_536)),
    }
}

fn opendns(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("2a04:e4c0:{:x}::{:x}", 16 + random.below(40), 64 + random.below(64)),
        _ => format!("146.112.{}.{}", 128 + random.below(64), 1 + random.below(254)),
    }
}

fn quad9(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("9.9.9.{}", 1 + random.below(254)),
        1 => format!("149.112.112.{}", 1 + random.below(254)),
        _ => format!("2620:fe::{:x}", 0xfe + random.below(512)),
    }
}

/// Internet providers besides the public resolvers.
const PROVIDERS: usize = 400;

/// Share of a resolver's queries that reach its usual edge; anycast strays.
const HOME_SHARE: f64 = 0.88;

/// Everybody who asks, in proportion to how much.
#[derive(Debug, Clone)]
pub(crate) struct Resolvers {
    all: Vec<Resolver>,
    weights: Weights,
    /// The same by edge: who usually reaches it.
    near: HashMap<&'static str, (Vec<usize>, Weights)>,
    edges: Edges,
    clients: Vec<String>,
    client_weights: Weights,
}

impl Resolvers {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::of(seed, "resolvers");
        let edges = Edges::new();
        let mut all = Vec::new();
        let mut weights = Vec::new();
        let mut rest = 1.0;
        for operator in OPERATORS {
            rest -= operator.share;
            for part in parts(operator.addresses) {
                all.push(Resolver {
                    address: (operator.address)(random),
                    edge: edges.draw(random),
                    sends_subnet: random.chance(operator.subnet_share),
                    mixes_case: random.chance(operator.mixed_case_share),
                });
                weights.push(operator.share * part);
            }
        }
        for (provider, part) in parts(PROVIDERS).enumerate() {
            let (edge, addresses) = (edges.draw(random), 2 + random.below(10));
            let mixes_case = random.chance(0.03);
            for _ in 0..addresses {
                let address = provider_address(provider, random);
                all.push(Resolver { address, edge, sends_subnet: false, mixes_case });
                weights.push(rest * part / addresses as f64);
            }
        }
        let clients: Vec<String> = (0..4_000).map(|_| client_subnet(random)).collect();
        let client_weights = Weights::new(parts(clients.len()));
        let near = by_edge(&all, &weights);
        Self { all, weights: Weights::new(weights.into_iter()), near, edges, clients, client_weights }
    }

    /// A resolver as often as it asks; of those that ask `edge`, if there is one.
    pub(crate) fn draw(&self, edge: Option<&str>, random: &mut Random) -> &Resolver {
        match self.near(edge, random) {
            Some((near, weights)) => &self.all[near[weights.draw(random)]],
            None => &self.all[self.weights.draw(random)],
        }
    }

    /// Any resolver, all alike: a botnet's queries come through all of them.
    pub(crate) fn any(&self, edge: Option<&str>, random: &mut Random) -> &Resolver {
        match self.near(edge, random) {
            Some((near, _)) => &self.all[*random.pick(near)],
            None => random.pick(&self.all),
        }
    }

    /// Addresses of one provider.
    pub(crate) fn neighbours(&self, random: &mut Random) -> &Resolver {
        &self.all[self.all.len() - 1 - random.below(2)]
    }

    /// Always the same of the larger ones.
    pub(crate) fn favourite(&self) -> &Resolver {
        &self.all[0]
    }

    /// The resolvers that a query at `edge` comes from, unless it strayed there.
    fn near(&self, edge: Option<&str>, random: &mut Random) -> Option<&(Vec<usize>, Weights)> {
        let near = self.near.get(edge?)?;
        random.chance(HOME_SHARE).then_some(near)
    }

    /// The edge a query of `resolver` reaches.
    pub(crate) fn edge_for(&self, resolver: &Resolver, random: &mut Random) -> &'static str {
        if random.chance(HOME_SHARE) { resolver.edge } else { self.edges.draw(random) }
    }

    /// Any edge, in proportion to what it carries.
    pub(crate) fn edge(&self, random: &mut Random) -> &'static str {
        self.edges.draw(random)
    }

    /// What the log's last field says for a query of `resolver`.
    pub(crate) fn subnet_for(&self, resolver: &Resolver, random: &mut Random) -> &str {
        if resolver.sends_subnet { &self.clients[self.client_weights.draw(random)] } else { "-" }
    }
}

fn by_edge(all: &[Resolver], weights: &[f64]) -> HashMap<&'static str, (Vec<usize>, Weights)> {
    let mut near: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, resolver) in all.iter().enumerate() {
        near.entry(resolver.edge).or_default().push(index);
    }
    let weigh = |indices: Vec<usize>| {
        let weights = Weights::new(indices.iter().map(|index| weights[*index]));
        (indices, weights)
    };
    near.into_iter().map(|(edge, indices)| (edge, weigh(indices))).collect()
}

/// The parts of a whole that `count` sources have, the largest first. An authoritative server sees caches, not people, so
/// the large ones stand out less than by Zipf's law.
fn parts(count: usize) -> impl Iterator<Item = f64> {
    let weight = |rank: usize| (rank as f64).powf(-0.7);
    let sum: f64 = (1..=count).map(weight).sum();
    (1..=count).map(move |rank| weight(rank) / sum)
}

/// Providers live in the benchmarking range 198.18.0.0/15 (RFC 2544) and in 2001:db8::/32 (RFC 3849).
fn provider_address(provider: usize, random: &mut Random) -> String {
    let number = provider as u16;
    if random.chance(0.3) {
        Ipv6Addr::new(0x2001, 0xdb8, 0x1000 + number, 0, 0, 0, 0, 0x53 + random.below(64) as u16).to_string()
    } else {
        Ipv4Addr::new(198, 18 + (number >> 8) as u8, number as u8, 1 + random.below(254) as u8).to_string()
    }
}

/// A client network as public resolvers pass it on: /24 of IPv4, /56 of IPv6.
fn client_subnet(random: &mut Random) -> String {
    if random.chance(0.2) {
        let network =
            Ipv6Addr::new(0x2001, 0xdb8, random.below(65_536) as u16, (random.below(256) << 8) as u16, 0, 0, 0, 0);
        format!("{network}/56")
    } else {
        format!("198.{}.{}.0/24", 18 + random.below(2), random.below(256))
    }
}

/// One address of nobody's: scanners and bots.
pub(crate) fn stray_address(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("192.0.2.{}", 1 + random.below(254)),
        1 => format!("198.51.100.{}", 1 + random.below(254)),
        _ => format!("203.0.113.{}", 1 + random.below(254)),
    }
}
