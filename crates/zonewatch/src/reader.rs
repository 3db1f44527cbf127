//! Reads one shard, by polling or by subscription. Who reads need not know which.
//!
//! Nothing here is fatal: what can pass is tried again at a growing pause, and what only a person can mend is logged once
//! a minute while reading goes on being tried. A reader's position is the last record that it handed on, never one that it
//! has only received. Leases are renewed elsewhere: a reader that waits costs none.

mod fan_out;
mod polling;
mod readers;

pub use polling::Pace;
pub use readers::{Readers, Retrieval};

use crate::budget::{Budget, Hold};
use crate::minutely::Minutely;
use cloud::{Batch, Error};
use lease::ShardId;
use std::time::Duration;
use tracing::{error, warn};

/// A batch is held twice for a moment: as base64 in what came over the network, and decoded.
const BODY_FACTOR: f64 = 7.0 / 3.0;

/// Whether a read waits for room in the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It waits.
    Awaited,
    /// It does not: what is held can only be let go by reading on.
    Taken,
}

impl Room {
    async fn hold(self, budget: &Budget, bytes: usize) -> Hold {
        match self {
            Self::Awaited => budget.hold(bytes).await,
            Self::Taken => budget.hold_now(bytes),
        }
    }
}

/// A shard being read. [`Readers`] opens it, and no second one of the same shard beside it.
pub struct Reader {
    way: Way,
    _place: readers::Place,
}

enum Way {
    Polling(polling::Poller),
    FanOut(fan_out::Subscriber),
}

impl Reader {
    /// The next read that succeeds, with its bytes held in the budget. Safe to drop at any time.
    pub async fn next(&mut self, room: Room) -> (Batch, Hold) {
        match &mut self.way {
            Way::Polling(poller) => poller.next(room).await,
            Way::FanOut(subscriber) => subscriber.next(room).await,
        }
    }
}

/// Says what fails, but only once a minute.
#[derive(Debug, Default)]
struct Complaints(Minutely);

impl Complaints {
    fn log(&self, now: Duration, shard: &ShardId, error: &Error) {
        if !self.0.is_due(now) {
            return;
        }
        if error.is_lasting() {
            error!(%shard, %error, "the shard can't be read; tried again until somebody acts");
        } else {
            warn!(%shard, %error, "a read failed and is tried again");
        }
    }
}
