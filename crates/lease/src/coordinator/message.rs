//! What goes into the coordinator and what comes out.

use crate::{Beaten, Commit, Lease, Member, Shard, ShardId, WorkerId, Write};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A reading of this worker's stopwatch: time since it was started. Never compared with another worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The stopwatch shows `elapsed`.
    pub const fn new(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Time since the stopwatch was started.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// Time since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// `duration` later.
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// What the coordinator is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This worker.
    pub worker: WorkerId,
    /// A lease whose counter rests for this long may be taken, if its owner has no beat (KCL's `failoverTimeMillis`:
    /// 10 s). Workers beat ten times in it and count as dead after three missed beats. All workers of an application must
    /// agree on it. The driver must end every call within a quarter of it.
    pub failover: Duration,
    /// Millicores this worker may use.
    pub capacity: u32,
    /// Leases this worker holds at most; `None`: no limit.
    pub held_max: Option<usize>,
    /// Where a shard that is read for the first time starts.
    pub start: StartPosition,
    /// The time of day when the stopwatch stood at zero, milliseconds since 1970. Only pins the start of `Latest`.
    pub started_ms: i64,
}

/// Where a stream that is read for the first time starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPosition {
    /// Everything the stream still has.
    TrimHorizon,
    /// What arrives from the first start on.
    Latest,
    /// What arrived at or after this time, milliseconds since 1970.
    AtTimestamp(i64),
}

/// Tells which write or read an answer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// Tells which commit an answer answers. Chosen by the driver, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask(pub u64);

/// A call that did not answer what was asked; try again after this pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// What the service asks for, or zero.
    pub retry_after: Duration,
}

/// Why a beat was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatFailed {
    /// Certainly not written.
    NotWritten(Failed),
    /// No answer: it may have been written, or may still be.
    Unknown,
}

/// What a scan of the lease table brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The leases.
    pub leases: Vec<Lease>,
    /// Rows that can't be read as leases: they are there, nobody can have them, and nobody knows how far their shards are.
    pub unreadable: Vec<ShardId>,
    /// Another consumer's workers, by a number that moves while they live.
    pub strangers: BTreeMap<String, i64>,
}

/// Why a write did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteFailed {
    /// The condition does not hold; the row as it is. It must be the answer to this very attempt: a client that repeats
    /// calls by itself must report `Unknown` instead, because the attempt before may have been the one that changed it.
    Refused(Option<Box<Lease>>),
    /// Certainly not written.
    NotWritten(Failed),
    /// No answer: it may have been written, or may still be.
    Unknown,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The answer to [`Action::ListShards`].
    Shards(Result<Vec<Shard>, Failed>),
    /// The answer to [`Action::Scan`].
    Rows(Result<Rows, Failed>),
    /// The answer to [`Action::Owned`].
    Owned {
        /// Of the action.
        ticket: Ticket,
        /// The rows.
        result: Result<Vec<Lease>, Failed>,
    },
    /// The answer to [`Action::Beat`].
    Beaten {
        /// Of the action.
        ticket: Ticket,
        /// What was found in this worker's row.
        result: Result<Beaten, BeatFailed>,
    },
    /// The answer to [`Action::ScanMembers`].
    Members(Result<Vec<Member>, Failed>),
    /// The answer to [`Action::ReadMembers`].
    MembersRead {
        /// Of the action.
        ticket: Ticket,
        /// The rows that are there.
        result: Result<Vec<Member>, Failed>,
    },
    /// The answer to [`Action::Announce`].
    Announced {
        /// Of the action.
        ticket: Ticket,
        /// Whether that worker has a row.
        result: Result<bool, Failed>,
    },
    /// The answer to [`Action::Write`].
    Wrote {
        /// Of the action.
        ticket: Ticket,
        /// The row after the write.
        result: Result<Lease, WriteFailed>,
    },
    /// The answer to [`Action::Read`].
    Row {
        /// Of the action.
        ticket: Ticket,
        /// `None`: there is no such row.
        result: Result<Option<Lease>, Failed>,
    },
    /// A shard task asks for a commit. It asks for the next one when this is answered.
    Commit {
        /// Comes back in the answer.
        ask: Ask,
        /// Its shard.
        key: ShardId,
        /// What it commits.
        commit: Commit,
    },
    /// A shard task has read its shard to the end and delivered everything. Its children's rows are made, then
    /// `SHARD_END` is committed and the lease released.
    End {
        /// Comes back in the answer.
        ask: Ask,
        /// Its shard.
        key: ShardId,
        /// See [`Lease::read_until_ms`].
        read_until_ms: Option<i64>,
        /// The shards that continue it.
        children: Vec<Shard>,
    },
    /// A shard task is no more, for whatever reason.
    TaskStopped {
        /// Its shard.
        key: ShardId,
    },
    /// This worker shall stop: take nothing more, give back everything.
    Drain,
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// List the stream's shards. One at a time.
    ListShards,
    /// Read all lease rows. One at a time.
    Scan,
    /// Read the rows whose owner is this worker.
    Owned {
        /// Comes back in the answer.
        ticket: Ticket,
        /// Whose.
        owner: WorkerId,
    },
    /// Write this worker's own row of the state table.
    Beat {
        /// Comes back in the answer.
        ticket: Ticket,
        /// The row.
        member: Box<Member>,
        /// Announcements that need not be repeated.
        heard: Vec<ShardId>,
    },
    /// Read every worker's row. One at a time.
    ScanMembers,
    /// Read some workers' rows, consistently.
    ReadMembers {
        /// Comes back in the answer.
        ticket: Ticket,
        /// Whose.
        ids: Vec<WorkerId>,
    },
    /// Tell a worker that leases come to it.
    Announce {
        /// Comes back in the answer.
        ticket: Ticket,
        /// Whom.
        to: WorkerId,
        /// Which.
        shards: Vec<ShardId>,
    },
    /// Remove a dead worker's row, if its beat is still this one. Needs no answer.
    Remove {
        /// Whose.
        id: WorkerId,
        /// Its last beat.
        beat: u64,
    },
    /// A lease is being taken: whatever makes its task's start quick can be made ready meanwhile. The take may fail.
    Prepare {
        /// The row as it is before the take; without its pending epoch if that is void.
        lease: Box<Lease>,
    },
    /// Write a row.
    Write {
        /// Comes back in the answer.
        ticket: Ticket,
        /// The write.
        write: Box<Write>,
    },
    /// Read a row, consistently.
    Read {
        /// Comes back in the answer.
        ticket: Ticket,
        /// Which.
        key: ShardId,
    },
    /// The lease is held: start the shard's task.
    Start {
        /// The row as the take left it; without its pending epoch if that is void.
        lease: Box<Lease>,
        /// See [`Lease::checkpoint_is_ours`]: if not, another consumer ran in between and the pending epoch is void.
        checkpoint_is_ours: bool,
    },
    /// Ask the shard's task to finish: deliver, commit with `Then::Release`, stop.
    Drain {
        /// Which.
        key: ShardId,
    },
    /// The lease is lost: the shard's task must stop now and write nothing more.
    Stop {
        /// Which.
        key: ShardId,
    },
    /// The answer to a commit: the row as it is now.
    Answer {
        /// Of the event.
        ask: Ask,
        /// The row, or that the lease is lost.
        result: Result<Box<Lease>, LeaseLost>,
    },
    /// A lease came or went; to be logged and counted.
    Moved {
        /// Which.
        key: ShardId,
        /// The row's counter, as last known.
        counter: u64,
        /// Who had it before (a take), or has it now (a loss).
        other: Option<WorkerId>,
        /// Why.
        reason: Reason,
    },
    /// After [`Event::Drain`]: nothing is held any more.
    Finished,
}

/// The lease is lost. Stop; write nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseLost;

impl fmt::Display for LeaseLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the lease is lost")
    }
}

impl std::error::Error for LeaseLost {}

/// Why a lease came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Taken: nobody had it.
    Free,
    /// Taken: its owner had been silent for too long.
    Expired,
    /// Taken: its owner, this worker's former self perhaps, has made it this worker's.
    Handed,
    /// Given back.
    Released,
    /// Handed to another worker.
    Moved,
    /// The shard has ended.
    Ended,
    /// Another worker has it, or the row is gone.
    Lost,
    /// It could not be renewed in time, so others may take it.
    NotRenewed,
    /// The shard's task asked for a commit that goes back: a defect of the task.
    Backwards,
}

impl Reason {
    /// For logs and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Expired => "expired",
            Self::Handed => "handed",
            Self::Released => "released",
            Self::Moved => "moved",
            Self::Ended => "ended",
            Self::Lost => "lost",
            Self::NotRenewed => "not_renewed",
            Self::Backwards => "backwards",
        }
    }

    /// Whether the lease came.
    pub fn is_take(self) -> bool {
        matches!(self, Self::Free | Self::Expired | Self::Handed)
    }
}
