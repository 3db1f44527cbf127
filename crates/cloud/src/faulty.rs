//! Ports that fail by a seed: lost replies, lost calls, throttles, delays, partial failures, old scans.
//!
//! A wrapper draws the fate of a call when the call is first polled. The same seed and the same order of calls give the
//! same fates. A *lost reply* is the one that matters most: the effect happened, and the caller is told
//! [`Error::Unavailable`].

use crate::{
    Batch, Call, Create, Cursor, DeliveryStream, Entry, Error, LeaseTable, Refused, Start, Stream, WriteError,
};
use bytes::Bytes;
use lease::{Lease, Shard, ShardId, Write};
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
            stale_scan: 0.0,
        }
    }
}

/// A port that spoils the calls of another.
pub struct Faulty<P: ?Sized> {
    port: Arc<P>,
    rates: Rates,
    random: Mutex<Random>,
    last_scan: Mutex<Option<Vec<Lease>>>,
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

    fn scan(&self) -> Call<'_, Result<Vec<Lease>, Error>> {
        Box::pin(self.spoil("scan", self.name(), async move {
            let stale = self.happens(self.rates.stale_scan);
            let last = self.last_scan.lock().expect("no holder of this lock panics").clone();
            if let (true, Some(leases)) = (stale, last) {
                return Ok(leases);
            }
            let leases = self.port.scan().await?;
            *self.last_scan.lock().expect("no holder of this lock panics") = Some(leases.clone());
            Ok(leases)
        }))
    }

    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        Box::pin(self.spoil("get", self.name(), self.port.get(key)))
    }

    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        Box::pin(self.spoil("write", self.name(), self.port.write(write)))
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
    /// The next number, 0.0 to below 1.0.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits are what the fraction holds.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}
