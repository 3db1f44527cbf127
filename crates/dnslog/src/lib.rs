//! Bytes to queries, and queries to enriched records.
//!
//! A pure crate: no async, socket, file, clock, random source, AWS type or log line. Everything it takes is an
//! argument, everything it cannot use is handed over as a [`Reject`], and nothing it is given can make it panic.

mod address;
mod aggregate;
mod document;
pub mod edges;
mod enrich;
mod envelope;
mod inflate;
mod json;
mod line;
pub mod name;
mod networks;
mod operators;
mod query;
mod record;
mod reject;
mod scan;
pub mod schema;
mod session;
mod suffix;
#[cfg(test)]
mod testing;
mod time;

pub use enrich::{Edge, Enricher, Facts, Network, Reference, ReferenceError};
pub use query::{Answer, Form, Query, QueryType, ResolverFields, ResponseCode, Source, Subnet, Transport};
pub use record::{Decoded, Decoder, Limits};
pub use reject::{BytesForm, Reason, Reject, Visit};
