//! Bytes to queries, and queries to enriched records.
//!
//! A pure crate: no async, socket, file, clock, random source, AWS type or log line. Everything it takes is an
//! argument, everything it cannot use is handed over as a [`Reject`], and nothing it is given can make it panic.

mod enrich;
pub mod name;
mod query;
mod record;
mod reject;
pub mod schema;

pub use enrich::{Edge, Enricher, Facts, Network, Reference};
pub use query::{Answer, Form, Query, QueryType, ResolverFields, ResponseCode, Source, Subnet, Transport};
pub use record::{Decoded, Decoder, Limits};
pub use reject::{BytesForm, Reason, Reject, Visit};
