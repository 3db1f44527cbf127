//! Who is at the other end of a connection, as far as limits tell callers apart.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A caller's address; of IPv6 its /64, of which one machine has every address.
///
/// It is the peer of the connection and never what a header says: anybody may write one. Behind a proxy all callers are
/// one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl Peer {
    /// Of the address that a listener was called from.
    pub fn of(address: SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Always as many bytes, which differ if peers do.
    pub fn octets(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_one_peer_however_many_addresses_it_has() {
        let peer = |text: &str| Peer::of(text.parse().unwrap()).to_string();
        assert_eq!(peer("192.0.2.7:1"), "192.0.2.7");
        assert_eq!(peer("[::ffff:192.0.2.7]:1"), "192.0.2.7");
        assert_eq!(peer("[2001:db8:0:1:2:3:4:5]:1"), "2001:db8:0:1::");
        assert_eq!(peer("[2001:db8:0:1::9]:7"), "2001:db8:0:1::");
    }
}
