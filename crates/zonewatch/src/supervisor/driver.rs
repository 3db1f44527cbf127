//! The loop of the coordination thread: actions out, answers in.

use super::commits::{Commits, Request, Wish};
use super::status::{Board, HeldStatus, Status};
use super::{Command, Fatal, Held, Phase, Ports, Settings, Spawn};
use crate::clock::Clock;
use crate::telemetry;
use cloud::{Error, Scan, WriteError};
use lease::{
    Action, Ask, BeatFailed, Coordinator, Event, Failed, Instant, Member, Reason, Rows, ShardId, Ticket, WorkerId,
    Write, WriteFailed,
};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

/// A drain ends within this real time, so that a process that is asked to stop exits within ten seconds.
const DRAIN_LIMIT: Duration = Duration::from_millis(9_000);
/// A row that no beat renews is not needed for longer, seconds: others remove it long before, this is for the case that
/// all die.
const ROW_LIFE_SECS: i64 = 3_600;
/// Requests of shard tasks and answers of calls that wait for the loop; whoever finds the queue full waits.
const QUEUE_MAX: usize = 1_024;
/// The same complaint is logged once in this real time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// The status is renewed at most so often, unless a lease moves.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// Carries out what the coordinator decides.
pub(super) struct Driver {
    coordinator: Coordinator,
    settings: Settings,
    clock: Clock,
    ports: Ports,
    spawn: Spawn,
    board: Board,
    tasks: BTreeMap<ShardId, RunningTask>,
    replies: BTreeMap<Ask, super::commits::Reply>,
    asks: u64,
    generations: u64,
    complaints: Complaints,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    requests: (mpsc::Sender<Request>, mpsc::Receiver<Request>),
    shown: Option<tokio::time::Instant>,
    moved: bool,
}

/// What a call or a task came to, with what there is to complain about.
struct Answer {
    /// `None`: there is only something to complain about.
    event: Option<Event>,
    /// The call's name, and the error if it failed.
    complaint: Option<(&'static str, Error)>,
}

/// A shard's task. Whatever ends the driver ends it too.
struct RunningTask {
    generation: u64,
    phase: watch::Sender<Phase>,
    committed_at: Duration,
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Lost);
    }
}

impl Driver {
    pub(super) fn new(settings: Settings, clock: Clock, ports: Ports, spawn: Spawn, board: Board) -> Self {
        let elapsed = clock.elapsed();
        let coordination = lease::Settings {
            worker: settings.worker.clone(),
            failover: settings.failover,
            capacity: settings.capacity,
            held_max: settings.held_max,
            start: settings.start,
            started_ms: clock.now_ms() - elapsed.as_millis() as i64,
        };
        // Workers' names differ, so what they would do at once is spread.
        let mut hasher = DefaultHasher::new();
        settings.worker.hash(&mut hasher);
        Self {
            coordinator: Coordinator::new(coordination, hasher.finish()),
            settings,
            clock,
            ports,
            spawn,
            board,
            tasks: BTreeMap::new(),
            replies: BTreeMap::new(),
            asks: 0,
            generations: 0,
            complaints: Complaints::default(),
            answers: mpsc::channel(QUEUE_MAX),
            requests: mpsc::channel(QUEUE_MAX),
            shown: None,
            moved: true,
        }
    }

    fn now(&self) -> Instant {
        Instant::new(self.clock.elapsed())
    }

    /// Until the coordinator has finished, or whoever started it is gone.
    pub(super) async fn run(mut self, mut commands: watch::Receiver<Command>) -> Result<(), Fatal> {
        let mut drain_ends: Option<tokio::time::Instant> = None;
        loop {
            self.coordinator.tick(self.now());
            while let Some(action) = self.coordinator.poll() {
                if action == Action::Finished {
                    self.show(true);
                    return Ok(());
                }
                self.perform(action);
            }
            self.show(drain_ends.is_some());
            let wake = self.coordinator.wake_at().unwrap_or(self.now().plus(self.settings.failover));
            let pause = wake.since(self.now());
            tokio::select! {
                biased;
                changed = commands.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    if *commands.borrow_and_update() == Command::Drain && drain_ends.is_none() {
                        drain_ends = Some(tokio::time::Instant::now() + DRAIN_LIMIT);
                        self.coordinator.handle(self.now(), Event::Drain);
                    }
                }
                () = sleep_until(drain_ends) => return Err(Fatal::NotDrained(self.coordinator.held().count())),
                Some(answer) = self.answers.1.recv() => self.answered(answer),
                Some(request) = self.requests.1.recv() => self.requested(request),
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        match &answer.complaint {
            Some((call, error)) => self.complaints.log(call, error),
            None if answer.event.as_ref().is_some_and(is_of_lease_table) => self.board.answered(),
            None => {}
        }
        let Some(event) = answer.event else { return };
        if let Event::TaskStopped { key } = &event {
            self.tasks.remove(key);
        }
        self.coordinator.handle(self.now(), event);
    }

    fn requested(&mut self, request: Request) {
        let Request { key, generation, wish, reply } = request;
        if self.tasks.get(&key).is_none_or(|task| task.generation != generation) {
            // Nobody listens if this fails.
            let _ = reply.send(Err(lease::LeaseLost));
            return;
        }
        self.asks += 1;
        let ask = Ask(self.asks);
        self.replies.insert(ask, reply);
        let event = match wish {
            Wish::Commit(commit) => Event::Commit { ask, key, commit },
            Wish::End { read_until_ms, children } => Event::End { ask, key, read_until_ms, children },
        };
        self.coordinator.handle(self.now(), event);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::ListShards => self.list_shards(),
            Action::Scan => self.scan(),
            Action::Write { ticket, write } => self.write(ticket, *write),
            Action::Read { ticket, key } => self.read(ticket, key),
            Action::Owned { ticket, owner } => self.owned(ticket, owner),
            Action::Beat { ticket, member, heard } => self.beat(ticket, *member, heard),
            Action::ScanMembers => self.scan_members(),
            Action::ReadMembers { ticket, ids } => self.read_members(ticket, ids),
            Action::Announce { ticket, to, shards } => self.announce(ticket, to, shards),
            Action::Remove { id, beat } => self.remove(id, beat),
            Action::Prepare { lease } => self.spawn.prepare(&lease),
            Action::Start { lease, checkpoint_is_ours } => self.start_task(*lease, checkpoint_is_ours),
            Action::Drain { key } => self.tell(&key, Phase::Drain),
            Action::Stop { key } => self.tell(&key, Phase::Lost),
            Action::Answer { ask, result } => {
                if let Ok(row) = &result
                    && let Some(task) = self.tasks.get_mut(&row.key)
                {
                    task.committed_at = self.clock.elapsed();
                }
                if let Some(reply) = self.replies.remove(&ask) {
                    // A task that no longer waits has stopped.
                    let _ = reply.send(result.map(|row| *row));
                }
            }
            Action::Moved { key, counter, other, reason } => self.moved(&key, counter, other.as_ref(), reason),
            // The loop has looked for it before.
            Action::Finished => {}
        }
    }

    fn start_task(&mut self, lease: lease::Lease, checkpoint_is_ours: bool) {
        self.generations += 1;
        let generation = self.generations;
        let key = lease.key.clone();
        let (phase, phases) = watch::channel(Phase::Run);
        let commits = Commits::new(key.clone(), generation, self.requests.0.clone());
        let handle = self.spawn.spawn(Held { lease, checkpoint_is_ours, commits, phase: phases });
        let task = RunningTask { generation, phase, committed_at: self.clock.elapsed() };
        let former = self.tasks.insert(key.clone(), task);
        assert!(former.is_none(), "a shard is not started again before its last task has stopped");
        self.watch_task(key, handle);
    }

    fn watch_task(&self, key: ShardId, handle: JoinHandle<()>) {
        let answers = self.answers.0.clone();
        tokio::spawn(async move {
            if let Err(error) = handle.await {
                error!(shard = %key, %error, "shard task broke; its lease is released");
            }
            let _ = answers.send(Answer { event: Some(Event::TaskStopped { key }), complaint: None }).await;
        });
    }

    fn tell(&self, key: &ShardId, phase: Phase) {
        if let Some(task) = self.tasks.get(key) {
            task.phase.send_replace(phase);
        }
    }

    fn moved(&mut self, shard: &ShardId, counter: u64, other: Option<&WorkerId>, reason: Reason) {
        self.moved = true;
        let stream = self.ports.stream.name();
        let labels = [("stream", stream.to_owned()), ("reason", reason.as_str().to_owned())];
        metrics::counter!(telemetry::LEASE_MOVES_TOTAL, &labels).increment(1);
        let owner = other.map_or("nobody", WorkerId::as_str);
        let reason_text = reason.as_str();
        match reason {
            Reason::Free | Reason::Expired | Reason::Handed => {
                info!(%shard, from = owner, counter, reason = reason_text, "lease taken");
            }
            Reason::Moved => info!(%shard, counter, reason = reason_text, "lease handed over"),
            Reason::Released => info!(%shard, counter, reason = reason_text, "lease released"),
            Reason::Ended => info!(%shard, counter, reason = reason_text, "shard ended"),
            Reason::Lost | Reason::NotRenewed => {
                warn!(%shard, owner, counter, reason = reason_text, "lease lost");
            }
            Reason::Backwards => {
                error!(%shard, counter, reason = reason_text, "lease given up: its task asked for a commit that goes back");
            }
        }
    }

    /// Publishes the status and the gauges.
    fn show(&mut self, draining: bool) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= SHOW_EVERY);
        if !due && !self.moved {
            return;
        }
        self.shown = Some(tokio::time::Instant::now());
        self.moved = false;
        let elapsed = self.clock.elapsed();
        let held = self.coordinator.held().map(|row| HeldStatus {
            shard: row.key.to_string(),
            counter: row.counter,
            checkpoint: row.checkpoint.clone(),
            checkpoint_age: self
                .tasks
                .get(&row.key)
                .map_or(Duration::ZERO, |task| elapsed.saturating_sub(task.committed_at)),
        });
        let held: Vec<HeldStatus> = held.collect();
        let uncovered_ratio = self.coordinator.uncovered_ratio(self.now());
        let stream = self.ports.stream.name().to_owned();
        metrics::gauge!(telemetry::LEASES_HELD, "stream" => stream.clone()).set(held.len() as f64);
        metrics::gauge!(telemetry::UNCOVERED_HASH_RANGE_RATIO, "stream" => stream).set(uncovered_ratio);
        self.board.show(Status { ready: false, silent: None, draining, held, uncovered_ratio });
    }

    fn list_shards(&self) {
        let stream = self.ports.stream.clone();
        self.call("list shards", async move { stream.shards().await }, |result| Event::Shards(result.map_err(failed)));
    }

    fn scan(&self) {
        let (table, answers) = (self.ports.table.clone(), self.answers.0.clone());
        let scan = async move {
            let Scan { leases, unreadable, strangers } = table.scan().await?;
            // One of them is complained about; once it is mended, the next is.
            if let Some(row) = unreadable.first() {
                let complaint = Answer { event: None, complaint: Some(("read a lease row", row.error.clone())) };
                // The loop has ended if this fails.
                let _ = answers.send(complaint).await;
            }
            Ok(Rows { leases, unreadable: unreadable.into_iter().map(|row| row.key).collect(), strangers })
        };
        self.call("scan leases", scan, |result| Event::Rows(result.map_err(failed)));
    }

    fn owned(&self, ticket: Ticket, owner: WorkerId) {
        let table = self.ports.table.clone();
        let owned = async move { table.owned(&owner).await };
        self.call("read a worker's leases", owned, move |result| Event::Owned {
            ticket,
            result: result.map_err(failed),
        });
    }

    fn beat(&self, ticket: Ticket, member: Member, heard: Vec<ShardId>) {
        let state = self.ports.state.clone();
        let expires = self.clock.now_ms() / 1_000 + ROW_LIFE_SECS;
        let beat = async move { state.beat(&member, &heard, expires).await };
        self.call("beat", beat, move |result| Event::Beaten { ticket, result: result.map_err(beat_failed) });
    }

    fn scan_members(&self) {
        let state = self.ports.state.clone();
        let scan = async move { state.scan().await };
        self.call("scan workers", scan, |result| Event::Members(result.map_err(failed)));
    }

    fn read_members(&self, ticket: Ticket, ids: Vec<WorkerId>) {
        let state = self.ports.state.clone();
        let read = async move { state.read(&ids).await };
        self.call("read workers", read, move |result| Event::MembersRead { ticket, result: result.map_err(failed) });
    }

    fn announce(&self, ticket: Ticket, to: WorkerId, shards: Vec<ShardId>) {
        let state = self.ports.state.clone();
        let announce = async move { state.announce(&to, &shards).await };
        self.call("announce leases", announce, move |result| Event::Announced {
            ticket,
            result: result.map_err(failed),
        });
    }

    /// A row that stays costs a little reading and expires by itself.
    fn remove(&self, id: WorkerId, beat: u64) {
        let state = self.ports.state.clone();
        tokio::spawn(async move { state.remove(&id, beat).await });
    }

    fn read(&self, ticket: Ticket, key: ShardId) {
        let table = self.ports.table.clone();
        let read = async move { table.get(&key).await };
        self.call("read lease", read, move |result| Event::Row { ticket, result: result.map_err(failed) });
    }

    fn write(&self, ticket: Ticket, write: Write) {
        let table = self.ports.table.clone();
        // A refusal is an answer, not a failure to complain about.
        let call = async move {
            match table.write(&write).await {
                Ok(row) => Ok(Ok(row)),
                Err(WriteError::Refused(row)) => Ok(Err(row)),
                Err(WriteError::Failed(error)) => Err(error),
            }
        };
        self.call("write lease", call, move |result| {
            let result = match result {
                Ok(Ok(row)) => Ok(row),
                Ok(Err(row)) => Err(WriteFailed::Refused(row)),
                Err(error) => Err(write_failed(error)),
            };
            Event::Wrote { ticket, result }
        });
    }

    /// Makes a call. It is answered within a quarter of the failover time, if need be by not knowing.
    fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
        event: impl FnOnce(Result<T, Error>) -> Event + Send + 'static,
    ) {
        let answers = self.answers.0.clone();
        let (clock, limit) = (self.clock, self.settings.failover / 4);
        tokio::spawn(async move {
            let result = tokio::select! {
                result = call => result,
                () = clock.sleep(limit) => Err(Error::Unavailable {
                    action: name,
                    resource: "a table or the stream".into(),
                    message: format!("no answer within {} ms", limit.as_millis()),
                }),
            };
            let complaint = result.as_ref().err().map(|error| (name, error.clone()));
            // The loop has ended if this fails.
            let _ = answers.send(Answer { event: Some(event(result)), complaint }).await;
        });
    }
}

/// Readiness is whether the lease table answers.
fn is_of_lease_table(event: &Event) -> bool {
    matches!(event, Event::Rows(_) | Event::Owned { .. } | Event::Wrote { .. } | Event::Row { .. })
}

fn failed(error: Error) -> Failed {
    match error {
        Error::Throttled { retry_after, .. } => Failed { retry_after },
        // What only a person can mend is not asked for at full pace; the coordinator has its own bound.
        error if error.is_lasting() => Failed { retry_after: Duration::MAX },
        _ => Failed { retry_after: Duration::ZERO },
    }
}

fn write_failed(error: Error) -> WriteFailed {
    match error {
        Error::Throttled { .. } | Error::Denied { .. } | Error::Missing { .. } => {
            WriteFailed::NotWritten(failed(error))
        }
        // `Invalid` too: it may be the answer that cannot be used.
        Error::Unavailable { .. } | Error::Expired | Error::Invalid { .. } => WriteFailed::Unknown,
    }
}

fn beat_failed(error: Error) -> BeatFailed {
    match error {
        Error::Throttled { .. } | Error::Denied { .. } | Error::Missing { .. } => BeatFailed::NotWritten(failed(error)),
        Error::Unavailable { .. } | Error::Expired | Error::Invalid { .. } => BeatFailed::Unknown,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Says what fails, but each kind of call only once a minute.
#[derive(Default)]
pub(super) struct Complaints(HashMap<&'static str, Complaint>);

struct Complaint {
    said: tokio::time::Instant,
    unsaid: u64,
}

impl Complaints {
    pub(super) fn log(&mut self, call: &'static str, error: &Error) {
        let mut unsaid = 0;
        if let Some(complaint) = self.0.get_mut(call) {
            if complaint.said.elapsed() < COMPLAIN_EVERY {
                complaint.unsaid += 1;
                return;
            }
            unsaid = complaint.unsaid;
        }
        warn!(call, %error, unsaid, "coordination call failed; trying again");
        self.0.insert(call, Complaint { said: tokio::time::Instant::now(), unsaid: 0 });
    }
}
