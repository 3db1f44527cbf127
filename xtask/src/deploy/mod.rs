//! Checks of what is in `deploy/`, each by something real.

#[cfg(test)]
mod actions;
mod commands;
pub(crate) mod dashboards;
mod folded;
pub(crate) mod generated;
pub(crate) mod image;
pub(crate) mod infra;
pub(crate) mod kubernetes;
pub(crate) mod release;
