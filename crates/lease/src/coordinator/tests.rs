//! One coordinator against a table whose answers the test chooses.

use super::*;
use crate::{
    Beaten, Checkpoint, Commit, Epoch, HashRange, Member, SequenceNumber, Shard, Standing, Then, WorkerId, Write,
};

struct Bench {
    coordinator: Coordinator,
    now: Instant,
    table: BTreeMap<ShardId, Lease>,
    shards: Vec<Shard>,
    /// What the table does with writes that are not creations.
    writes: Writes,
    /// How long their answers take, and those under way, in the order of time.
    delay: Duration,
    late: std::collections::VecDeque<(Instant, Event)>,
    /// The table of workers: rows, announcements, and whether it answers.
    members: BTreeMap<WorkerId, (Member, Vec<ShardId>)>,
    state_answers: bool,
    /// Those whose beat moves with time.
    alive: Vec<WorkerId>,
    strangers: BTreeMap<String, i64>,
    sent: Vec<Write>,
    told: Vec<Action>,
    prepared: Vec<Checkpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Answered,
    ReplyLost,
    CallLost,
    Throttled,
}

fn key() -> ShardId {
    ShardId::new("s")
}

fn at(number: u32) -> Checkpoint {
    Checkpoint::through(SequenceNumber::parse(&number.to_string()).unwrap())
}

fn epoch(number: u32) -> Option<Epoch> {
    let sequence = SequenceNumber::parse(&number.to_string()).unwrap();
    Some(Epoch { first: sequence.clone(), last: sequence })
}

fn commit(number: u32, then: Then) -> Commit {
    Commit { pending: epoch(number + 1), ..Commit::at(at(number), then) }
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Bench {
    /// An empty table and a stream of one shard.
    fn new() -> Self {
        let settings = Settings {
            worker: WorkerId::new("me"),
            failover: ms(10_000),
            capacity: 1_000,
            held_max: None,
            start: StartPosition::TrimHorizon,
            started_ms: 0,
        };
        let hash_range = HashRange { start: 0, end: u128::MAX };
        Self {
            coordinator: Coordinator::new(settings, 1),
            now: Instant::default(),
            table: BTreeMap::new(),
            shards: vec![Shard { id: key(), parents: Vec::new(), hash_range, starts_at: None, ended_at: None }],
            writes: Writes::Answered,
            delay: Duration::ZERO,
            late: std::collections::VecDeque::new(),
            members: BTreeMap::new(),
            state_answers: true,
            alive: Vec::new(),
            strangers: BTreeMap::new(),
            sent: Vec::new(),
            told: Vec::new(),
            prepared: Vec::new(),
        }
    }

    /// The same with its lease held.
    fn holding() -> Self {
        let mut bench = Self::new();
        bench.run(ms(2_100));
        assert_eq!(bench.row().owner, Some(WorkerId::new("me")));
        assert!(matches!(bench.told[..], [Action::Moved { .. }, Action::Start { .. }]), "{:?}", bench.told);
        bench.told.clear();
        bench.sent.clear();
        bench
    }

    fn row(&mut self) -> &mut Lease {
        self.table.get_mut(&key()).unwrap()
    }

    /// Lives for `duration`; every call but a delayed write is answered at once.
    fn run(&mut self, duration: Duration) {
        let end = self.now.plus(duration);
        loop {
            while let Some((_, event)) = self.late.pop_front_if(|(at, _)| *at <= self.now) {
                self.coordinator.handle(self.now, event);
            }
            self.coordinator.tick(self.now);
            while let Some(action) = self.coordinator.poll() {
                self.perform(action);
            }
            let late = self.late.front().map(|(at, _)| *at);
            match self.coordinator.wake_at().into_iter().chain(late).min() {
                Some(wake) if wake <= end => self.now = wake.max(self.now.plus(ms(1))),
                _ => break,
            }
        }
        self.now = end;
    }

    fn perform(&mut self, action: Action) {
        let event = match action {
            Action::ListShards => Event::Shards(Ok(self.shards.clone())),
            Action::Scan => {
                let leases = self.table.values().cloned().collect();
                Event::Rows(Ok(Rows { leases, strangers: self.strangers.clone(), ..Rows::default() }))
            }
            Action::Owned { ticket, owner } => {
                let owned = self.table.values().filter(|row| row.owner.as_ref() == Some(&owner));
                Event::Owned { ticket, result: Ok(owned.cloned().collect()) }
            }
            state @ (Action::Beat { .. }
            | Action::ScanMembers
            | Action::ReadMembers { .. }
            | Action::Announce { .. }
            | Action::Remove { .. }) => match self.state(state) {
                Some(event) => event,
                None => return,
            },
            Action::Read { ticket, key } => Event::Row { ticket, result: Ok(self.table.get(&key).cloned()) },
            Action::Write { ticket, write } => Event::Wrote { ticket, result: self.write(&write) },
            Action::Prepare { lease } => return self.prepared.push(lease.checkpoint),
            told => return self.told.push(told),
        };
        if matches!(event, Event::Wrote { .. }) && !self.delay.is_zero() {
            return self.late.push_back((self.now.plus(self.delay), event));
        }
        self.coordinator.handle(self.now, event);
    }

    fn state(&mut self, action: Action) -> Option<Event> {
        let beat = (self.now.elapsed().as_millis() / 1_000) as u64;
        for id in &self.alive {
            self.members.get_mut(id).unwrap().0.beat = beat;
        }
        let failed = Failed { retry_after: Duration::ZERO };
        let answers = self.state_answers;
        Some(match action {
            Action::Beat { ticket, .. } if !answers => {
                Event::Beaten { ticket, result: Err(BeatFailed::NotWritten(failed)) }
            }
            Action::Beat { ticket, member, heard } => {
                let row = self.members.entry(member.id.clone()).or_insert_with(|| ((*member).clone(), Vec::new()));
                row.0 = *member;
                row.1.retain(|shard| !heard.contains(shard));
                Event::Beaten { ticket, result: Ok(Beaten { coming: row.1.clone() }) }
            }
            Action::ScanMembers => {
                let all = self.members.values().map(|row| row.0.clone()).collect();
                Event::Members(if answers { Ok(all) } else { Err(failed) })
            }
            Action::ReadMembers { ticket, ids } => {
                let rows = ids.iter().filter_map(|id| self.members.get(id)).map(|row| row.0.clone()).collect();
                Event::MembersRead { ticket, result: if answers { Ok(rows) } else { Err(failed) } }
            }
            Action::Announce { ticket, to, shards } => {
                let row = self.members.get_mut(&to).filter(|_| answers);
                let result = Ok(row.is_some());
                if let Some(row) = row {
                    row.1.extend(shards);
                }
                Event::Announced { ticket, result }
            }
            Action::Remove { id, beat } => {
                self.members.retain(|member, row| *member != id || row.0.beat != beat);
                return None;
            }
            other => panic!("{other:?} is not about workers"),
        })
    }

    /// Another worker, alive until it is taken out of `alive`.
    fn neighbour(&mut self, name: &str) -> WorkerId {
        let id = WorkerId::new(name);
        let member = Member {
            id: id.clone(),
            beat: 0,
            period: ms(1_000),
            standing: Standing::Active,
            leases: 1,
            weight: 1_000,
            capacity: 1_000,
            held_max: None,
            strangers: false,
        };
        self.members.insert(id.clone(), (member, Vec::new()));
        self.alive.push(id.clone());
        id
    }

    /// More shards, that are free.
    fn more_shards(&mut self, names: &[&str]) {
        for name in names {
            let shard = Shard { id: ShardId::new(name), ..self.shards[0].clone() };
            self.table.insert(shard.id.clone(), Lease::fresh(shard.id.clone(), Checkpoint::TrimHorizon));
            self.shards.push(shard);
        }
    }

    fn write(&mut self, write: &Write) -> Result<Lease, WriteFailed> {
        let writes = if matches!(write, Write::Create(_)) { Writes::Answered } else { self.writes };
        self.sent.push(write.clone());
        match writes {
            Writes::CallLost => return Err(WriteFailed::Unknown),
            Writes::Throttled => return Err(WriteFailed::NotWritten(Failed { retry_after: ms(100) })),
            Writes::Answered | Writes::ReplyLost => {}
        }
        let before = self.table.get(write.key()).cloned();
        let after = write.apply(before.as_ref()).map_err(|_| WriteFailed::Refused(before.map(Box::new)))?;
        self.table.insert(after.key.clone(), after.clone());
        if writes == Writes::ReplyLost { Err(WriteFailed::Unknown) } else { Ok(after) }
    }

    fn commit(&mut self, ask: u64, commit: Commit) {
        self.coordinator.handle(self.now, Event::Commit { ask: Ask(ask), key: key(), commit });
        self.run(ms(1));
    }

    /// The answers so far: which ask, and the row's checkpoint if the lease is held.
    fn answers(&self) -> Vec<(u64, Option<Checkpoint>)> {
        let answer = |action: &Action| match action {
            Action::Answer { ask, result } => Some((ask.0, result.as_ref().ok().map(|row| row.checkpoint.clone()))),
            _ => None,
        };
        self.told.iter().filter_map(answer).collect()
    }

    fn moves(&self) -> Vec<Reason> {
        let reason = |action: &Action| if let Action::Moved { reason, .. } = action { Some(*reason) } else { None };
        self.told.iter().filter_map(reason).collect()
    }
}

#[test]
fn a_free_shard_is_found_and_taken() {
    let mut bench = Bench::holding();
    assert_eq!(bench.coordinator.uncovered_ratio(bench.now), 0.0);
    assert_eq!(bench.row().counter, 1);
}

#[test]
fn no_row_is_made_before_the_table_was_looked_at() {
    let mut bench = Bench::new();
    bench.coordinator.tick(bench.now);
    bench.coordinator.handle(bench.now, Event::Shards(Ok(bench.shards.clone())));
    let actions: Vec<Action> = std::iter::from_fn(|| bench.coordinator.poll()).collect();
    let written = actions.iter().any(|action| matches!(action, Action::Write { .. }));
    assert!(!written && actions.contains(&Action::Scan), "{actions:?}");
}

#[test]
fn an_idle_lease_is_renewed_and_a_commit_renews_too() {
    let mut bench = Bench::holding();
    bench.run(ms(6_100));
    assert!(matches!(bench.sent[..], [Write::Renew { counter: 1, .. }]), "{:?}", bench.sent);
    bench.run(ms(3_000));
    bench.commit(1, commit(5, Then::Keep));
    bench.sent.clear();
    bench.run(ms(5_800));
    assert_eq!(bench.sent, []);
}

#[test]
fn a_lost_reply_is_looked_up_and_the_row_believed() {
    let mut bench = Bench::holding();
    bench.writes = Writes::ReplyLost;
    bench.commit(1, commit(5, Then::Keep));
    assert_eq!(bench.answers(), [(1, Some(at(5)))]);
    assert_eq!(bench.sent.len(), 1);
    // The next write goes on from the row's counter.
    bench.writes = Writes::Answered;
    bench.commit(2, commit(6, Then::Keep));
    assert_eq!(bench.answers().last(), Some(&(2, Some(at(6)))));
}

#[test]
fn a_lost_or_throttled_write_is_sent_again_unchanged() {
    for writes in [Writes::CallLost, Writes::Throttled] {
        let mut bench = Bench::holding();
        bench.writes = writes;
        bench.commit(1, commit(5, Then::Keep));
        bench.run(ms(2_000));
        assert_eq!(bench.answers(), []);
        bench.writes = Writes::Answered;
        bench.run(ms(2_500));
        assert_eq!(bench.answers(), [(1, Some(at(5)))], "{writes:?}");
        assert!(bench.sent.len() > 2 && bench.sent.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", bench.sent);
    }
}

#[test]
fn a_write_that_lands_late_is_recognised_when_its_repetition_is_refused() {
    let mut bench = Bench::holding();
    bench.writes = Writes::CallLost;
    bench.commit(1, commit(5, Then::Keep));
    // The lost call was only slow.
    let late = bench.sent[0].apply(bench.table.get(&key())).unwrap();
    *bench.row() = late;
    bench.writes = Writes::Answered;
    bench.run(ms(2_500));
    assert_eq!(bench.answers(), [(1, Some(at(5)))]);
    assert_eq!(bench.moves(), []);
}

#[test]
fn who_finds_another_owner_in_the_row_stops() {
    let mut bench = Bench::holding();
    let taken = Lease { owner: Some(WorkerId::new("other")), counter: 2, ..bench.row().clone() };
    *bench.row() = taken;
    bench.commit(1, commit(5, Then::Keep));
    assert_eq!(bench.answers(), [(1, None)]);
    assert_eq!(bench.moves(), [Reason::Lost]);
    assert!(bench.told.contains(&Action::Stop { key: key() }));
    assert_eq!(bench.row().checkpoint, Checkpoint::TrimHorizon);
}

#[test]
fn another_consumers_checkpoint_voids_the_pending_epoch() {
    let mut bench = Bench::new();
    let row = Lease { own_checkpoint: Some(at(5)), pending: epoch(6), ..Lease::fresh(key(), at(9)) };
    bench.table.insert(key(), row);
    bench.run(ms(2_100));
    let start = bench.told.iter().find_map(|action| match action {
        Action::Start { lease, checkpoint_is_ours } => Some((lease.pending.clone(), *checkpoint_is_ours)),
        _ => None,
    });
    assert_eq!(start, Some((None, false)));
}

#[test]
fn a_hand_over_that_another_asks_for_drains_the_shard() {
    let mut bench = Bench::holding();
    bench.row().checkpoint_owner = Some(WorkerId::new("me"));
    bench.row().owner = Some(WorkerId::new("next"));
    bench.run(ms(6_100));
    assert_eq!(bench.told, [Action::Drain { key: key() }]);
    bench.commit(1, commit(5, Then::Release));
    assert_eq!((bench.row().owner.clone(), bench.row().checkpoint.clone()), (Some(WorkerId::new("next")), at(5)));
    assert_eq!(bench.moves(), [Reason::Moved]);
}

#[test]
fn a_commit_that_goes_back_costs_its_task_the_lease() {
    let mut bench = Bench::holding();
    bench.commit(1, commit(5, Then::Keep));
    bench.commit(2, commit(4, Then::Keep));
    assert_eq!(bench.answers(), [(1, Some(at(5))), (2, None)]);
    assert_eq!(bench.moves(), [Reason::Backwards]);
    assert_eq!(bench.row().checkpoint, at(5));
}

#[test]
fn draining_releases_everything_and_takes_nothing() {
    let mut bench = Bench::holding();
    bench.coordinator.handle(bench.now, Event::Drain);
    bench.run(ms(1));
    assert_eq!(bench.told, [Action::Drain { key: key() }]);
    bench.commit(1, commit(5, Then::Release));
    bench.coordinator.handle(bench.now, Event::TaskStopped { key: key() });
    bench.run(ms(30_000));
    assert_eq!(bench.told.last(), Some(&Action::Finished));
    assert_eq!(bench.moves(), [Reason::Released]);
    assert_eq!(bench.row().owner, None);
}

#[test]
fn a_merged_child_waits_until_its_other_parent_has_a_row() {
    let mut bench = Bench::holding();
    let other = Shard { id: ShardId::new("other"), ..bench.shards[0].clone() };
    let parents = vec![key(), other.id.clone()];
    let child = Shard { id: ShardId::new("child"), parents, ..bench.shards[0].clone() };
    bench.shards.extend([other, child.clone()]);
    let end = Event::End { ask: Ask(1), key: key(), read_until_ms: None, children: vec![child] };
    bench.coordinator.handle(bench.now, end);
    bench.run(ms(10_000));
    let created: Vec<String> = bench
        .sent
        .iter()
        .filter_map(|write| if let Write::Create(row) = write { Some(row.key.to_string()) } else { None })
        .collect();
    assert_eq!(created, ["other", "child"]);
    assert_eq!(bench.answers(), [(1, Some(Checkpoint::ShardEnd))]);
    assert_eq!(bench.table[&ShardId::new("child")].owner, None, "its other parent has not ended");
}

mod fleet;
