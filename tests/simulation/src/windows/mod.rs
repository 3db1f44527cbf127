//! The window protocol in virtual time: both stages over two streams that split and merge, with crashes, zombies, outages,
//! lost, late and swapped puts, trimmed streams and clocks that are wrong. Panes are exact sets of events, so what is told
//! can be compared with the truth, which is computed from the source.
//!
//! The decisions are the product's: `lease::Epochs` and the conditional writes of `lease::Write`, `detect`'s summary,
//! messages, rollup, snapshots and their saver. Who owns a shard is decided by the world, not by `lease::Coordinator`: that one
//! gives a lease up before anybody else may have it, so its zombies are tame, and it costs ten times the time. What it
//! promises is shown beside (`promises.rs`).
//!
//! A seed and a scene are a world.

mod detecting;
mod observing;
mod owners;
mod pane;
mod scene;
mod stream;
mod table;
mod truth;
mod world;

pub use scene::Scene;
pub use truth::Totals;
pub use world::World;
