//! Who reads which shard, and how far.
//!
//! A pure crate: no async, socket, clock or random source; time and seeds come in as arguments. `lease` holds the row
//! as a value and the conditional writes, `shard` the lineage, `epochs` what one owner cuts and says, `coordinator` the state machine that a thin supervisor
//! drives.

mod coordinator;
mod epochs;
mod lease;
mod member;
mod plan;
mod random;
mod sequence;
mod shard;

pub use coordinator::{
    Action, Ask, BeatFailed, Coordinator, Event, Failed, Instant, LeaseLost, Reason, Rows, Settings, StartPosition,
    Ticket, WriteFailed,
};
pub use epochs::{Epochs, Next, Put, Rules};
pub use lease::{Commit, Epoch, Lease, Refused, Then, WorkerId, Write};
pub use member::{Beaten, Load, Member, Standing};
pub use plan::{Move, Piece, Place, Plan, plan};
pub use sequence::{Checkpoint, SequenceNumber};
pub use shard::{HashRange, Shard, ShardId};
