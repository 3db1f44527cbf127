//! A fleet of coordinators over one table and one stream, in virtual time: crashes, pauses longer than a lease, lost and
//! late calls, throttles, drifting stopwatches, splits and merges, a table of workers that is out of reach. What must
//! always hold is checked at every event (`oracle.rs`, `promises.rs`), what must hold once faults stop at the end.
//!
//! A seed is a world.

// The modules are this package's own; what a test may use is re-exported.
#![allow(unreachable_pub)]

mod calls;
mod chance;
mod fate;
mod network;
mod oracle;
mod promises;
mod seeds;
mod stale;
mod stream;
mod task;
mod used;
mod windows;
mod worker;
mod world;

pub use seeds::{Lived, live_through};
pub use used::{LEASE_BYTES, MEMBER_BYTES, Used, kcl_hour};
pub use windows::{Scene, Totals, World as WindowWorld};
pub use world::{Handover, Setting, Summary, World};
