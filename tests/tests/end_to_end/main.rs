//! The real binary, from a log record to a delivered line, on emulators.
//!
//! Run by `cargo xtask test`, or alone:
//! `cargo xtask emulators -- cargo test --profile ci -p zonewatch-tests --features emulators --test end_to_end`.

mod chaos;
mod cli;
mod crash;
mod demo;
mod doctor;
mod events;
mod findings;
mod fleet_api;
mod fleet_windows;
mod hand_over;
mod leases;
mod pipeline;
mod refusals;
mod windows;
