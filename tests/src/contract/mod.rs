//! What every implementation of a port must do, as plain functions over `&dyn` ports.
//!
//! `tests/contract.rs` runs them on memory, `tests/contract_emulators.rs` on emulators of AWS. They are patient (a service
//! may answer a moment late) and small (one emulator takes half a megabyte a second).

#![allow(clippy::unwrap_used, reason = "this module is test code, though not in a test target")]

pub mod answers;
pub mod deliveries;
pub mod emulated;
pub mod snapshots;
pub mod state;
pub mod streams;
pub mod subscriptions;
pub mod tables;
