//! One rollup shard from lease to snapshot: read, fold, tell, store, commit.
//!
//! What is told follows from the shard's own records alone, in their order, so that whoever reads them tells the same. The
//! states of its key groups are stored every minute under a name never used before; then one commit moves the checkpoint and
//! names the snapshot, and only what that commit replaced is deleted. A new owner begins with the snapshot that the row
//! named when it took the lease.

use crate::clock::Clock;
use crate::jitter::Jitter;
use crate::load::Meter;
use crate::minutely::Minutely;
use crate::outgoing::Outgoing;
use crate::outlet::Outlet;
use crate::printable::printable;
use crate::reader::{Readers, Room};
use crate::shard_task::start_of;
use crate::supervisor::{Commits, Held, LeaseLost, Phase};
use crate::telemetry::{self, ShardSeries, ZoneLabels};
use crate::window_line;
use crate::zone_views::ZoneViews;
use crate::{finding_line, fleet_views};
use bytes::Bytes;
use cloud::{Batch, Call, Error, LeaseTable, Snapshots, Stream};
use detect::detector::{Baselines, Detector, Judging, Outcome};
use detect::finding::{self, Finding, Status};
use detect::message::{Message, Unreadable};
use detect::pane::Tally;
use detect::rollup::{Refused, Settings};
use detect::snapshot::{Name, Saver, is_taken_over, orphans};
use lease::{Checkpoint, Commit, Lease, Shard, ShardId, Then};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{error, info, trace, warn};

/// The first pause after a call that failed, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A view is left within this, or not: the lease is waited for.
const LEAVE_MAX: Duration = Duration::from_millis(500);
/// Of one task, while a delivery stream refuses. Then reading waits, as it does at the source.
const TOLD_BYTES_MAX: usize = 16 << 20;
/// Between two looks at what is on its way, while it is waited for.
const LOOK: Duration = Duration::from_secs(1);
/// A larger snapshot is stored less often: a zone has a quarter of a megabyte, and a thousand of them in one shard shall not
/// keep a core and the network busy.
const SAVED_BYTES_A_SECOND: usize = 4 << 20;

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
    /// Where findings go, if anywhere beside the log, the metrics and the API.
    pub findings: Option<Arc<Outlet>>,
    /// How much somebody wants to hear, now and as it is replaced.
    pub tuning: watch::Receiver<Arc<finding::Settings>>,
    /// What is taken to be usual in zones that are not known yet.
    pub baselines: Arc<Baselines>,
    /// How zones are called in metrics.
    pub labels: Arc<ZoneLabels>,
}

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
        Ok(()) => info!(%shard, "shard handed back"),
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
    views: ZoneViews,
    meter: Meter,
    saver: Saver,
    state: Detector,
    /// Windows and findings that were told: all are acknowledged before the next commit.
    windows: Outgoing,
    findings: Outgoing,
    /// When the last source record of the last message had arrived, milliseconds since 1970.
    heard_ms: i64,
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
            views: ZoneViews::new(lease.key.as_str(), Arc::clone(&shared.labels)),
            meter: Meter::new(now, lease.load),
            saver: Saver::new(lease.key.as_str().into(), named),
            state: Detector::new(shared.settings.clone()),
            windows: Outgoing::new(shared.windows.clone()),
            findings: Outgoing::new(shared.findings.clone()),
            heard_ms: 0,
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
            loaded = self.begin() => Some(loaded?),
            _ = phase.wait_for(|phase| *phase == Phase::Drain) => None,
        };
        if loaded.is_none() {
            // Nothing was read, so there is nothing to store: a bucket that does not answer holds up no drain.
            self.commits.commit(Commit::at(self.through.clone(), Then::Release)).await?;
            return Ok(());
        }
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
                self.leave_view().await;
                return self.save(Then::Release).await;
            }
            let now = shared.clock.elapsed();
            self.outgoing().for_each(|outgoing| outgoing.start(now));
            let due = self.through != self.lease.checkpoint && now.saturating_sub(self.saved_at) >= self.save_after;
            if due && self.outgoing().all(|outgoing| outgoing.is_idle()) {
                self.save(Then::Keep).await?;
                continue;
            }
            // What was told is waited for, but not without end: while one stream refuses, the other has its findings.
            let stuck = self.outgoing().any(|outgoing| outgoing.is_stuck(now));
            let held: usize = self.outgoing().map(|outgoing| outgoing.bytes()).sum();
            let reads = !due || reads_on(stuck, held);
            tokio::select! {
                _ = self.phase.changed() => {}
                () = self.windows.proceed() => {}
                () = self.findings.proceed() => {}
                () = shared.clock.sleep(LOOK), if !reads => {}
                (batch, hold) = reader.next(Room::Awaited), if reads => {
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
        let judging = self.judging();
        for record in &batch.records {
            match Message::<Tally>::decode(&record.data) {
                Ok(message) => self.apply(message, record.arrival_ms, &judging),
                Err(Unreadable::Newer(version)) => {
                    // Nothing of it is taken in; a worker that knows it shall have the shard.
                    error!(shard = %self.lease.key, version, "a digest is of a later version; update this worker");
                    self.leaves = true;
                    return;
                }
                Err(Unreadable::Malformed) => self.refused("malformed"),
            }
            let (shard, sequence_number) = (self.lease.key.as_str(), record.sequence.as_str());
            trace!(shard, counter = self.lease.counter, sequence_number, "record observed");
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
            for outcome in self.state.end(&judging) {
                self.tell(&outcome);
            }
            self.ended = Some(batch.children);
        }
    }

    fn judging(&self) -> Judging {
        let (settings, baselines) = (self.shared.tuning.borrow().clone(), self.shared.baselines.clone());
        Judging { settings, baselines, ..Judging::default() }
    }

    fn apply(&mut self, message: Message<Tally>, arrival_ms: i64, judging: &Judging) {
        self.heard_ms = message.header.time_ms;
        match self.state.apply(message, arrival_ms, judging) {
            Ok(outcome) => self.tell(&outcome),
            Err(Refused::Constants) => self.refused("constants"),
            Err(Refused::Group | Refused::Unsound) => self.refused("malformed"),
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        telemetry::count_told(&outcome.told);
        telemetry::count_findings(outcome, self.shared.clock.now_ms() - self.heard_ms);
        self.views.told(outcome);
        self.windows.push(|lines| window_line::push_all(&outcome.windows, lines));
        for finding in &outcome.findings {
            say(finding);
            self.findings.push(|lines| finding_line::push(finding, lines));
        }
    }

    fn outgoing(&mut self) -> impl Iterator<Item = &mut Outgoing> {
        [&mut self.windows, &mut self.findings].into_iter()
    }

    /// Waits until all that was told is acknowledged.
    async fn flush(&mut self) -> Result<(), Stopped> {
        while !self.outgoing().all(|outgoing| outgoing.is_idle()) {
            let now = self.shared.clock.elapsed();
            self.outgoing().for_each(|outgoing| outgoing.start(now));
            tokio::select! {
                () = self.windows.proceed() => {}
                () = self.findings.proceed() => {}
                _ = self.phase.wait_for(|phase| *phase == Phase::Lost) => return Err(Stopped::Lost),
            }
        }
        Ok(())
    }

    fn refused(&self, reason: &'static str) {
        metrics::counter!(telemetry::DIGESTS_READ_TOTAL, "outcome" => reason).increment(1);
    }

    /// All that comes before the first read. What takes part in it may not answer.
    async fn begin(&mut self) -> Result<(), Stopped> {
        self.load().await?;
        self.show().await;
        self.sweep().await
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

    /// Shows the findings that are open, with what the owner before told of them if that is at hand.
    async fn show(&mut self) {
        self.views.open(self.state.open_findings(&self.shared.tuning.borrow()));
        fleet_views::take_over(&self.shared.snapshots, self.lease.key.as_str(), &self.views).await;
    }

    /// Leaves to the next owner what is shown now. Without it details are missing until there is something to tell again.
    async fn leave_view(&mut self) {
        if !self.views.is_put() {
            // What the owner before has left says more.
            return;
        }
        let document = self.views.document(self.shared.clock.now_ms()).to_string();
        let place = fleet_views::place(self.lease.key.as_str());
        let put = self.shared.snapshots.put(&place, document.into());
        let _ = tokio::time::timeout(LEAVE_MAX, put).await;
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
        let pause = save_pause(bytes.len(), self.shared.save_period);
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
        (self.saved_at, self.save_after) = (self.shared.clock.elapsed(), self.shared.jitter.of(pause));
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
                fleet_views::forget(&self.shared.snapshots, parent.as_str()).await;
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

/// Says a finding in the log. Names in it were chosen by whoever asks.
fn say(finding: &Finding) {
    let (zone, summary) = (printable(&finding.zone_name), printable(&finding.summary));
    let (id, kind, severity) = (&finding.id, finding.kind.as_str(), finding.severity.as_str());
    match finding.status {
        _ if finding.muted => {}
        Status::Opened => warn!(zone, kind, severity, summary, id, "finding opened"),
        status => info!(zone, kind, severity, summary, id, status = status.as_str(), "finding"),
    }
}

/// The snapshot that a row names.
fn named(row: &Lease) -> Option<Name> {
    row.snapshot.as_deref().and_then(Name::parse)
}

/// Whether more is read though what was told so far should be acknowledged and stored.
fn reads_on(stuck: bool, held: usize) -> bool {
    stuck && held < TOLD_BYTES_MAX
}

/// Until the next snapshot, when one of so many bytes was stored.
fn save_pause(bytes: usize, period: Duration) -> Duration {
    Duration::from_secs((bytes / SAVED_BYTES_A_SECOND) as u64).max(period)
}

#[cfg(test)]
#[path = "rollup_task_test.rs"]
mod tests;
