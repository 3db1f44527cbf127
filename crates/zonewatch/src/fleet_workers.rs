//! Who works in the fleet and on what, as any worker shows it: from the tables of workers and of leases.
//!
//! They are read only when somebody asks, by one who asks for all, and not again for some seconds: a fleet that nobody looks at
//! costs nothing, and one that many look at costs as much as one that one looks at.

mod rows;

use crate::clock::Clock;
use crate::http::Title;
use crate::minutely::Minutely;
use crate::telemetry::ShardSeries;
use cloud::{Error, LeaseTable, StateTable};
use lease::ShardId;
use rows::{MOVES_MAX, Move, Rows, Shard, State, Worker};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::warn;

/// Between two looks at the tables at least.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// And so many rows a second at most: a large fleet is looked at more rarely.
const ROWS_A_SECOND: u32 = 200;
/// Somebody who looks does not wait longer than this.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// Workers and shards of one answer. Ended shards come last.
const WORKERS_MAX: usize = 1_000;
const SHARDS_MAX: usize = 5_000;

/// An application's stream, and the tables of those who read it.
pub struct Application {
    /// As metrics call it.
    pub stream: String,
    pub leases: Arc<dyn LeaseTable>,
    pub state: Arc<dyn StateTable>,
}

/// The fleet's workers.
pub struct FleetWorkers {
    title: Title,
    applications: Vec<Application>,
    clock: Clock,
    said: Minutely,
    /// Locked over a look: of many who ask at once one looks, and the others wait for it instead of looking too.
    looked: Mutex<Looked>,
}

#[derive(Default)]
struct Looked {
    /// When somebody looked last, whether or not there was an answer.
    at: Option<Duration>,
    /// When all tables answered last.
    answered: Option<Duration>,
    /// By application.
    rows: Vec<Rows>,
}

impl FleetWorkers {
    /// Of these applications: the source stream's and, if windows are computed, the rollup stream's.
    pub fn new(title: Title, applications: Vec<Application>, clock: Clock) -> Self {
        let rows = applications.iter().map(|_| Rows::default()).collect();
        let looked = Mutex::new(Looked { rows, ..Looked::default() });
        Self { title, applications, clock, said: Minutely::default(), looked }
    }

    /// `/api/v1/fleet`. `this` is what only this worker knows of itself.
    pub async fn document(&self, this: &Value) -> Value {
        let looked = self.look().await;
        let now = self.clock.elapsed();
        let (shards, shards_total) = self.shards(&looked.rows);
        json!({
            "version": 1,
            "time_ms": self.clock.now_ms(),
            "scope": "fleet",
            "app": self.title.app,
            "stream": self.title.stream,
            "look_age_seconds": looked.answered.map(|answered| seconds(now.saturating_sub(answered))),
            "workers": self.workers(&looked.rows, now, this),
            "shards": shards,
            "shards_total": shards_total,
            "unreadable_leases": looked.rows.iter().map(|rows| rows.unreadable).sum::<usize>(),
            "moves": self.moves(&looked.rows),
        })
    }

    /// What changes when there are other workers or shards, or they stand otherwise. Not with ages, lags, loads and counters: a
    /// fleet at rest changes those all the time.
    pub async fn tag(&self) -> u64 {
        let looked = self.look().await;
        BuildHasherDefault::<DefaultHasher>::default().hash_one(looked.rows.iter().map(Rows::tag).collect::<Vec<_>>())
    }

    /// The tables as they were some seconds ago at most, if they answer.
    async fn look(&self) -> tokio::sync::MutexGuard<'_, Looked> {
        let mut looked = self.looked.lock().await;
        let rows: usize = looked.rows.iter().map(|rows| rows.workers.len() + rows.shards.len()).sum();
        let period = LOOK_PERIOD + Duration::from_secs(rows as u64) / ROWS_A_SECOND;
        let now = self.clock.elapsed();
        if looked.at.is_some_and(|at| now.saturating_sub(at) < period) {
            return looked;
        }
        let looks = self.applications.iter().map(|application| tokio::time::timeout(LOOK_MAX, read(application)));
        let answers = futures_util::future::join_all(looks).await;
        let (mut answered, now) = (true, self.clock.elapsed());
        for ((application, rows), answer) in self.applications.iter().zip(&mut looked.rows).zip(answers) {
            let error = match answer {
                Ok(Ok((scan, members))) => {
                    rows.look(now, self.clock.now_ms(), &members, &scan);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            answered = false;
            if self.said.is_due(now) {
                warn!(stream = application.stream, error, "the fleet was not looked at; it is shown as it was");
            }
        }
        looked.at = Some(self.clock.elapsed());
        looked.answered = if answered { looked.at } else { looked.answered };
        looked
    }

    fn workers(&self, rows: &[Rows], now: Duration, this: &Value) -> Vec<Value> {
        let mut workers: BTreeMap<&str, Worker> = BTreeMap::new();
        for (name, other) in rows.iter().flat_map(|rows| &rows.workers) {
            let same = workers.entry(name).or_insert_with(|| other.clone());
            // One that beats for one stream lives; one that leaves leaves both.
            same.state = same.state.max(other.state);
            same.beaten = same.beaten.max(other.beaten);
            same.millicores = same.millicores.or(other.millicores);
        }
        let own = self.title.worker.as_str();
        workers.entry(own).or_insert(Worker { state: State::Working, beaten: None, millicores: None });
        // Whoever answers is one of them, however many there are.
        let others = workers.keys().copied().filter(|name| *name != own);
        let beyond: Vec<&str> = others.skip(WORKERS_MAX - 1).collect();
        for name in beyond {
            workers.remove(name);
        }
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for owner in rows.iter().flat_map(|rows| rows.shards.values()).filter_map(|shard| shard.owner.as_deref()) {
            *held.entry(owner).or_default() += 1;
        }
        let document = |(name, worker): (&str, Worker)| {
            let mut document = json!({
                "worker": name,
                "this": name == own,
                "state": worker.state.as_str(),
                "age_seconds": worker.beaten.map(|beaten| seconds(now.saturating_sub(beaten))),
                "capacity": worker.millicores.map(|millicores| f64::from(millicores) / 1000.0),
                "shards": held.get(name).copied().unwrap_or(0),
            });
            if let (Some(document), true) = (document.as_object_mut(), name == own) {
                document.extend(this.as_object().cloned().unwrap_or_default());
            }
            document
        };
        workers.into_iter().map(document).collect()
    }

    /// And how many there are.
    fn shards(&self, rows: &[Rows]) -> (Vec<Value>, usize) {
        let live = ShardSeries::all();
        let mut all: Vec<(&str, &ShardId, &Shard)> = Vec::new();
        for (application, rows) in self.applications.iter().zip(rows) {
            all.extend(rows.shards.iter().map(|(name, shard)| (application.stream.as_str(), name, shard)));
        }
        let total = all.len();
        all.sort_by_key(|(.., shard)| shard.state == "ended");
        let document = |(stream, name, shard): (&str, &ShardId, &Shard)| {
            // Only who reads a shard knows how far behind it is.
            let live = live.iter().find(|live| live.stream == stream && live.shard == name.as_str());
            json!({
                "stream": stream,
                "shard": name.as_str(),
                "owner": shard.owner,
                "state": shard.state,
                "behind_seconds": live.and_then(|live| live.behind).map(seconds),
                "checkpoint_age_seconds": live.map(|live| seconds(live.checkpoint_age)),
                "bytes_per_second": shard.bytes_per_second,
                "parents": shard.parents,
                "counter": shard.counter,
            })
        };
        (all.into_iter().take(SHARDS_MAX).map(document).collect(), total)
    }

    fn moves(&self, rows: &[Rows]) -> Vec<Value> {
        let mut moves: Vec<(&str, &Move)> = Vec::new();
        for (application, rows) in self.applications.iter().zip(rows) {
            moves.extend(rows.moves.iter().map(|one| (application.stream.as_str(), one)));
        }
        moves.sort_by_key(|(_, one)| std::cmp::Reverse(one.time_ms));
        let document = |(stream, one): (&str, &Move)| json!({ "time_ms": one.time_ms, "stream": stream, "shard": one.shard.as_str(), "from": one.from, "to": one.to });
        moves.into_iter().take(MOVES_MAX).map(document).collect()
    }
}

async fn read(application: &Application) -> Result<(cloud::Scan, Vec<lease::Member>), Error> {
    futures_util::future::try_join(application.leases.scan(), application.state.scan()).await
}

/// Milliseconds are enough.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::memory;

    fn fleet(worker: &str) -> FleetWorkers {
        let title = Title { app: "app".into(), worker: worker.into(), stream: "logs".into() };
        let (leases, state) = (memory::LeaseTable::new("app"), memory::StateTable::new("app-state"));
        let application = Application { stream: "logs".into(), leases: Arc::new(leases), state: Arc::new(state) };
        FleetWorkers::new(title, vec![application], Clock::real())
    }

    #[test]
    fn the_worker_that_answers_is_listed_however_many_there_are() {
        let worker = || Worker { state: State::Working, beaten: None, millicores: None };
        let rows = |count: usize| {
            let mut rows = Rows::default();
            rows.workers = (0..count).map(|number| (format!("w{number:04}"), worker())).collect();
            rows
        };
        let listed = |own: &str, count: usize| {
            let workers = fleet(own).workers(&[rows(count)], Duration::ZERO, &json!({}));
            let own: Vec<usize> = (0..workers.len()).filter(|place| workers[*place]["this"] == true).collect();
            (workers.len(), own)
        };
        assert_eq!(listed("w0003", 1_000), (1_000, vec![3]));
        assert_eq!(listed("w0003", 1_005), (1_000, vec![3]));
        assert_eq!(listed("w1004", 1_005), (1_000, vec![999]));
        assert_eq!(listed("z", 1_000), (1_000, vec![999]), "without a row");
        assert_eq!(listed("z", 999), (1_000, vec![999]));
    }

    #[test]
    fn of_more_shards_than_an_answer_has_the_ended_ones_are_left_out_first() {
        let shard = |number: usize| {
            let state = if number < 10 { "ended" } else { "held" };
            let shard = Shard { owner: None, state, counter: 0, bytes_per_second: None, parents: Vec::new() };
            (ShardId::new(&format!("shard-{number:04}")), shard)
        };
        let mut rows = Rows::default();
        rows.shards = (0..5_005).map(shard).collect();
        let (listed, total) = fleet("w").shards(&[rows]);
        assert_eq!((listed.len(), total), (5_000, 5_005));
        assert_eq!((&listed[4_995]["shard"], &listed[4_999]["shard"]), (&"shard-0000".into(), &"shard-0004".into()));
    }
}
