//! What is measured of a zone's window, each as a row of one series.

use super::Known;
use crate::Window;
use crate::score::{Kind, Observation, SIGNALS};
use dnslog::{QueryType, ResponseCode, Transport};

/// Below so many queries shares of edges and networks say nothing, so that the window has no divergence.
const DIVERGENCE_QUERIES_MIN: u64 = 20;

/// What is scored of a zone, at each length of window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Queries: a count.
    Queries,
    /// Share of queries answered NXDOMAIN.
    NxDomainShare,
    /// Share of queries answered SERVFAIL.
    ServFailShare,
    /// Share of queries answered REFUSED.
    RefusedShare,
    /// Different names: a count.
    Names,
    /// Different names by queries: 1 if no name comes twice.
    NameShare,
    /// Share of the different names that were answered NXDOMAIN.
    NxDomainNameShare,
    /// Different addresses that asked: a count.
    Resolvers,
    /// Share of the address that asked most.
    TopResolverShare,
    /// Mean length of the different names without the zone, bytes.
    NameBytes,
    /// Mean entropy of the queries' names without the zone, bits a byte.
    Entropy,
    /// Bytes of the different names without the zone: a count.
    SubNameBytes,
    /// Share of ANY, TXT and DNSKEY: small questions with large answers.
    AmplifyingShare,
    /// Share of DNSKEY, DS and types without a name here, NSEC among them: what walks a signed zone.
    WalkingShare,
    /// Share of queries by TCP.
    TcpShare,
    /// Share of the edge location that answered most.
    TopEdgeShare,
    /// Jensen-Shannon divergence of the edges from those known, bits.
    EdgeDivergence,
    /// Share of the network that asked most.
    TopNetworkShare,
    /// Jensen-Shannon divergence of the networks from those known, bits.
    NetworkDivergence,
    /// Share of networks first seen less than a day before.
    NewNetworkShare,
}

impl Signal {
    /// All of them, in the order in which a state holds them.
    pub const ALL: [Self; SIGNALS] = [
        Self::Queries,
        Self::NxDomainShare,
        Self::ServFailShare,
        Self::RefusedShare,
        Self::Names,
        Self::NameShare,
        Self::NxDomainNameShare,
        Self::Resolvers,
        Self::TopResolverShare,
        Self::NameBytes,
        Self::Entropy,
        Self::SubNameBytes,
        Self::AmplifyingShare,
        Self::WalkingShare,
        Self::TcpShare,
        Self::TopEdgeShare,
        Self::EdgeDivergence,
        Self::TopNetworkShare,
        Self::NetworkDivergence,
        Self::NewNetworkShare,
    ];

    /// Those that can only grow while a window is open, or are judged together with one that does.
    pub const GROWING: [Self; 8] = [
        Self::Queries,
        Self::NxDomainShare,
        Self::Names,
        Self::NameShare,
        Self::NameBytes,
        Self::Entropy,
        Self::SubNameBytes,
        Self::AmplifyingShare,
    ];

    /// Its name in metrics and findings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::NxDomainShare => "nxdomain_share",
            Self::ServFailShare => "servfail_share",
            Self::RefusedShare => "refused_share",
            Self::Names => "names",
            Self::NameShare => "name_share",
            Self::NxDomainNameShare => "nxdomain_name_share",
            Self::Resolvers => "resolvers",
            Self::TopResolverShare => "top_resolver_share",
            Self::NameBytes => "name_bytes",
            Self::Entropy => "entropy_bits",
            Self::SubNameBytes => "sub_name_bytes",
            Self::AmplifyingShare => "amplifying_share",
            Self::WalkingShare => "walking_share",
            Self::TcpShare => "tcp_share",
            Self::TopEdgeShare => "top_edge_share",
            Self::EdgeDivergence => "edge_divergence_bits",
            Self::TopNetworkShare => "top_network_share",
            Self::NetworkDivergence => "network_divergence_bits",
            Self::NewNetworkShare => "new_network_share",
        }
    }

    /// How it is scored.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Queries | Self::Names | Self::Resolvers | Self::SubNameBytes => Kind::Count,
            Self::NameBytes | Self::Entropy => Kind::Mean,
            Self::EdgeDivergence | Self::NetworkDivergence => Kind::Value,
            _ => Kind::Share,
        }
    }

    /// The window's row of it; none where there is nothing to be seen, as the share of no queries.
    pub fn observe(self, window: &Window, known: &Known) -> Option<Observation> {
        let top = |list: &[crate::TopName]| list.first().map_or(0, |top| top.count);
        let of_queries = |part: u64| share(part, window.queries);
        let observation = match self {
            Self::Queries => Observation::Count(window.queries as f64),
            Self::NxDomainShare => of_queries(code(window, ResponseCode::NxDomain)),
            Self::ServFailShare => of_queries(code(window, ResponseCode::ServFail)),
            Self::RefusedShare => of_queries(code(window, ResponseCode::Refused)),
            Self::Names => Observation::Count(window.distinct_names as f64),
            Self::NameShare => of_queries(window.distinct_names),
            Self::NxDomainNameShare => share(window.distinct_nxdomain_names, window.distinct_names),
            Self::Resolvers => Observation::Count(window.distinct_resolvers as f64),
            Self::TopResolverShare => of_queries(top(&window.top_resolvers)),
            Self::NameBytes => {
                Observation::Mean { sum: window.sub_name_bytes as f64, items: window.distinct_names as f64 }
            }
            Self::Entropy => {
                Observation::Mean { sum: window.entropy_millibits_sum as f64 / 1000.0, items: window.queries as f64 }
            }
            Self::SubNameBytes => Observation::Count(window.sub_name_bytes as f64),
            Self::AmplifyingShare => of_queries(amplifying(window)),
            Self::WalkingShare => of_queries(walking(window)),
            Self::TcpShare => of_queries(window.transports[Transport::Tcp as usize]),
            Self::TopEdgeShare => of_queries(top(&window.top_edges)),
            Self::TopNetworkShare => of_queries(top(&window.top_networks)),
            Self::EdgeDivergence | Self::NetworkDivergence if window.queries < DIVERGENCE_QUERIES_MIN => return None,
            Self::EdgeDivergence => Observation::Value(known.edges.divergence(&window.top_edges, window.queries)?),
            Self::NetworkDivergence => {
                Observation::Value(known.networks.divergence(&window.top_networks, window.queries)?)
            }
            Self::NewNetworkShare => {
                let new = known.new_networks(window)?;
                of_queries(new.iter().map(|network| network.count).sum())
            }
        };
        observation.is_possible().then_some(observation)
    }
}

/// Estimates may lie above what they are a part of.
fn share(part: u64, whole: u64) -> Observation {
    Observation::Share { part: part.min(whole) as f64, whole: whole as f64 }
}

/// Queries that were answered with this code.
pub(crate) fn code(window: &Window, code: ResponseCode) -> u64 {
    window.codes[code as usize]
}

/// Queries of types whose answers are far larger than the question.
pub(crate) fn amplifying(window: &Window) -> u64 {
    [QueryType::Any, QueryType::Txt, QueryType::Dnskey].map(|one| window.types[one as usize]).iter().sum()
}

/// Queries of types that walk a signed zone.
pub(crate) fn walking(window: &Window) -> u64 {
    [QueryType::Dnskey, QueryType::Ds, QueryType::Other].map(|one| window.types[one as usize]).iter().sum()
}
