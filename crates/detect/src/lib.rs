//! Queries to mergeable digests of zones.
//!
//! A pure crate: no async, socket, file, clock, random source or log line; seeds and limits are arguments. What an
//! attacker can choose (names, zones of Resolver logs) is bounded here: a digest has a largest size, whatever it is
//! fed, and everything beyond a bound is still counted under `other`.

mod digest;
mod hash;
pub mod score;
mod sketch;
mod top;

pub use digest::{Digest, Limits, Zone};
pub use hash::stable_hash;
pub use sketch::HyperLogLog;
pub use top::{Top, TopName};
