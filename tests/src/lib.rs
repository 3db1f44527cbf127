//! What the suites share.

pub mod tidy;
