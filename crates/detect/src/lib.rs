//! Queries to mergeable digests of zones, digests to windows, and windows to findings.
//!
//! `summary` makes an epoch's messages, `message` is their form on the rollup stream, `rollup` folds them into the state of a
//! key group and tells windows, `snapshot` is what is stored of such states. What a window holds is a [`Pane`];
//! what it came to is a [`Window`]. `baseline` has what is usual for a zone, by the scorers of `score`; `finding` says what is
//! wrong with it.
//!
//! A pure crate: no async, socket, file, clock, random source or log line; seeds and limits are arguments. What an
//! attacker can choose (names, zones of Resolver logs) is bounded here: a digest has a largest size, whatever it is
//! fed, and everything beyond a bound is still counted under `other`.

pub mod baseline;
pub mod detector;
mod digest;
pub mod finding;
mod hash;
mod key_group;
pub mod message;
pub mod pane;
mod places;
pub mod rollup;
pub mod score;
mod sequence;
mod sketch;
pub mod snapshot;
pub mod summary;
mod top;
pub mod window;
mod wire;

pub use detector::Detector;
pub use digest::{Digest, Limits, Zone};
pub use hash::stable_hash;
pub use key_group::{hash_key, key_group};
pub use message::{Message, Pane};
pub use pane::{Asked, Tally};
pub use rollup::Rollup;
pub use sequence::{Position, Sequence};
pub use sketch::HyperLogLog;
pub use top::{Top, TopName};
pub use window::Window;
pub use wire::Input;
