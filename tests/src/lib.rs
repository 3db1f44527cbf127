//! What the suites share.

pub mod alerts;
pub mod contract;
pub mod emulators;
pub mod fleet;
pub mod http;
pub mod kcl;
pub mod ledger;
pub mod listeners;
pub mod payloads;
pub mod private;
pub mod program;
pub mod tidy;
