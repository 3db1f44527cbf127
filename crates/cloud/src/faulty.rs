//! Ports that fail by a seed: lost replies, lost calls, throttles, delays, partial failures, old scans.
//!
//! A wrapper draws the fate of a call when the call is first polled. The same seed and the same order of calls give the
//! same fates. A *lost reply* is the one that matters most: the effect happened, and the caller is told
//! [`Error::Unavailable`].

mod subscription;

use crate::{
    Batch, Call, Consumer, Create, Cursor, DeliveryStream, Entry, Error, LeaseTable, Refused, Scan, Snapshots, Start,
    StateTable, Stream, Subscription, WriteError,
};
use bytes::Bytes;
use lease::{Beaten, Lease, Member, Shard, ShardId, WorkerId, Write};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often calls are spoiled; each rate is a share of the calls, 0.0 to 1.0.
#[derive(Debug, Clone)]
pub struct Rates {
    /// The call took effect, its reply is lost.
    pub lost_reply: f64,
    /// The call never arrived.
    pub lost_call: f64,
    /// The call is refused for now.
    pub throttled: f64,
    /// The call takes up to `delay_max` longer, half of that before its effect and half after.
    pub delayed: f64,
    /// The longest delay.
    pub delay_max: Duration,
    /// An entry of a put is refused; drawn for each entry.
    pub refused_entry: f64,
    /// A cursor has grown too old for a read.
    pub expired: f64,
    /// An event of a subscription is lost and the subscription breaks there; drawn for each event.
    pub broken: f64,
    /// A subscription falls silent at an event, and says nothing more; drawn for each event.
    pub silent: f64,
    /// A scan answers what an earlier scan saw.
    pub stale_scan: f64,
}

impl Rates {
    /// Nothing is spoiled; a start for `Rates { throttled: 0.1, ..Rates::none() }`.
    pub fn none() -> Self {
        Self {
            lost_reply: 0.0,
            lost_call: 0.0,
            throttled: 0.0,
            delayed: 0.0,
            delay_max: Duration::ZERO,
            refused_entry: 0.0,
            expired: 0.0,
            broken: 0.0,
            silent: 0.0,
            stale_scan: 0.0,
        }
    }
}

/// A port that spoils the calls of another.
pub struct Faulty<P: ?Sized> {
    port: Arc<P>,
    rates: Rates,
    random: Mutex<Random>,
    last_scan: Mutex<Option<Scan>>,
}

impl<P: ?Sized> Faulty<P> {
    /// Spoils calls to `port` at these rates.
    pub fn new(port: Arc<P>, rates: Rates, seed: u64) -> Self {
        Self { port, rates, random: Mutex::new(Random(seed)), last_scan: Mutex::new(None) }
    }

    /// Whether something that happens at `rate` happens now. A rate of zero draws nothing, so that adding a kind of fault
    /// does not change what a seed of other faults does.
    fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.random().unit() < rate
    }

    fn random(&self) -> std::sync::MutexGuard<'_, Random> {
        self.random.lock().expect("no holder of this lock panics")
    }

    /// Makes `call`, or not, and answers as its fate is.
    async fn spoil<T, E: From<Error>>(
        &self,
        action: &'static str,
        name: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let unavailable = |message: &str| {
            E::from(Error::Unavailable { action, resource: name.to_owned(), message: message.to_owned() })
        };
        // All drawn at once: what happens during the delays must not change this call's fate.
        let throttled = self.happens(self.rates.throttled);
        let lost_call = self.happens(self.rates.lost_call);
        let lost_reply = self.happens(self.rates.lost_reply);
        let pause = match self.happens(self.rates.delayed) {
            true => self.rates.delay_max.mul_f64(self.random().unit() / 2.0),
            false => Duration::ZERO,
        };
        wait(pause).await;
        if throttled {
            let retry_after = Duration::from_millis(200);
            return Err(Error::Throttled { action, resource: name.to_owned(), retry_after }.into());
        }
        if lost_call {
            return Err(unavailable("the call was lost"));
        }
        let answer = call.await;
        wait(pause).await;
        if lost_reply { Err(unavailable("the reply was lost")) } else { answer }
    }

    /// Which entries of a put are refused, and which are put.
    fn divide<T: Clone>(&self, entries: &[T]) -> (Vec<Refused>, Vec<usize>, Vec<T>) {
        let refused: Vec<_> = (0..entries.len()).filter(|_| self.happens(self.rates.refused_entry)).collect();
        let taken: Vec<_> = (0..entries.len()).filter(|index| refused.binary_search(index).is_err()).collect();
        let kept = taken.iter().map(|index| entries[*index].clone()).collect();
        let code = "InternalFailure";
        (refused.into_iter().map(|index| Refused { index, code: code.into() }).collect(), taken, kept)
    }
}

/// Adds what the port itself refused of the entries that it was given.
fn join(mut refused: Vec<Refused>, taken: &[usize], by_port: Vec<Refused>) -> Vec<Refused> {
    refused.extend(by_port.into_iter().map(|entry| Refused { index: taken[entry.index], ..entry }));
    refused.sort_by_key(|entry| entry.index);
    refused
}

async fn wait(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

impl<P: Stream + ?Sized> Stream for Faulty<P> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<Duration, Error>> {
        Box::pin(self.spoil("ensure", self.name(), self.port.ensure(create)))
    }

    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>> {
        Box::pin(self.spoil("list", self.name(), self.port.shards()))
    }

    fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>> {
        Box::pin(self.spoil("cursor", self.name(), self.port.cursor(shard, start)))
    }

    fn read<'a>(&'a self, shard: &'a ShardId, cursor: &'a Cursor, records_max: u32) -> Call<'a, Result<Batch, Error>> {
        Box::pin(self.spoil("read", self.name(), async move {
            if self.happens(self.rates.expired) {
                return Err(Error::Expired);
            }
            self.port.read(shard, cursor, records_max).await
        }))
    }

    fn register<'a>(&'a self, consumer: &'a str) -> Call<'a, Result<Consumer, Error>> {
        Box::pin(self.spoil("register", self.name(), self.port.register(consumer)))
    }

    fn subscribe<'a>(
        &'a self,
        consumer: &'a Consumer,
        shard: &'a ShardId,
        start: &'a Start,
    ) -> Call<'a, Result<Box<dyn Subscription>, Error>> {
        Box::pin(self.spoil("subscribe", self.name(), async move {
            let subscription = self.port.subscribe(consumer, shard, start).await?;
            let Rates { broken, silent, .. } = self.rates;
            if broken == 0.0 && silent == 0.0 {
                return Ok(subscription);
            }
            let random = Random(self.random().next());
            let spoiled = subscription::Spoiled::new(subscription, self.name(), (broken, silent), random);
            Ok(Box::new(spoiled) as Box<dyn Subscription>)
        }))
    }

    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(self.spoil("put", self.name(), async move {
            let (refused, taken, kept) = self.divide(entries);
            Ok(join(refused, &taken, self.port.put(&kept).await?))
        }))
    }
}

impl<P: LeaseTable + ?Sized> LeaseTable for Faulty<P> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(self.spoil("ensure", self.name(), self.port.ensure(create)))
    }

    fn scan(&self) -> Call<'_, Result<Scan, Error>> {
        Box::pin(self.spoil("scan", self.name(), async move {
            let stale = self.happens(self.rates.stale_scan);
            let last = self.last_scan.lock().expect("no holder of this lock panics").clone();
            if let (true, Some(scan)) = (stale, last) {
                return Ok(scan);
            }
            let scan = self.port.scan().await?;
            *self.last_scan.lock().expect("no holder of this lock panics") = Some(scan.clone());
            Ok(scan)
        }))
    }

    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>> {
        Box::pin(self.spoil("owned", self.name(), self.port.owned(owner)))
    }

    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        Box::pin(self.spoil("get", self.name(), self.port.get(key)))
    }

    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        Box::pin(self.spoil("write", self.name(), self.port.write(write)))
    }
}

impl<P: StateTable + ?Sized> StateTable for Faulty<P> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(self.spoil("ensure", self.name(), self.port.ensure(create)))
    }

    fn beat<'a>(&'a self, member: &'a Member, heard: &'a [ShardId], expires: i64) -> Call<'a, Result<Beaten, Error>> {
        Box::pin(self.spoil("beat", self.name(), self.port.beat(member, heard, expires)))
    }

    fn read<'a>(&'a self, ids: &'a [WorkerId]) -> Call<'a, Result<Vec<Member>, Error>> {
        Box::pin(self.spoil("read", self.name(), self.port.read(ids)))
    }

    fn scan(&self) -> Call<'_, Result<Vec<Member>, Error>> {
        Box::pin(self.spoil("scan", self.name(), self.port.scan()))
    }

    fn announce<'a>(&'a self, to: &'a WorkerId, shards: &'a [ShardId]) -> Call<'a, Result<bool, Error>> {
        Box::pin(self.spoil("announce", self.name(), self.port.announce(to, shards)))
    }

    fn remove<'a>(&'a self, id: &'a WorkerId, beat: u64) -> Call<'a, Result<bool, Error>> {
        Box::pin(self.spoil("remove", self.name(), self.port.remove(id, beat)))
    }
}

impl<P: Snapshots + ?Sized> Snapshots for Faulty<P> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(self.spoil("check", self.name(), self.port.check()))
    }

    fn put<'a>(&'a self, name: &'a str, data: Bytes) -> Call<'a, Result<(), Error>> {
        Box::pin(self.spoil("put", self.name(), self.port.put(name, data)))
    }

    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Result<Option<Bytes>, Error>> {
        Box::pin(self.spoil("get", self.name(), self.port.get(name)))
    }

    fn delete<'a>(&'a self, name: &'a str) -> Call<'a, Result<(), Error>> {
        Box::pin(self.spoil("delete", self.name(), self.port.delete(name)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Call<'a, Result<Vec<String>, Error>> {
        Box::pin(self.spoil("list", self.name(), self.port.list(prefix)))
    }
}

impl<P: DeliveryStream + ?Sized> DeliveryStream for Faulty<P> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(self.spoil("check", self.name(), self.port.check()))
    }

    fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(self.spoil("put", self.name(), async move {
            let (refused, taken, kept) = self.divide(entries);
            Ok(join(refused, &taken, self.port.put(&kept).await?))
        }))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose fates by.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, 0.0 to below 1.0.
    fn unit(&mut self) -> f64 {
        // 53 bits are what the fraction holds.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;
    use lease::Checkpoint;

    fn entry(text: &str) -> Entry {
        Entry { partition_key: "k".into(), hash_key: None, data: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// A table with a row that nobody has taken.
    async fn table() -> Arc<memory::LeaseTable> {
        let table = Arc::new(memory::LeaseTable::new("leases"));
        table.ensure(Create::IfMissing).await.unwrap();
        let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon);
        table.write(&Write::Create(fresh)).await.unwrap();
        table
    }

    fn take(owner: &str) -> Write {
        Write::Take {
            key: ShardId::new("s"),
            counter: 0,
            from: None,
            owner: WorkerId::new(owner),
            start_ms: None,
            anew: false,
        }
    }

    #[tokio::test]
    async fn a_lost_reply_hides_what_was_done_and_a_lost_call_did_nothing() {
        for (rates, counter) in [
            (Rates { lost_reply: 1.0, ..Rates::none() }, 1),
            (Rates { lost_call: 1.0, ..Rates::none() }, 0),
            (Rates { throttled: 1.0, ..Rates::none() }, 0),
        ] {
            let table = table().await;
            let answer = Faulty::new(table.clone(), rates.clone(), 7).write(&take("a")).await;
            match answer {
                Err(WriteError::Failed(Error::Unavailable { .. })) => assert!(rates.throttled == 0.0),
                Err(WriteError::Failed(Error::Throttled { .. })) => assert!(rates.throttled > 0.0),
                other => panic!("{rates:?}: {other:?}"),
            }
            assert_eq!(table.get(&ShardId::new("s")).await.unwrap().unwrap().counter, counter, "{rates:?}");
        }
    }

    #[tokio::test]
    async fn refused_entries_are_not_put_and_the_others_are() {
        let stream = Arc::new(memory::Stream::new("queries", 1, Arc::new(|| 0)));
        let rates = Rates { refused_entry: 0.5, ..Rates::none() };
        let entries: Vec<_> = (0..100).map(|number| entry(&number.to_string())).collect();
        let refused = Faulty::new(stream.clone(), rates, 7).put(&entries).await.unwrap();
        assert!((25..75).contains(&refused.len()), "{}", refused.len());

        let shard = ShardId::new("shardId-000000000000");
        let cursor = stream.cursor(&shard, &Start::TrimHorizon).await.unwrap();
        let there = stream.read(&shard, &cursor, 100).await.unwrap().records;
        let accepted: Vec<_> = (0..100)
            .filter(|index| refused.iter().all(|entry| entry.index != *index))
            .map(|index| index.to_string())
            .collect();
        assert_eq!(
            there.iter().map(|record| record.data.to_vec()).collect::<Vec<_>>(),
            accepted.iter().map(|text| text.as_bytes()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_the_port_refuses_keeps_its_place() {
        let refused = |index| Refused { index, code: "busy".into() };
        assert_eq!(
            join(vec![refused(1)], &[0, 2, 3], vec![refused(0), refused(2)]),
            [refused(0), refused(1), refused(3)]
        );
    }

    #[tokio::test]
    async fn one_seed_is_one_run() {
        let rates = Rates { lost_reply: 0.2, lost_call: 0.2, throttled: 0.2, stale_scan: 0.3, ..Rates::none() };
        let mut runs = Vec::new();
        for seed in [7, 7, 8] {
            let faulty = Faulty::new(table().await as Arc<dyn LeaseTable>, rates.clone(), seed);
            let mut answers = Vec::new();
            for number in 0..40 {
                let write = Write::Renew { key: ShardId::new("s"), counter: number };
                answers.push(format!("{:?} {:?}", faulty.write(&write).await, faulty.scan().await));
            }
            runs.push(answers);
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }

    #[tokio::test]
    async fn a_stale_scan_shows_an_earlier_one() {
        let table = table().await;
        let faulty = Faulty::new(table.clone(), Rates { stale_scan: 1.0, ..Rates::none() }, 7);
        let before = faulty.scan().await.unwrap();
        table.write(&take("a")).await.unwrap();
        assert_eq!(faulty.scan().await.unwrap(), before);
        assert_eq!(
            faulty.get(&ShardId::new("s")).await.unwrap().unwrap().counter,
            1,
            "single rows are read consistently"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_no_longer_than_its_limit() {
        let rates = Rates { delayed: 1.0, delay_max: Duration::from_secs(10), ..Rates::none() };
        let faulty = Faulty::new(table().await, rates, 7);
        let started = tokio::time::Instant::now();
        for calls in 1..=20 {
            let before = started.elapsed();
            faulty.scan().await.unwrap();
            let took = started.elapsed() - before;
            // The timer counts whole milliseconds, once before the effect and once after.
            assert!(took > Duration::ZERO && took <= Duration::from_millis(10_002), "call {calls} took {took:?}");
        }
        assert!(started.elapsed() > Duration::from_secs(20), "delays are spread up to their limit");
    }

    #[tokio::test]
    async fn a_cursor_expires_by_chance() {
        let stream = memory::Stream::new("queries", 1, Arc::new(|| 0));
        let shard = ShardId::new("shardId-000000000000");
        let cursor = stream.cursor(&shard, &Start::TrimHorizon).await.unwrap();
        let faulty = Faulty::new(Arc::new(stream), Rates { expired: 1.0, ..Rates::none() }, 7);
        assert_eq!(faulty.read(&shard, &cursor, 1).await.unwrap_err(), Error::Expired);
    }

    #[tokio::test]
    async fn refused_deliveries_are_not_taken() {
        let delivery = Arc::new(memory::DeliveryStream::keeping("records"));
        let faulty = Faulty::new(delivery.clone(), Rates { refused_entry: 1.0, ..Rates::none() }, 7);
        assert_eq!(faulty.put(&[Bytes::from_static(b"x")]).await.unwrap().len(), 1);
        assert!(delivery.entries().is_empty());
    }
}
