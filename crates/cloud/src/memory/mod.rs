//! The ports in memory: for the demo, for tests and simulations, and as the plain statement of what the services promise.
//!
//! Nothing here reads a clock: arrival times come from the function given at construction, so a day can pass in a second.
//! Nothing waits, but a subscription for its next event: every call is done when it is first polled, in the order of the
//! calls.

mod delivery;
mod fan_out;
mod leases;
mod shard;
mod snapshots;
mod state;
mod stream;

pub use delivery::DeliveryStream;
pub use leases::LeaseTable;
pub use snapshots::Snapshots;
pub use state::StateTable;
pub use stream::{Settings, Stream};

use std::sync::Arc;

/// What time it is, milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
