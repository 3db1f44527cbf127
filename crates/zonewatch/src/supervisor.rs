//! Drives the coordination of leases: carries out what `lease::Coordinator` decides, and no more.
//!
//! It runs on a thread and a runtime of its own, so that a renewal never waits for data, a sink or the CPU pool. Shard
//! tasks run elsewhere (the caller spawns them) and know three things of it: their lease, [`Commits`], and a [`Phase`]
//! that says when to finish or to stop. Whatever ends the coordination, a panic included, ends its shard tasks.

mod commits;
mod driver;
mod status;
#[cfg(test)]
mod tests;

pub use commits::Commits;
pub use lease::LeaseLost;
pub use status::{Board, Status};

use crate::clock::Clock;
use cloud::{Create, LeaseTable, StateTable, Stream};
use driver::Driver;
use futures_util::future::BoxFuture;
use lease::{Lease, StartPosition, WorkerId};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How leases are coordinated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This worker, unique in the fleet.
    pub worker: WorkerId,
    /// A lease whose owner never beats may be taken when its counter has rested for this long; workers beat ten times in
    /// it. Every call must end within a quarter of it, so on a scaled clock it must still be seconds of real time.
    pub failover: Duration,
    /// Millicores this worker may use.
    pub capacity: u32,
    /// Leases held at most; `None`: no limit.
    pub held_max: Option<usize>,
    /// Where a stream that is read for the first time starts.
    pub start: StartPosition,
    /// Whether a missing lease table is made.
    pub create: Create,
}

/// What the coordination calls.
#[derive(Clone)]
pub struct Ports {
    /// The lease table.
    pub table: Arc<dyn LeaseTable>,
    /// The table of workers.
    pub state: Arc<dyn StateTable>,
    /// The stream whose shards are leased.
    pub stream: Arc<dyn Stream>,
}

/// A lease as its shard's task gets it.
pub struct Held {
    /// The row as the take left it. Its pending epoch is to be delivered first; it is absent if it is void.
    pub lease: Lease,
    /// Not so if another consumer of the lease table ran in between: what it read is a hole for us.
    pub checkpoint_is_ours: bool,
    /// Writes to the row.
    pub commits: Commits,
    /// What the task shall do.
    pub phase: watch::Receiver<Phase>,
}

/// What a shard's task shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Read on.
    Run,
    /// Finish: deliver what was read, commit with `Then::Release`, return.
    Drain,
    /// Stop now and write nothing more: the lease is lost.
    Lost,
}

/// Runs the shards' tasks on the data runtime. It is called on the coordination thread and must not block.
pub trait Tasks: Send {
    /// Spawns the task of a shard.
    fn spawn(&self, held: Held) -> JoinHandle<()>;
    /// The task of this lease may be spawned in a moment: what makes its start quick can be made ready.
    fn prepare(&self, lease: &Lease) {
        let _ = lease;
    }
}

impl<F: Fn(Held) -> JoinHandle<()> + Send> Tasks for F {
    fn spawn(&self, held: Held) -> JoinHandle<()> {
        self(held)
    }
}

/// Whatever runs the tasks.
pub type Spawn = Box<dyn Tasks>;

/// Why coordination ended although nobody asked for it, or did not end as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fatal {
    /// Something is missing or forbidden that was needed to start. A person must act.
    Start(cloud::Error),
    /// The operating system refused the thread or its runtime.
    Thread(String),
    /// A defect: the coordination thread panicked.
    Panicked,
    /// The time for draining is over; these many leases were not released and will expire.
    NotDrained(usize),
}

impl fmt::Display for Fatal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(formatter, "start coordination: {error}"),
            Self::Thread(error) => write!(formatter, "start the coordination thread: {error}"),
            Self::Panicked => formatter.write_str("the coordination thread panicked; please report what it printed"),
            Self::NotDrained(leases) => write!(
                formatter,
                "stop coordination: {leases} leases could not be released in time; others take them once they expire"
            ),
        }
    }
}

impl std::error::Error for Fatal {}

/// What the coordination is told from outside. When the sender is gone, it stops at once and releases nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Run,
    Drain,
}

type Outcome = Option<Result<(), Fatal>>;

/// A running coordination. Dropping it stops it at once, as a crash would: leases are not released, they expire.
pub struct Supervisor {
    command: watch::Sender<Command>,
    outcome: watch::Receiver<Outcome>,
    board: Board,
}

/// Starts coordination. `build_ports` runs on the coordination runtime, where the connections it makes then live.
pub fn start<B>(settings: Settings, clock: Clock, build_ports: B, spawn: Spawn) -> Supervisor
where
    B: FnOnce() -> BoxFuture<'static, Result<Ports, cloud::Error>> + Send + 'static,
{
    let (command, commands) = watch::channel(Command::Run);
    let (finish, outcome) = watch::channel(None);
    let board = Board::new(clock, settings.failover);
    let shown = board.clone();
    let failed = finish.clone();
    let work = move || {
        let outcome = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(run(settings, clock, build_ports, spawn, commands, shown)),
            Err(error) => Err(Fatal::Thread(error.to_string())),
        };
        finish.send_replace(Some(outcome));
    };
    if let Err(error) = std::thread::Builder::new().name("coordination".into()).spawn(work) {
        failed.send_replace(Some(Err(Fatal::Thread(error.to_string()))));
    }
    Supervisor { command, outcome, board }
}

async fn run<B>(
    settings: Settings,
    clock: Clock,
    build_ports: B,
    spawn: Spawn,
    mut commands: watch::Receiver<Command>,
    board: Board,
) -> Result<(), Fatal>
where
    B: FnOnce() -> BoxFuture<'static, Result<Ports, cloud::Error>>,
{
    let ports = tokio::select! {
        ports = prepare(build_ports, settings.create, clock, settings.failover) => ports.map_err(Fatal::Start)?,
        // Nothing is held yet.
        _ = commands.changed() => return Ok(()),
    };
    Driver::new(settings, clock, ports, spawn, board).run(commands).await
}

/// Makes sure that all that is needed is there and may be used. Waits for what is out of reach for the moment.
async fn prepare<B>(build_ports: B, create: Create, clock: Clock, failover: Duration) -> Result<Ports, cloud::Error>
where
    B: FnOnce() -> BoxFuture<'static, Result<Ports, cloud::Error>>,
{
    let ports = build_ports().await?;
    let mut complaints = driver::Complaints::default();
    loop {
        let looked = async {
            // The stream first: a table made for a stream that is not there would be left behind.
            ports.stream.shards().await?;
            ports.table.ensure(create).await?;
            ports.state.ensure(create).await
        };
        match looked.await {
            Ok(()) => return Ok(ports),
            Err(error) if error.is_lasting() => return Err(error),
            Err(error) => complaints.log("start", &error),
        }
        clock.sleep(failover / 10).await;
    }
}

impl Supervisor {
    /// Takes nothing more and asks every shard's task to finish. [`Supervisor::finished`] tells when all is released.
    pub fn drain(&self) {
        self.command.send_replace(Command::Drain);
    }

    /// Waits for the end of the coordination: after a drain, or because it cannot go on.
    pub async fn finished(&mut self) -> Result<(), Fatal> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(Fatal::Panicked),
        }
    }

    /// What the coordination looks like now.
    pub fn status(&self) -> Status {
        self.board.status()
    }

    /// Where [`Supervisor::status`] reads: cheap to clone, for listeners.
    pub fn board(&self) -> Board {
        self.board.clone()
    }
}
