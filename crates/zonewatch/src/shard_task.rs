//! One source shard from lease to checkpoint: read, observe, commit, deliver.
//!
//! Records gather in the open epoch. Cutting it writes the lease row first: the checkpoint of the epoch before, and this
//! one as pending. Only then is it delivered, and only when all of it is acknowledged may the next one be cut. So a
//! successor finds in the row which records may have been delivered in part, and makes the same epoch again.
//! Reading and observing the next epoch go on meanwhile, within the byte budget.

use crate::budget::{Budget, Hold};
use crate::clock::Clock;
use crate::config::{Compression, Packing};
use crate::digests::Digests;
use crate::epoch::{Epoch, Worked};
use crate::load::Meter;
use crate::observe::{Counts, Settings};
use crate::observers::Observers;
use crate::outlet::Outlet;
use crate::quarantine::Quarantine;
use crate::reader::{Reader, Readers, Room};
use crate::supervisor::{Commits, Held, LeaseLost, Phase};
use crate::telemetry::{self, ShardSeries};
use cloud::{Batch, Record, Start, Stream};
use detect::message::Header;
use detect::summary::{MESSAGE_BYTES_MAX, Summary};
use detect::{Digest, Sequence};
use lease::{Checkpoint, Commit, Epochs, Lease, Next, Put, Rules, SequenceNumber, Shard, Then};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{info, trace, warn};

/// At the tip of the shard, time is told so often (protocol rule O7).
const MARK_PERIOD: Duration = Duration::from_secs(5);
/// A read that is answered at once may have been waiting: when its answer was made is not known.
const WAITED_MIN: Duration = Duration::from_millis(20);

/// After this long without a new epoch, what is acknowledged is committed by itself.
const COMMIT_IDLE: Duration = Duration::from_secs(3);

/// What all shard tasks of the process share.
pub struct Shared {
    /// The source stream.
    pub stream: Arc<dyn Stream>,
    /// Where records go; `None`: nowhere, only metrics are wanted.
    pub records: Option<Arc<Outlet>>,
    /// How they become entries.
    pub packing: Packing,
    /// How entries are compressed.
    pub compression: Compression,
    /// Where rejects go.
    pub quarantine: Quarantine,
    /// Where digests go; `None`: nobody computes windows.
    pub digests: Option<Arc<Digests>>,
    /// What the stage does.
    pub settings: Arc<Settings>,
    /// Decoders and caches.
    pub observers: Observers,
    /// What may be held.
    pub budget: Budget,
    /// How shards are read.
    pub readers: Arc<Readers>,
    /// When an epoch is cut at the latest, and what counts as lost.
    pub rules: Rules,
    /// How large an epoch may grow.
    pub epoch_bytes_max: usize,
    /// Time.
    pub clock: Clock,
    /// Told of every acknowledged epoch: metrics and the status page.
    pub acknowledged: Acknowledged,
}

/// Told of an acknowledged epoch.
pub type Acknowledged = Box<dyn Fn(&Digest, &Counts) + Send + Sync>;

/// Runs until the lease is lost, handed back, or the shard has ended.
pub async fn run(held: Held, shared: Arc<Shared>) {
    let shard = held.lease.key.clone();
    if !held.checkpoint_is_ours {
        warn!(%shard, checkpoint = held.lease.checkpoint.as_str(), "another consumer moved the checkpoint; reading goes on from there");
    }
    let mut task = ShardTask::new(held, shared);
    match task.work().await {
        Ok(()) => {
            let (checkpoint, last_record_ms) = (task.lease.checkpoint.as_str(), task.last_record_ms);
            info!(%shard, checkpoint, last_record_ms, "shard handed back");
        }
        Err(LeaseLost) => {
            warn!(%shard, checkpoint = task.lease.checkpoint.as_str(), "lease lost; what was under way is left to the next owner");
        }
    }
}

/// An epoch on its way; answers it when everything of it is acknowledged. `None`: it was the shard's last word.
type Delivery = Pin<Box<dyn Future<Output = Option<Worked>> + Send>>;
type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;
/// A mark on its way; answers it if every key group has it.
type Marking = Pin<Box<dyn Future<Output = Option<Put>> + Send>>;

/// What came of a read, and the reader for the next one.
struct Read {
    reader: Reader,
    batch: Batch,
    hold: Hold,
    /// When it was sent, by the own clock, if that is known.
    sent_ms: Option<i64>,
}

struct ShardTask {
    shared: Arc<Shared>,
    commits: Commits,
    phase: watch::Receiver<Phase>,
    lease: Lease,
    series: ShardSeries,
    /// What the shard costs.
    meter: Meter,
    /// When its last record was observed, and whether any was.
    last_record_ms: Option<i64>,
    /// Records read and not yet observed, with what holds them.
    waiting: VecDeque<Record>,
    hold: Hold,
    /// What becomes of the records: which are one epoch, and what the row says of them.
    epochs: Epochs,
    open: Epoch,
    acknowledged_at: Duration,
    /// The last read found nothing, and nothing behind it.
    at_tip: bool,
    /// When a read was sent after which nothing had come, if that is known and nothing has come since.
    idle_since_ms: Option<i64>,
    mark: Option<Marking>,
    marked_at: Option<Duration>,
    /// The shard's end has been read; with its children.
    ended: Option<Vec<Shard>>,
    /// Nothing more is to be said of it.
    last_word_said: bool,
}

impl ShardTask {
    fn new(held: Held, shared: Arc<Shared>) -> Self {
        let lease = held.lease;
        let series = ShardSeries::new(shared.stream.name(), lease.key.as_str());
        Self {
            commits: held.commits,
            phase: held.phase,
            series,
            meter: Meter::new(shared.clock.elapsed(), lease.load),
            last_record_ms: None,
            waiting: VecDeque::new(),
            hold: Hold::nothing(&shared.budget),
            epochs: Epochs::new(&lease, held.checkpoint_is_ours, shared.rules),
            open: Epoch::new(&shared.settings, &shared.budget),
            acknowledged_at: Duration::ZERO,
            at_tip: false,
            idle_since_ms: None,
            mark: None,
            marked_at: None,
            ended: None,
            last_word_said: false,
            lease,
            shared,
        }
    }

    async fn work(&mut self) -> Result<(), LeaseLost> {
        let shared = self.shared.clone();
        let reader = shared.readers.open(self.lease.key.clone(), start_of(&self.lease));
        let mut idle_reader = Some(reader);
        let mut reading: Option<Reading> = None;
        let mut delivery: Option<Delivery> = None;
        loop {
            let phase = *self.phase.borrow_and_update();
            if phase == Phase::Lost {
                return Err(LeaseLost);
            }
            let next = self.observe_waiting(phase).await;
            if delivery.is_none() && self.epochs.is_due(shared.clock.elapsed(), next) {
                delivery = Some(self.cut().await?);
            }
            if phase == Phase::Drain && self.ended.is_none() && self.epochs.is_remaking() {
                // The rest of the pending epoch is not read. A shorter one must not be put in its place.
                self.forget_open();
            }
            let at_rest = delivery.is_none() && self.waiting.is_empty() && self.open.is_empty();
            if at_rest && (phase == Phase::Drain || self.ended.is_some()) {
                match self.last_word() {
                    Some(last) => delivery = Some(last),
                    None => return self.finish().await,
                }
            } else if at_rest {
                self.commit_due().await?;
                self.put_mark();
            }
            if phase == Phase::Run && self.ended.is_none() && self.waiting.is_empty() && reading.is_none() {
                let mut reader = idle_reader.take().expect("the reader is idle while nothing is being read");
                let room = self.room();
                let clock = shared.clock;
                reading = Some(Box::pin(async move {
                    let (sent_ms, begun) = (clock.now_ms(), tokio::time::Instant::now());
                    let (batch, hold) = reader.next(room).await;
                    let sent_ms = Some(sent_ms).filter(|_| begun.elapsed() >= WAITED_MIN);
                    Read { reader, batch, hold, sent_ms }
                }));
            }
            let deadline = self.until_next_deadline(delivery.is_some());
            tokio::select! {
                _ = self.phase.changed() => {}
                worked = async { delivery.as_mut().expect("guarded").await }, if delivery.is_some() => {
                    delivery = None;
                    self.delivered(worked);
                }
                // A drain drops a read under way: nothing of it has been observed.
                Read { reader, batch, hold, sent_ms } = async { reading.as_mut().expect("guarded").await },
                    if reading.is_some() && phase == Phase::Run =>
                {
                    reading = None;
                    idle_reader = Some(reader);
                    self.read(batch, hold, sent_ms, delivery.is_some());
                }
                marked = async { self.mark.as_mut().expect("guarded").await }, if self.mark.is_some() => {
                    self.mark = None;
                    marked.iter().for_each(|mark| self.epochs.mark_acknowledged(mark));
                }
                () = shared.clock.sleep(deadline) => {}
            }
        }
    }

    fn read(&mut self, batch: Batch, hold: Hold, sent_ms: Option<i64>, delivering: bool) {
        self.series.behind(batch.behind);
        self.at_tip = batch.records.is_empty() && batch.behind.is_zero();
        self.idle_since_ms = sent_ms.or(self.idle_since_ms).filter(|_| self.at_tip);
        if batch.next.is_none() {
            self.ended = Some(batch.children);
        }
        if self.at_tip && !delivering && self.epochs.is_at_rest() && !self.has_news() {
            self.series.acknowledged();
        }
        self.waiting.extend(batch.records);
        self.hold = hold;
    }

    /// A pending epoch is delivered whole or not at all. If each of many shards waited for the room that the others' parts
    /// take, none would ever be delivered.
    fn room(&self) -> Room {
        let part = self.epochs.is_remaking() && !self.open.is_empty();
        if part { Room::Taken } else { Room::Awaited }
    }

    /// Observes what waits, as far as it may join the open epoch; what comes after that.
    async fn observe_waiting(&mut self, phase: Phase) -> Next {
        let shared = self.shared.clone();
        let mut since_yield = std::time::Instant::now();
        while let Some(record) = self.waiting.front() {
            if !self.epochs.may_join(&record.sequence) {
                return Next::Beyond;
            }
            if self.is_full() {
                return Next::Full;
            }
            let record = self.waiting.pop_front().expect("it was just there");
            self.epochs.join(&record.sequence, record.arrival_ms, shared.clock.elapsed());
            self.observe(&record).await;
            // Other shards' tasks and the listeners share this thread.
            if since_yield.elapsed() > Duration::from_millis(2) {
                tokio::task::yield_now().await;
                since_yield = std::time::Instant::now();
            }
        }
        self.hold.resize(0);
        match phase {
            _ if self.ended.is_some() => Next::End,
            Phase::Drain | Phase::Lost => Next::Full,
            Phase::Run if self.is_full() => Next::Full,
            Phase::Run if self.at_tip => Next::Tip,
            Phase::Run => Next::Unknown,
        }
    }

    async fn observe(&mut self, record: &Record) {
        let shared = &self.shared;
        if self.open.is_empty() {
            self.open.opened_at = shared.clock.elapsed();
        }
        let shard = self.lease.key.as_str();
        let open = &mut self.open;
        let busy = shared.observers.with(|observer| open.observe(observer, shard, record)).await;
        self.meter.add(record.data.len(), busy);
        let sequence_number = record.sequence.as_str();
        trace!(shard, counter = self.lease.counter, sequence_number, "record observed");
        if self.last_record_ms.replace(shared.clock.now_ms()).is_none() {
            info!(shard, sequence_number, "first record under this lease");
        }
    }

    /// No further record should enter the open epoch, though it may. A former owner's is made again whatever its size.
    fn is_full(&self) -> bool {
        let large =
            self.open.bytes() >= self.shared.epoch_bytes_max || self.open.digest_bytes_max() >= MESSAGE_BYTES_MAX / 2;
        // With the budget spent, what is there leaves first; one record is taken in any case, so that it goes on.
        !self.epochs.is_remaking() && !self.open.is_empty() && (large || self.shared.budget.is_spent())
    }

    fn forget_open(&mut self) {
        self.epochs.drop_open();
        self.open = Epoch::new(&self.shared.settings, &self.shared.budget);
    }

    /// Names the open epoch in the row and begins its delivery.
    async fn cut(&mut self) -> Result<Delivery, LeaseLost> {
        let fresh = Epoch::new(&self.shared.settings, &self.shared.budget);
        let epoch = std::mem::replace(&mut self.open, fresh);
        if epoch.bytes() >= self.shared.epoch_bytes_max {
            metrics::counter!(telemetry::LIMITS_REACHED_TOTAL, "limit" => "epoch_bytes_max").increment(1);
        }
        if let Some(commit) = self.epochs.cut() {
            self.commit(commit).await?;
        }
        let shared = self.shared.clone();
        let put = self.epochs.put(shared.clock.now_ms());
        let header = (!put.records_only).then(|| self.header(&put)).flatten();
        Ok(Box::pin(async move { Some(epoch.deliver(&shared, header).await) }))
    }

    fn delivered(&mut self, worked: Option<Worked>) {
        if let Some(Worked { digest, counts }) = worked {
            (self.shared.acknowledged)(&digest, &counts);
        } else {
            self.last_word_said = true;
        }
        self.epochs.acknowledged();
        self.acknowledged_at = self.shared.clock.elapsed();
    }

    /// Everything of the shard is acknowledged, and windows are to know that nothing follows.
    fn last_word(&mut self) -> Option<Delivery> {
        let digests = self.shared.digests.clone().filter(|_| self.ended.is_some() && !self.last_word_said)?;
        let put = self.epochs.last_word(self.shared.clock.now_ms())?;
        let messages = Summary::new(digests.constants()).messages(&self.header(&put)?);
        Some(Box::pin(async move {
            digests.put(messages).await;
            None
        }))
    }

    /// At the tip of the shard, says how far time has come.
    fn put_mark(&mut self) {
        let now = self.shared.clock.elapsed();
        let due = self.marked_at.is_none_or(|at| now.saturating_sub(at) >= MARK_PERIOD);
        let Some(digests) = self.shared.digests.clone().filter(|_| due && self.mark.is_none()) else { return };
        let Some(sent_ms) = self.idle_since_ms else { return };
        let Some(mark) = self.epochs.mark(sent_ms, self.shared.clock.now_ms()) else { return };
        let Some(header) = self.header(&mark) else { return };
        self.marked_at = Some(now);
        let messages = Summary::new(digests.constants()).messages(&header);
        // One that hangs is given up with its connection: much later, a fast clock would say too much.
        let (clock, put) = (self.shared.clock, async move { digests.put_once(messages).await.then_some(mark) });
        self.mark = Some(Box::pin(async move {
            tokio::select! {
                marked = put => marked,
                () = clock.sleep(MARK_PERIOD) => None,
            }
        }));
    }

    /// What windows are told beside the counts; `None` if nobody computes any.
    fn header(&self, put: &Put) -> Option<Header> {
        let place = |at: &Option<SequenceNumber>| at.as_ref().and_then(|at| Sequence::parse(at.as_str()));
        let range = self.lease.hash_range.map_or(0..=u128::MAX, |range| range.start..=range.end);
        Some(Header {
            constants: self.shared.digests.as_ref()?.constants(),
            shard: self.lease.key.as_str().into(),
            hash_range: range,
            parents: self.lease.parents.iter().map(|parent| parent.as_str().into()).collect(),
            after: place(&put.after),
            through: place(&put.through),
            time_ms: put.time_ms,
            hole_ms: put.hole_ms,
            end: put.end,
        })
    }

    /// Something is acknowledged that the row does not know.
    fn has_news(&self) -> bool {
        *self.epochs.checkpoint() != self.lease.checkpoint
    }

    /// Commits what is acknowledged, if nothing has followed it for a while; and, where windows are computed, until when the
    /// shard was read.
    async fn commit_due(&mut self) -> Result<(), LeaseLost> {
        let waited = self.shared.clock.elapsed().saturating_sub(self.acknowledged_at);
        if self.has_news() && waited < COMMIT_IDLE || !self.has_news() && self.shared.digests.is_none() {
            return Ok(());
        }
        self.commit_acknowledged().await
    }

    async fn commit_acknowledged(&mut self) -> Result<(), LeaseLost> {
        match self.epochs.commit_due(self.idle_since_ms) {
            Some(commit) => self.commit(commit).await,
            None => Ok(()),
        }
    }

    /// Moves the checkpoint to what is acknowledged and names what comes next, in one write.
    async fn commit(&mut self, commit: Commit) -> Result<(), LeaseLost> {
        self.write(commit).await?;
        // Nobody but the owner names an epoch; whoever did will go on from there.
        if self.epochs.committed(&self.lease) { Ok(()) } else { Err(LeaseLost) }
    }

    async fn write(&mut self, commit: Commit) -> Result<(), LeaseLost> {
        let load = self.meter.load(self.shared.clock.elapsed());
        self.lease = self.commits.commit(Commit { load, ..commit }).await?;
        self.series.acknowledged();
        Ok(())
    }

    /// Everything read is acknowledged: hand the lease back, as ended if the shard has.
    async fn finish(&mut self) -> Result<(), LeaseLost> {
        let Some(children) = self.ended.take() else {
            // A former owner's epoch that was not made again stays pending for the next.
            return self.write(self.epochs.release(Then::Release)).await;
        };
        if self.has_news() {
            self.commit_acknowledged().await?;
        }
        self.commits.end(self.epochs.read_until_ms(), children).await?;
        self.lease.checkpoint = Checkpoint::ShardEnd;
        Ok(())
    }

    fn until_next_deadline(&self, delivering: bool) -> Duration {
        let now = self.shared.clock.elapsed();
        let mut deadline = now + Duration::from_secs(60);
        // As `Epochs::is_due` and `commit_due` have it: a deadline that is not acted on would be waited for in vain.
        if !delivering && !self.open.is_empty() && !self.epochs.is_remaking() {
            deadline = deadline.min(self.open.opened_at + self.shared.rules.epoch);
        }
        if !delivering && self.open.is_empty() && self.waiting.is_empty() && self.has_news() {
            deadline = deadline.min(self.acknowledged_at + COMMIT_IDLE);
        }
        // Never zero: a deadline just passed is acted on at the next turn.
        deadline.saturating_sub(now).max(Duration::from_millis(1))
    }
}

/// Where reading begins under this lease.
pub fn start_of(lease: &Lease) -> Start {
    if let Some(pending) = &lease.pending {
        return Start::At(pending.first.clone());
    }
    match (&lease.checkpoint, lease.start_ms) {
        (Checkpoint::At { sequence, sub: 0 }, _) => Start::After(sequence.clone()),
        // KCL stopped inside an aggregated record: it is read again as a whole, and ids tell what came twice.
        (Checkpoint::At { sequence, .. }, _) => Start::At(sequence.clone()),
        (Checkpoint::Latest | Checkpoint::AtTimestamp, Some(start_ms)) => Start::AtTimestamp(start_ms),
        (Checkpoint::Latest, None) => Start::Latest,
        _ => Start::TrimHorizon,
    }
}

#[cfg(test)]
mod tests;
