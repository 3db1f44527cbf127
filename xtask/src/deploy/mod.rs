//! Checks of what is in `deploy/`, each by something real.

#[cfg(test)]
mod actions;
pub(crate) mod infra;
mod commands;
pub(crate) mod dashboards;
mod folded;
pub(crate) mod generated;
pub(crate) mod image;
pub(crate) mod kubernetes;
