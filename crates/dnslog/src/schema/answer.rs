//! What the schemas call response codes, types and transports.

use crate::{Query, QueryType, ResponseCode, Transport};
use std::net::IpAddr;

/// A protocol of layer 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

impl<'a> Query<'a> {
    /// The query type: the mnemonic, or the log's own text where it is none of the known.
    pub(super) fn type_text(&self) -> &'a str {
        if self.query_type == QueryType::Other { self.query_type_text } else { self.query_type.as_str() }
    }

    /// The response code in the same way.
    pub(super) fn code_text(&self) -> &'a str {
        if self.response_code == ResponseCode::Other { self.response_code_text } else { self.response_code.as_str() }
    }

    /// The layer 4 protocol. DNS over TLS and over HTTPS (up to version 2) are carried by TCP. `None` for what we do not
    /// know.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match self.transport {
            Transport::Udp => Some(Protocol::Udp),
            Transport::Tcp | Transport::Dot | Transport::Doh => Some(Protocol::Tcp),
            Transport::Other => None,
        }
    }

    /// 4 or 6, the IP version of the address that asked.
    pub(super) fn ip_version(&self) -> Option<u8> {
        self.source_ip.map(|address| if address.is_ipv4() { 4 } else { 6 })
    }

    /// The answers that are addresses.
    pub(super) fn answered_addresses(&self) -> impl Iterator<Item = &'a str> {
        let answers = self.resolver.map_or(&[][..], |resolver| &resolver.answers);
        answers.iter().map(|answer| answer.data).filter(|data| data.parse::<IpAddr>().is_ok())
    }
}
