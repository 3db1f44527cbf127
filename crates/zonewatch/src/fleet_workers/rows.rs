//! What looks at an application's two tables tell one who compares them: who lives, who has what, and what moved.
//!
//! Clocks of two machines are never compared: how old a beat is says this worker's own watch, since it saw the row change.

use cloud::Scan;
use lease::{Checkpoint, Lease, Member, ShardId, Standing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

/// A worker that was silent for so many of the periods it promises is shown as silent.
const SILENT_PERIODS: u32 = 3;
/// After so many of them without a look nobody knows when a row changed last.
const COMPARED_PERIODS: u32 = 60;
/// Moves that are kept.
pub const MOVES_MAX: usize = 100;

/// An application's rows, as last looked at.
#[derive(Debug, Default)]
pub struct Rows {
    /// By name. One that has left is nobody.
    pub workers: BTreeMap<String, Worker>,
    /// By name.
    pub shards: BTreeMap<ShardId, Shard>,
    /// Lease rows that can't be read.
    pub unreadable: usize,
    /// The last one first.
    pub moves: VecDeque<Move>,
    beats: BTreeMap<String, Beat>,
    looked: Option<Duration>,
}

/// A worker, as one application knows it.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Worker {
    pub state: State,
    /// When its row was seen to change last, on this worker's watch.
    pub beaten: Option<Duration>,
    pub millicores: Option<u32>,
}

/// What becomes of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has heard of it for a while.
    Silent,
    Working,
    /// It hands over what it has.
    Leaving,
}

/// A shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    pub owner: Option<String>,
    pub state: &'static str,
    pub counter: u64,
    pub bytes_per_second: Option<u64>,
    pub parents: Vec<String>,
}

/// A shard that was seen to have another owner.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Move {
    /// When it was seen, milliseconds since 1970.
    pub time_ms: i64,
    pub shard: ShardId,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Debug)]
struct Beat {
    number: u64,
    /// When the row was first seen with this number, and whether it was seen with another before.
    seen: Duration,
    has_moved: bool,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Leaving => "leaving",
            Self::Silent => "silent",
        }
    }
}

impl Rows {
    /// Differs if workers or shards are others, or stand otherwise.
    pub fn tag(&self) -> u64 {
        let workers: Vec<_> = self.workers.iter().map(|(name, one)| (name, one.state, one.millicores)).collect();
        let shards = self.shards.iter().map(|(name, shard)| (name, &shard.owner, shard.state, &shard.parents));
        let of = (workers, shards.collect::<Vec<_>>(), &self.moves, self.unreadable);
        BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
    }

    /// Takes in a look, at `now` on this worker's watch and `now_ms` of its day.
    pub fn look(&mut self, now: Duration, now_ms: i64, members: &[Member], scan: &Scan) {
        let shards = shards(&scan.leases);
        if self.looked.is_some() {
            self.compare(now_ms, &shards);
        }
        self.shards = shards;
        self.unreadable = scan.unreadable.len();
        let since = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        self.workers = self.workers(now, since, members);
        // Another consumer's workers have no row here; nor has one of ours whose row was removed because it died.
        for owner in self.shards.values().filter_map(|shard| shard.owner.clone()) {
            let state = if scan.strangers.contains_key(&owner) { State::Working } else { State::Silent };
            self.workers.entry(owner).or_insert(Worker { state, beaten: None, millicores: None });
        }
    }

    fn workers(&mut self, now: Duration, since: Duration, members: &[Member]) -> BTreeMap<String, Worker> {
        let here: BTreeSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
        self.beats.retain(|worker, _| here.contains(worker.as_str()));
        let mut workers = BTreeMap::new();
        for member in members.iter().filter(|member| member.standing != Standing::Left) {
            let name = member.id.as_str().to_owned();
            let beat =
                self.beats.entry(name.clone()).or_insert(Beat { number: member.beat, seen: now, has_moved: false });
            let is_known = since <= member.period.saturating_mul(COMPARED_PERIODS);
            if beat.number != member.beat || !is_known {
                *beat = Beat { number: member.beat, seen: now, has_moved: is_known };
            }
            let state = match member.standing {
                _ if now.saturating_sub(beat.seen) > member.period.saturating_mul(SILENT_PERIODS) => State::Silent,
                Standing::Leaving => State::Leaving,
                _ => State::Working,
            };
            let (beaten, millicores) = (beat.has_moved.then_some(beat.seen), Some(member.capacity));
            workers.insert(name, Worker { state, beaten, millicores });
        }
        workers
    }

    fn compare(&mut self, now_ms: i64, shards: &BTreeMap<ShardId, Shard>) {
        for (name, shard) in shards {
            let from = self.shards.get(name).and_then(|before| before.owner.clone());
            if from != shard.owner {
                self.moves.push_front(Move { time_ms: now_ms, shard: name.clone(), from, to: shard.owner.clone() });
            }
        }
        self.moves.truncate(MOVES_MAX);
    }
}

fn shards(leases: &[Lease]) -> BTreeMap<ShardId, Shard> {
    let has_ended = |lease: &Lease| lease.checkpoint == Checkpoint::ShardEnd;
    let open: BTreeSet<&ShardId> = leases.iter().filter(|lease| !has_ended(lease)).map(|lease| &lease.key).collect();
    let shard = |lease: &Lease| {
        let owner = lease.actual_owner().filter(|_| !has_ended(lease)).map(|owner| owner.as_str().to_owned());
        let state = match owner {
            _ if has_ended(lease) => "ended",
            Some(_) => "held",
            None if lease.parents.iter().any(|parent| open.contains(parent)) => "waiting",
            None => "free",
        };
        let bytes_per_second = lease.load.map(|load| load.bytes_per_sec);
        let parents = lease.parents.iter().map(ToString::to_string).collect();
        (lease.key.clone(), Shard { owner, state, counter: lease.counter, bytes_per_second, parents })
    };
    leases.iter().map(shard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lease::WorkerId;

    fn member(id: &str, beat: u64, standing: Standing) -> Member {
        Member {
            id: WorkerId::new(id),
            beat,
            period: Duration::from_secs(1),
            standing,
            leases: 1,
            weight: 1,
            capacity: 1_500,
            held_max: None,
            strangers: false,
        }
    }

    fn lease(key: &str, owner: Option<&str>) -> Lease {
        Lease { owner: owner.map(WorkerId::new), ..Lease::fresh(ShardId::new(key), Checkpoint::TrimHorizon) }
    }

    fn scan(leases: Vec<Lease>) -> Scan {
        Scan { leases, ..Scan::default() }
    }

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_beat_is_as_old_as_this_worker_saw_it_move() {
        let mut rows = Rows::default();
        let mut look = |secs, members: &[Member]| {
            rows.look(at(secs), 0, members, &Scan::default());
            rows.workers.iter().map(|(name, one)| (name.clone(), one.state, one.beaten)).collect::<Vec<_>>()
        };
        let (a, b) = (|beat| member("a", beat, Standing::Active), |beat| member("b", beat, Standing::Active));
        let said = |name: &str, state, beaten: Option<u64>| (name.to_owned(), state, beaten.map(at));
        assert_eq!(look(0, &[a(7), b(3)]), [said("a", State::Working, None), said("b", State::Working, None)]);
        assert_eq!(look(5, &[a(12), b(3)]), [said("a", State::Working, Some(5)), said("b", State::Silent, None)]);
        assert_eq!(
            look(8, &[a(12)]),
            [said("a", State::Working, Some(5))],
            "silent for three of its periods and no longer"
        );
        assert_eq!(look(9, &[a(12)]), [said("a", State::Silent, Some(5))]);
        assert_eq!(look(70, &[a(13)]), [said("a", State::Working, None)], "it may have moved an hour ago");
        let leaving = member("a", 14, Standing::Leaving);
        assert_eq!(look(71, &[leaving]), [said("a", State::Leaving, Some(71))]);
        assert_eq!(look(72, &[member("a", 15, Standing::Left)]), []);
    }

    #[test]
    fn shards_are_held_free_ended_or_wait_for_their_parents() {
        let mut rows = Rows::default();
        let ended = Lease { checkpoint: Checkpoint::ShardEnd, ..lease("shard-0", Some("a")) };
        let child = |key: &str, parent: &str| Lease { parents: vec![ShardId::new(parent)], ..lease(key, None) };
        let moving = Lease { checkpoint_owner: Some(WorkerId::new("a")), ..lease("shard-1", Some("b")) };
        let leases = vec![ended, moving, child("shard-2", "shard-0"), child("shard-3", "shard-1")];
        rows.look(at(0), 0, &[], &scan(leases));
        let shown: Vec<_> = rows.shards.values().map(|shard| (shard.state, shard.owner.as_deref())).collect();
        assert_eq!(shown, [("ended", None), ("held", Some("a")), ("free", None), ("waiting", None)]);
        assert_eq!(rows.workers["a"].state, State::Silent, "it has no row");
        let strangers = [("a".to_owned(), 1)].into();
        rows.look(at(1), 0, &[], &Scan { strangers, ..scan(vec![lease("shard-1", Some("a"))]) });
        assert_eq!(rows.workers["a"].state, State::Working, "another consumer's");
    }

    #[test]
    fn a_renewal_is_no_change_and_another_owner_is() {
        let mut rows = Rows::default();
        let mut tag = |lease: Lease| {
            rows.look(at(0), 1, &[], &scan(vec![lease]));
            rows.tag()
        };
        let held = lease("shard-0", Some("a"));
        let renewed = Lease { counter: held.counter + 1, ..held.clone() };
        let before = tag(held);
        assert_eq!(tag(renewed), before);
        assert_ne!(tag(lease("shard-0", Some("b"))), before);
    }

    #[test]
    fn moves_are_what_differs_between_two_looks() {
        let mut rows = Rows::default();
        rows.look(at(0), 1, &[], &scan(vec![lease("shard-0", Some("a")), lease("shard-1", None)]));
        assert!(rows.moves.is_empty(), "nothing to compare with");
        rows.look(
            at(5),
            2,
            &[],
            &scan(vec![lease("shard-0", Some("b")), lease("shard-1", None), lease("shard-2", Some("b"))]),
        );
        let told = |rows: &Rows| {
            rows.moves
                .iter()
                .map(|one| (one.time_ms, one.shard.to_string(), one.from.clone(), one.to.clone()))
                .collect::<Vec<_>>()
        };
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        assert_eq!(told(&rows), [(2, "shard-2".into(), None, b.clone()), (2, "shard-0".into(), a, b.clone())]);
        for number in 0..200 {
            let owner = if number % 2 == 0 { None } else { Some("b") };
            rows.look(at(number), 3, &[], &scan(vec![lease("shard-0", owner)]));
        }
        assert_eq!((rows.moves.len(), &rows.moves[0].to), (MOVES_MAX, &b));
    }
}
