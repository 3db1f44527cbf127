//! Checks of what is in `deploy/`, each by something real.

#[cfg(test)]
mod actions;
pub(crate) mod infra;
