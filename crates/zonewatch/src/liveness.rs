//! Whether the owners of leases live, as a command finds out that is no worker: by looking twice.
//!
//! A worker lives if its beat, or the counter of a lease it works on, moves between two looks. How long that may take is
//! what the worker's own row promises; of an owner without a row (another consumer, or a worker that can't reach the
//! state table) it is the failover time. Clocks are never compared. What could not be looked at is not called dead.

use cloud::{Error, LeaseTable, StateTable, limits};
use lease::{Lease, Member, ShardId, Standing, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks, ...
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// ... and as much more for each of so many leases: a large table is not scanned twice a second.
const LEASES_A_PERIOD: u32 = 500;
/// A worker that has not been heard for so many of its own periods is silent.
const BEATS: u32 = 3;
/// The longest that anybody is waited for, whatever a row promises.
const PATIENCE_MAX: Duration = Duration::from_secs(600);
/// How much longer looks that fail are repeated.
const GRACE: Duration = Duration::from_secs(10);

/// What is known of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It did something between two looks; what.
    Alive(String),
    /// It did nothing for as long as it takes; what was waited for.
    Dead(String),
    /// It could not be looked at; why.
    Unknown(String),
}

/// Both tables at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// Every readable lease.
    pub leases: BTreeMap<ShardId, Lease>,
    /// The rows of the workers that were asked for. A missing table holds none.
    pub members: Result<BTreeMap<WorkerId, Member>, Error>,
    /// See [`cloud::Scan::strangers`].
    pub strangers: BTreeMap<String, i64>,
}

/// What was found out.
#[derive(Debug)]
pub struct Judged {
    /// Of every owner that was asked about.
    pub verdicts: BTreeMap<WorkerId, Verdict>,
    /// The first look.
    pub first: Look,
    /// The last one.
    pub last: Look,
}

/// Looks until something is known of every owner, and for `dwell` at least. `tell` hears what is waited for.
pub async fn judge(
    table: &dyn LeaseTable,
    state: &dyn StateTable,
    owners: &BTreeSet<WorkerId>,
    failover: Duration,
    dwell: Duration,
    tell: &mut dyn FnMut(String),
) -> Result<Judged, Error> {
    let first = look(table, state, owners).await?;
    let (began, mut last) = (Instant::now(), first.clone());
    let mut verdicts = BTreeMap::new();
    let mut open = BTreeMap::new();
    for owner in owners {
        match first.word_of(owner) {
            Some(word) => {
                verdicts.insert(owner.clone(), Verdict::Dead(word));
            }
            None => {
                let patience = first.patience(owner, failover);
                open.insert(owner.clone(), patience);
            }
        }
    }
    if !open.is_empty() {
        tell(first.waiting_for(&open));
    }
    while !open.is_empty() || began.elapsed() < dwell {
        let period = LOOK_PERIOD * (1 + first.leases.len() as u32 / LEASES_A_PERIOD);
        let shortest = open.values().min().map_or(dwell, |patience| *patience);
        tokio::time::sleep(period.min(shortest.saturating_sub(began.elapsed())).max(Duration::from_millis(50))).await;
        let elapsed = began.elapsed();
        match look(table, state, owners).await {
            Ok(look) => last = look,
            Err(error) if error.is_lasting() || elapsed > failover.max(dwell) + GRACE => {
                let unknown = |owner: &WorkerId| (owner.clone(), Verdict::Unknown(error.to_string()));
                verdicts.extend(open.keys().map(unknown));
                break;
            }
            Err(_) => continue,
        }
        open.retain(|owner, patience| {
            let verdict = match last.moved(owner, &first) {
                Some(sign) => Verdict::Alive(sign),
                None if elapsed < *patience => return true,
                None => first.silence(owner, *patience),
            };
            verdicts.insert(owner.clone(), verdict);
            false
        });
    }
    Ok(Judged { verdicts, first, last })
}

async fn look(table: &dyn LeaseTable, state: &dyn StateTable, owners: &BTreeSet<WorkerId>) -> Result<Look, Error> {
    let scan = table.scan().await?;
    let leases = scan.leases.into_iter().map(|lease| (lease.key.clone(), lease)).collect();
    Ok(Look { leases, members: members(state, owners).await, strangers: scan.strangers })
}

async fn members(state: &dyn StateTable, owners: &BTreeSet<WorkerId>) -> Result<BTreeMap<WorkerId, Member>, Error> {
    let ids: Vec<WorkerId> = owners.iter().cloned().collect();
    let mut found = BTreeMap::new();
    for part in ids.chunks(limits::READ_MEMBERS_MAX) {
        match state.read(part).await {
            Ok(members) => found.extend(members.into_iter().map(|member| (member.id.clone(), member))),
            // A fleet from before that table, or another consumer's.
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

impl Look {
    fn member(&self, owner: &WorkerId) -> Option<&Member> {
        self.members.as_ref().ok()?.get(owner)
    }

    /// What a worker says of itself that ends the question.
    fn word_of(&self, owner: &WorkerId) -> Option<String> {
        let left = self.member(owner).is_some_and(|member| member.standing == Standing::Left);
        left.then(|| "it says in its row that it has left".to_owned())
    }

    fn patience(&self, owner: &WorkerId, failover: Duration) -> Duration {
        let promised = self.member(owner).map_or(failover, |member| member.period.saturating_mul(BEATS));
        promised.min(PATIENCE_MAX)
    }

    /// What would tell that it lives.
    fn sign_of(&self, owner: &WorkerId) -> &'static str {
        match (self.member(owner), &self.members) {
            (Some(_), _) => "its beat, or a counter of its leases",
            (None, Ok(_)) => "a counter of its leases, since it has no row in the state table",
            (None, Err(_)) => "a counter of its leases, since the state table can't be read",
        }
    }

    /// Who is waited for, how long, and for what.
    fn waiting_for(&self, owners: &BTreeMap<WorkerId, Duration>) -> String {
        let secs = owners.values().max().map_or(0, Duration::as_secs);
        match owners.keys().next() {
            Some(owner) if owners.len() == 1 => {
                format!("waiting up to {secs} s for a sign of life of {owner}: {}", self.sign_of(owner))
            }
            _ => format!(
                "waiting up to {secs} s for signs of life of {} owners: beats, or counters of leases",
                owners.len()
            ),
        }
    }

    /// What an owner has done since an earlier look.
    fn moved(&self, owner: &WorkerId, before: &Self) -> Option<String> {
        let beat = |look: &Self| look.member(owner).map(|member| member.beat);
        if before.members.is_ok() && beat(self).is_some() && beat(self) != beat(before) {
            return Some("its beat moved".to_owned());
        }
        let counters = self.leases.values().find(|lease| {
            let before = before.leases.get(&lease.key);
            let same_owner = |lease: &Lease| lease.actual_owner() == Some(owner);
            same_owner(lease) && before.is_some_and(|before| same_owner(before) && before.counter != lease.counter)
        });
        if let Some(lease) = counters {
            return Some(format!("it moved the counter of {}", lease.key));
        }
        let told = |look: &Self| look.strangers.get(owner.as_str()).copied();
        (told(before).is_some() && told(self) != told(before)).then(|| "its worker metrics moved".to_owned())
    }

    /// What it means that nothing moved.
    fn silence(&self, owner: &WorkerId, patience: Duration) -> Verdict {
        let secs = patience.as_secs();
        match (&self.members, self.member(owner)) {
            // Its leases may be idle, and are renewed rarely then: only its row could tell.
            (Err(error), _) => Verdict::Unknown(error.to_string()),
            (Ok(_), Some(member)) if member.period.saturating_mul(BEATS) > patience => {
                Verdict::Unknown(format!("its row promises a beat every {} s only", member.period.as_secs()))
            }
            (Ok(_), Some(_)) => Verdict::Dead(format!("no beat for {secs} s")),
            (Ok(_), None) => Verdict::Dead(format!("no row in the state table, and no counter moved for {secs} s")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::faulty::{Faulty, Rates};
    use cloud::{Create, memory};
    use lease::{Checkpoint, Write};
    use std::sync::Arc;

    const FAILOVER: Duration = Duration::from_secs(10);

    struct World {
        table: Arc<memory::LeaseTable>,
        state: Arc<memory::StateTable>,
    }

    fn member(id: &str, beat: u64, period_secs: u64) -> Member {
        Member {
            id: WorkerId::new(id),
            beat,
            period: Duration::from_secs(period_secs),
            standing: Standing::Active,
            leases: 1,
            weight: 0,
            capacity: 1_000,
            held_max: None,
            strangers: false,
        }
    }

    impl World {
        /// Shard `s` is `a`'s.
        async fn create() -> Self {
            let world = Self {
                table: Arc::new(memory::LeaseTable::new("leases")),
                state: Arc::new(memory::StateTable::new("leases-state")),
            };
            world.table.ensure(Create::IfMissing).await.unwrap();
            world.state.ensure(Create::IfMissing).await.unwrap();
            let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon);
            let row = Lease { owner: Some(WorkerId::new("a")), counter: 5, ..fresh };
            world.table.write(&Write::Create(row)).await.unwrap();
            world
        }

        async fn beat(&self, member: &Member) {
            self.state.beat(member, &[], 0).await.unwrap();
        }

        /// The verdict on `a`, and how long it took.
        async fn judged(&self, during: impl Future<Output = ()>) -> (Verdict, Duration) {
            let began = Instant::now();
            let owners = BTreeSet::from([WorkerId::new("a")]);
            let mut tell = |_| ();
            let judged = judge(&*self.table, &*self.state, &owners, FAILOVER, Duration::ZERO, &mut tell);
            let (judged, ()) = tokio::join!(judged, during);
            (judged.unwrap().verdicts[&WorkerId::new("a")].clone(), began.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_moves_is_life_and_ends_the_waiting() {
        let world = World::create().await;
        world.beat(&member("a", 1, 60)).await;
        let beats = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            world.beat(&member("a", 2, 60)).await;
        };
        let (verdict, took) = world.judged(beats).await;
        assert_eq!(verdict, Verdict::Alive("its beat moved".into()));
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn three_periods_without_a_beat_are_death() {
        let world = World::create().await;
        world.beat(&member("a", 1, 2)).await;
        let (verdict, took) = world.judged(async {}).await;
        assert_eq!(verdict, Verdict::Dead("no beat for 6 s".into()));
        assert!(took >= Duration::from_secs(6) && took < Duration::from_secs(7), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_promise_longer_than_anybody_waits_leaves_it_open() {
        let world = World::create().await;
        world.beat(&member("a", 1, 100_000)).await;
        let (verdict, took) = world.judged(async {}).await;
        assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
        assert!(took < PATIENCE_MAX + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_without_a_row_is_judged_by_its_counters() {
        let world = World::create().await;
        let renews = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            world.table.write(&Write::Renew { key: ShardId::new("s"), counter: 5 }).await.unwrap();
        };
        let (verdict, _) = world.judged(renews).await;
        assert_eq!(verdict, Verdict::Alive("it moved the counter of s".into()));
        let (verdict, took) = world.judged(async {}).await;
        assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
        assert!(took >= FAILOVER, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_counter_that_another_moves_says_nothing_of_the_owner() {
        let world = World::create().await;
        let taken = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (key, owner) = (ShardId::new("s"), WorkerId::new("b"));
            let take = Write::Take { key, counter: 5, from: None, owner, start_ms: None, anew: false };
            world.table.write(&take).await.unwrap();
        };
        let (verdict, _) = world.judged(taken).await;
        assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_left_is_not_waited_for() {
        let world = World::create().await;
        world.beat(&Member { standing: Standing::Left, ..member("a", 1, 60) }).await;
        let (verdict, took) = world.judged(async {}).await;
        assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
        assert_eq!(took, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_state_table_silence_is_death_and_without_an_answer_it_is_not() {
        let world = World::create().await;
        let owners = BTreeSet::from([WorkerId::new("a")]);
        let missing = memory::StateTable::new("not-made");
        let judged = judge(&*world.table, &missing, &owners, FAILOVER, Duration::ZERO, &mut |_| ()).await.unwrap();
        assert!(matches!(judged.verdicts[&WorkerId::new("a")], Verdict::Dead(_)), "{judged:?}");

        let silent = Faulty::new(Arc::clone(&world.state), Rates { lost_call: 1.0, ..Rates::none() }, 1);
        let judged = judge(&*world.table, &silent, &owners, FAILOVER, Duration::ZERO, &mut |_| ()).await.unwrap();
        assert!(matches!(judged.verdicts[&WorkerId::new("a")], Verdict::Unknown(_)), "{judged:?}");
    }
}
