//! One rollup shard from lease to snapshot: read, fold, tell, store, commit.
//!
//! What is told follows from the shard's own records alone, in their order, so that whoever reads them tells the same. The
//! states of its key groups are stored every minute under a name never used before; then one commit moves the checkpoint and
//! names the snapshot, and only what that commit replaced is deleted. A new owner begins with the snapshot that the row
//! named when it took the lease.

use crate::clock::Clock;
use crate::config::{Compression, Packing};
use crate::jitter::Jitter;
use crate::lines::Lines;
use crate::load::Meter;
use crate::minutely::Minutely;
use crate::outlet::Outlet;
use crate::reader::{Readers, Room};
use crate::shard_task::start_of;
use crate::supervisor::{Commits, Held, LeaseLost, Phase};
use crate::telemetry::{self, ShardSeries};
use crate::window_line::{self, Closing};
use bytes::Bytes;
use cloud::{Batch, Call, Error, LeaseTable, Snapshots, Stream};
use detect::detector::{Detector, Outcome};
use detect::message::{Message, Unreadable};
use detect::pane::Tally;
use detect::rollup::{Refused, Settings};
use detect::snapshot::{Name, Saver, is_taken_over, orphans};
use lease::{Checkpoint, Commit, Lease, Shard, ShardId, Then};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// The first pause after a call that failed, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What all tasks of rollup shards share.
pub struct Shared {
    /// The rollup stream.
    pub stream: Arc<dyn Stream>,
    /// Its lease table: where parents' and children's snapshots are named.
    pub table: Arc<dyn LeaseTable>,
    /// Where snapshots lie.
    pub snapshots: Arc<dyn Snapshots>,
    /// How windows are computed.
    pub settings: Settings,
    /// How shards are read.
    pub readers: Arc<Readers>,
    /// Between two snapshots.
    pub save_period: Duration,
    /// Time.
    pub clock: Clock,
    /// Spreads pauses and saves.
    pub jitter: Jitter,
    /// Where windows go, if anywhere.
    pub windows: Option<Arc<Outlet>>,
}

/// Windows on their way.
type Delivery = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a task ends before its shard.
#[derive(Debug)]
enum Stopped {
    /// Somebody else has the lease, or will.
    Lost,
    /// What it should begin with cannot be read; a person must act.
    Unusable(String),
}

impl From<LeaseLost> for Stopped {
    fn from(_: LeaseLost) -> Self {
        Self::Lost
    }
}

/// Runs until the lease is lost, handed back, or the shard has ended.
pub async fn run(held: Held, shared: Arc<Shared>) {
    let shard = held.lease.key.clone();
    match RollupTask::new(held, shared).work().await {
        Ok(()) => info!(%shard, "rollup shard handed back"),
        Err(Stopped::Lost) => warn!(%shard, "lease of a rollup shard lost"),
        Err(Stopped::Unusable(what)) => {
            metrics::counter!(telemetry::SNAPSHOTS_UNUSABLE_TOTAL).increment(1);
            error!(%shard, what, "no windows of these zones until somebody acts; `zonewatch leases reset` on the rollup table begins anew");
        }
    }
}

struct RollupTask {
    shared: Arc<Shared>,
    commits: Commits,
    phase: watch::Receiver<Phase>,
    lease: Lease,
    series: ShardSeries,
    meter: Meter,
    saver: Saver,
    state: Detector,
    /// Windows told and not on their way, and those on their way: all are acknowledged before the next commit.
    lines: Lines,
    delivery: Option<Delivery>,
    /// The last record folded, and whether the row knows.
    through: Checkpoint,
    saved_at: Duration,
    save_after: Duration,
    ended: Option<Vec<Shard>>,
    /// A message of a later version came: nothing more is read.
    leaves: bool,
}

impl RollupTask {
    fn new(held: Held, shared: Arc<Shared>) -> Self {
        let lease = held.lease;
        let now = shared.clock.elapsed();
        let named = named(&lease);
        Self {
            commits: held.commits,
            phase: held.phase,
            series: ShardSeries::new(shared.stream.name(), lease.key.as_str()),
            meter: Meter::new(now, lease.load),
            saver: Saver::new(lease.key.as_str().into(), named),
            state: Detector::new(shared.settings.clone()),
            lines: Lines::default(),
            delivery: None,
            through: lease.checkpoint.clone(),
            saved_at: now,
            save_after: shared.jitter.of(shared.save_period),
            ended: None,
            leaves: false,
            lease,
            shared,
        }
    }

    async fn work(&mut self) -> Result<(), Stopped> {
        let mut phase = self.phase.clone();
        let loaded = tokio::select! {
            loaded = self.load() => Some(loaded?),
            _ = phase.wait_for(|phase| *phase == Phase::Drain) => None,
        };
        if loaded.is_none() {
            // Nothing was read, so there is nothing to store: a bucket that does not answer holds up no drain.
            self.commits.commit(Commit::at(self.through.clone(), Then::Release)).await?;
            return Ok(());
        }
        self.sweep().await?;
        let shared = self.shared.clone();
        let mut reader = shared.readers.open(self.lease.key.clone(), start_of(&self.lease));
        loop {
            let phase = *self.phase.borrow_and_update();
            if phase == Phase::Lost {
                return Err(Stopped::Lost);
            }
            if let Some(children) = self.ended.take() {
                self.save(Then::Keep).await?;
                self.commits.end(None, children).await?;
                return Ok(());
            }
            if phase == Phase::Drain || self.leaves {
                return self.save(Then::Release).await;
            }
            let now = shared.clock.elapsed();
            if self.through != self.lease.checkpoint && now.saturating_sub(self.saved_at) >= self.save_after {
                self.save(Then::Keep).await?;
            }
            self.deliver();
            tokio::select! {
                _ = self.phase.changed() => {}
                () = async { self.delivery.as_mut().expect("guarded").await }, if self.delivery.is_some() => {
                    self.delivery = None;
                }
                (batch, hold) = reader.next(Room::Awaited) => {
                    self.fold(batch).await;
                    drop(hold);
                }
            }
        }
    }

    async fn fold(&mut self, batch: Batch) {
        self.series.behind(batch.behind);
        let begun = std::time::Instant::now();
        let mut since_yield = begun;
        let mut bytes = 0;
        for record in &batch.records {
            match Message::<Tally>::decode(&record.data) {
                Ok(message) => self.apply(message, record.arrival_ms),
                Err(Unreadable::Newer(version)) => {
                    // Nothing of it is taken in; a worker that knows it shall have the shard.
                    error!(shard = %self.lease.key, version, "a digest is of a later version; update this worker");
                    self.leaves = true;
                    return;
                }
                Err(Unreadable::Malformed) => self.refused("malformed"),
            }
            self.through = Checkpoint::through(record.sequence.clone());
            bytes += record.data.len();
            if since_yield.elapsed() > Duration::from_millis(2) {
                tokio::task::yield_now().await;
                since_yield = std::time::Instant::now();
            }
        }
        self.meter.add(bytes, begun.elapsed());
        if batch.records.is_empty() && batch.behind.is_zero() && self.through == self.lease.checkpoint {
            self.series.acknowledged();
        }
        if batch.next.is_none() {
            for outcome in self.state.end() {
                self.tell(&outcome);
            }
            self.ended = Some(batch.children);
        }
    }

    fn apply(&mut self, message: Message<Tally>, arrival_ms: i64) {
        match self.state.apply(message, arrival_ms) {
            Ok(outcome) => self.tell(&outcome),
            Err(Refused::Constants) => self.refused("constants"),
            Err(Refused::Group | Refused::Unsound) => self.refused("malformed"),
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        telemetry::count_told(&outcome.told);
        if self.shared.windows.is_some() {
            outcome.windows.iter().for_each(|window| window_line::push(window, Closing::ByTime, &mut self.lines));
        }
    }

    /// Sends what was told on its way, if nothing is. What gathers meanwhile is at most what is told between two saves, which
    /// wait for it.
    fn deliver(&mut self) {
        let Some(outlet) = self.shared.windows.clone().filter(|_| self.delivery.is_none() && !self.lines.is_empty())
        else {
            return;
        };
        let lines = std::mem::take(&mut self.lines);
        self.delivery = Some(Box::pin(async move {
            let payload_bytes = lines.len();
            outlet.deliver(lines.into_entries(Packing::Lines, Compression::None), payload_bytes).await;
        }));
    }

    /// Waits until all that was told is acknowledged.
    async fn flush(&mut self) -> Result<(), Stopped> {
        loop {
            self.deliver();
            let Some(delivery) = self.delivery.as_mut() else { return Ok(()) };
            tokio::select! {
                () = delivery => self.delivery = None,
                _ = self.phase.wait_for(|phase| *phase == Phase::Lost) => return Err(Stopped::Lost),
            }
        }
    }

    fn refused(&self, reason: &'static str) {
        metrics::counter!(telemetry::DIGESTS_READ_TOTAL, "outcome" => reason).increment(1);
    }

    /// Takes over what the row names, or of the parents' states those in the own range.
    async fn load(&mut self) -> Result<(), Stopped> {
        let range = self.lease.hash_range.map_or(0..=u128::MAX, |range| range.start..=range.end);
        let mut names: Vec<Arc<str>> = self.lease.snapshot.iter().cloned().collect();
        if names.is_empty() {
            for parent in self.lease.parents.clone() {
                let row = self.row(&parent).await?;
                names.extend(row.and_then(|row| row.snapshot));
            }
        }
        for name in names {
            let bytes = self.fetch(&name).await?;
            let former = Detector::decode(&bytes, &self.shared.settings)
                .map_err(|why| Stopped::Unusable(format!("snapshot {name} is not usable here: {why:?}")))?;
            self.state.take_over(&former, &range);
        }
        Ok(())
    }

    /// A snapshot that a row names. If it is missing, the lease was lost meanwhile, or the snapshot is.
    async fn fetch(&mut self, name: &str) -> Result<Bytes, Stopped> {
        let snapshots = self.shared.snapshots.clone();
        let found = self.patiently("load a snapshot", || snapshots.get(name)).await?;
        if let Some(bytes) = found {
            return Ok(bytes);
        }
        let key = self.lease.key.clone();
        let row = self.row(&key).await?;
        match row {
            Some(row) if row.counter == self.lease.counter => {
                Err(Stopped::Unusable(format!("snapshot {name} is missing")))
            }
            _ => Err(Stopped::Lost),
        }
    }

    async fn row(&mut self, key: &ShardId) -> Result<Option<Lease>, Stopped> {
        let table = self.shared.table.clone();
        self.patiently("read a lease", || table.get(key)).await
    }

    /// Deletes what former owners stored and nobody will name. Whatever fails is left to the next owner.
    async fn sweep(&mut self) -> Result<(), Stopped> {
        let (snapshots, shard) = (self.shared.snapshots.clone(), self.lease.key.clone());
        let named = named(&self.lease);
        let Ok(names) = snapshots.list(&format!("{shard}/")).await else { return Ok(()) };
        let names: Vec<Name> = names.iter().filter_map(|name| Name::parse(name)).collect();
        for orphan in orphans(&names, shard.as_str(), self.lease.counter, named.as_ref()) {
            self.delete(&orphan).await;
        }
        Ok(())
    }

    async fn delete(&mut self, name: &Name) {
        if let Err(error) = self.shared.snapshots.delete(&name.to_string()).await {
            warn!(%name, %error, "a snapshot that nobody needs was not deleted; its shard's next owner tries again");
        }
    }

    /// Stores the states, then commits them with their place in the shard.
    async fn save(&mut self, then: Then) -> Result<(), Stopped> {
        self.flush().await?;
        let first = self.lease.snapshot.is_none();
        let (snapshots, bytes) = (self.shared.snapshots.clone(), Bytes::from(self.state.encode()));
        let name = self.saver.begin(self.lease.counter).to_string();
        self.patiently("store a snapshot", || snapshots.put(&name, bytes.clone())).await?;
        self.saver.stored();
        let commit = Commit {
            load: self.meter.load(self.shared.clock.elapsed()),
            snapshot: Some(name.into()),
            ..Commit::at(self.through.clone(), then)
        };
        self.lease = self.commits.commit(commit).await?;
        self.series.acknowledged();
        (self.saved_at, self.save_after) =
            (self.shared.clock.elapsed(), self.shared.jitter.of(self.shared.save_period));
        let named = named(&self.lease);
        if let Some(replaced) = self.saver.committed(named.as_ref()) {
            self.delete(&replaced).await;
        }
        if first {
            self.clear_parents().await;
        }
        Ok(())
    }

    /// Deletes the snapshots of parents whose children have all stored their own. Whatever fails stays.
    async fn clear_parents(&mut self) {
        for parent in &self.lease.parents.clone() {
            let Ok(Some(row)) = self.shared.table.get(parent).await else { continue };
            let mut names = Vec::new();
            for child in &row.children {
                let Ok(child) = self.shared.table.get(child).await else { return };
                names.push(child.as_ref().and_then(named));
            }
            if let Some(name) = named(&row)
                && is_taken_over(names.iter().map(Option::as_ref))
            {
                self.delete(&name).await;
            }
        }
    }

    /// Tries a call until it succeeds or the lease is lost.
    async fn patiently<'a, T>(
        &mut self,
        what: &'static str,
        call: impl Fn() -> Call<'a, Result<T, Error>>,
    ) -> Result<T, Stopped> {
        let (shared, shard) = (&self.shared, &self.lease.key);
        let tries = async {
            let (said, mut pause) = (Minutely::default(), PAUSE_MIN);
            loop {
                let error = match call().await {
                    Ok(value) => return value,
                    Err(error) => error,
                };
                match said.is_due(shared.clock.elapsed()) {
                    true if error.is_lasting() => error!(%shard, what, %error, "tried again until somebody acts"),
                    true => warn!(%shard, what, %error, "tried again"),
                    false => {}
                }
                shared.clock.sleep(shared.jitter.of(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        tokio::select! {
            value = tries => Ok(value),
            _ = self.phase.wait_for(|phase| *phase == Phase::Lost) => Err(Stopped::Lost),
        }
    }
}

/// The snapshot that a row names.
fn named(row: &Lease) -> Option<Name> {
    row.snapshot.as_deref().and_then(Name::parse)
}
