//! Realistic, labelled Route 53 traffic: for the demo, tests, load and benches.
//!
//! A pure crate: the seed and the times are arguments, so the same seed makes the same bytes. A [`Scenario`] says which
//! zones there are, how busy, and when what goes wrong; a [`Generator`] makes its log events in order of event time; a
//! [`Delivery`] makes Kinesis records of them as a CloudWatch Logs subscription does; a [`Feed`] is the two together.
//! The payload sets of the benches are in [`sets`].
//!
//! Zones and internet providers are in ranges reserved for documentation and benchmarking (RFC 2606, RFC 5737,
//! RFC 3849, RFC 2544); public resolvers are in networks their operators really use, since that is what enrichment
//! must recognise.

mod delivery;
mod edge;
mod event_id;
mod feed;
mod generator;
mod line;
mod payload;
mod question;
mod random;
mod resolver;
mod rhythm;
mod scenario;
pub mod sets;
mod zone;

pub use delivery::{Delay, Delivery, Habits, Payload, PayloadKind};
pub use feed::Feed;
pub use generator::{Generator, LogEvent, Query};
pub use line::rfc3339;
pub use random::Random;
pub use rhythm::Rhythm;
pub use scenario::{Cause, Incident, Kind, Label, Scenario};
pub use zone::Zone;
