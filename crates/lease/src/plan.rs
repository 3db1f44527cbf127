//! Which worker should have which lease. A pure function: equal views give equal plans, so nobody has to be asked.
//!
//! Every worker makes the plan and carries out its own part. A stale view makes a needless conditional write, no harm.

use crate::{ShardId, WorkerId};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Two workers' loads that differ by less than this share of the greater one are as good as equal. Loads are measured and
/// waver; a fleet at rest must not move.
const UNEVEN_MIN: f64 = 0.1;
/// The share of all leases that one plan may move: those that gain most. The rest follows after the next look.
const MOVED_SHARE: usize = 10;

/// A worker that can have leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Who.
    pub id: WorkerId,
    /// Millicores it may use.
    pub capacity: u32,
    /// Leases it may hold.
    pub held_max: usize,
    /// What it carries beside the leases of the plan: their number and weight.
    pub leases: usize,
    /// See `leases`.
    pub weight: u64,
}

/// A lease that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which.
    pub key: ShardId,
    /// See [`crate::Load::weight`].
    pub weight: u64,
    /// A worker of the plan; `None`: it is free.
    pub owner: Option<WorkerId>,
    /// Whether its owner may hand it on: one that has just come stays for a while.
    pub movable: bool,
}

/// A lease that should go from one worker to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub key: ShardId,
    /// Its owner.
    pub from: WorkerId,
    /// Its next owner.
    pub to: WorkerId,
}

/// What should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Who should take each free lease.
    pub taken: Vec<(ShardId, WorkerId)>,
    /// What should move, most useful first.
    pub moved: Vec<Move>,
}

/// Places free leases where the load is least, heaviest first, then evens out what hysteresis and budget allow.
pub fn plan(pieces: &[Piece], places: &[Place]) -> Plan {
    let mut table = Table::new(pieces, places);
    let taken = table.place_free(pieces);
    let moved = table.even_out(pieces.len().div_ceil(MOVED_SHARE));
    Plan { taken, moved }
}

/// A worker as the plan fills it.
struct Seat<'a> {
    place: &'a Place,
    weight: u64,
    leases: usize,
    movable: Vec<&'a Piece>,
}

struct Table<'a> {
    seats: Vec<Seat<'a>>,
}

/// A seat among the others, the least loaded first: its load's bits, which are in the order of loads since none is negative,
/// its leases, its worker, and which it is. Never equal, so that every worker's choice is one.
type Rank<'a> = (u64, usize, &'a WorkerId, usize);

impl Seat<'_> {
    fn load(&self) -> f64 {
        self.load_of(self.weight)
    }

    /// Its load with so much more. What a worker's row claims may be anything.
    fn load_with(&self, more: u64) -> f64 {
        self.load_of(self.weight.saturating_add(more))
    }

    /// Its load if it had this weight.
    fn load_of(&self, weight: u64) -> f64 {
        weight as f64 / f64::from(self.place.capacity.max(1))
    }

    fn has_room(&self) -> bool {
        self.leases < self.place.held_max
    }

    /// Whether this seat takes `weight` more rather than the other. Never equal, so that every worker's choice is one.
    fn before(&self, other: &Self, weight: u64) -> Ordering {
        let load = self.load_with(weight).total_cmp(&other.load_with(weight));
        load.then(self.leases.cmp(&other.leases)).then_with(|| self.place.id.cmp(&other.place.id))
    }
}

impl<'a> Table<'a> {
    fn new(pieces: &'a [Piece], places: &'a [Place]) -> Self {
        let seat = |place: &'a Place| Seat { place, weight: place.weight, leases: place.leases, movable: Vec::new() };
        let mut seats: Vec<Seat<'a>> = places.iter().map(seat).collect();
        let index: BTreeMap<&WorkerId, usize> =
            places.iter().enumerate().map(|(index, place)| (&place.id, index)).collect();
        for piece in pieces {
            let Some(seat) = piece.owner.as_ref().and_then(|owner| index.get(owner)).map(|index| &mut seats[*index])
            else {
                continue;
            };
            seat.weight = seat.weight.saturating_add(piece.weight);
            seat.leases += 1;
            if piece.movable {
                seat.movable.push(piece);
            }
        }
        Self { seats }
    }

    fn place_free(&mut self, pieces: &[Piece]) -> Vec<(ShardId, WorkerId)> {
        let mut free: Vec<&Piece> = pieces.iter().filter(|piece| piece.owner.is_none()).collect();
        free.sort_by(|one, other| other.weight.cmp(&one.weight).then(one.key.cmp(&other.key)));
        let mut taken = Vec::new();
        for piece in free {
            let seats = self.seats.iter_mut().filter(|seat| seat.has_room());
            let Some(seat) = seats.min_by(|one, other| one.before(other, piece.weight)) else { break };
            seat.weight = seat.weight.saturating_add(piece.weight);
            seat.leases += 1;
            taken.push((piece.key.clone(), seat.place.id.clone()));
        }
        taken
    }

    fn even_out(&mut self, moves_max: usize) -> Vec<Move> {
        let mut ranks: BTreeSet<Rank<'a>> = (0..self.seats.len()).map(|seat| self.rank(seat)).collect();
        let mut moved = Vec::new();
        while moved.len() < moves_max {
            let Some((from, position, to)) = self.best_move(&ranks) else { break };
            for seat in [from, to] {
                ranks.remove(&self.rank(seat));
            }
            let piece = self.seats[from].movable.remove(position);
            self.seats[from].weight -= piece.weight;
            self.seats[from].leases -= 1;
            self.seats[to].weight = self.seats[to].weight.saturating_add(piece.weight);
            self.seats[to].leases += 1;
            ranks.extend([from, to].map(|seat| self.rank(seat)));
            moved.push(Move {
                key: piece.key.clone(),
                from: self.seats[from].place.id.clone(),
                to: self.seats[to].place.id.clone(),
            });
        }
        moved
    }

    fn rank(&self, index: usize) -> Rank<'a> {
        let seat = &self.seats[index];
        (seat.load().to_bits(), seat.leases, &seat.place.id, index)
    }

    /// To the least loaded worker with room, from the most loaded one for which that gains something. The most loaded
    /// of all may have nothing to give: one lease that weighs more than all that others have.
    fn best_move(&self, ranks: &BTreeSet<Rank<'a>>) -> Option<(usize, usize, usize)> {
        let seats = || ranks.iter().map(|(.., seat)| *seat);
        let to = seats().find(|seat| self.seats[*seat].has_room())?;
        let uneven = seats().rev().filter(|seat| *seat != to).take_while(|from| self.are_uneven(*from, to));
        uneven.filter_map(|from| Some((from, self.best_piece(from, to)?, to))).next()
    }

    fn are_uneven(&self, from: usize, to: usize) -> bool {
        self.seats[to].load() < self.seats[from].load() * (1.0 - UNEVEN_MIN)
    }

    /// The lease that leaves the higher load of both lowest, if that is lower than before.
    fn best_piece(&self, from: usize, to: usize) -> Option<usize> {
        let (giver, taker) = (&self.seats[from], &self.seats[to]);
        let after = |piece: &Piece| giver.load_of(giver.weight - piece.weight).max(taker.load_with(piece.weight));
        let best =
            giver.movable.iter().enumerate().min_by(|(_, one), (_, other)| {
                after(one).total_cmp(&after(other)).then_with(|| one.key.cmp(&other.key))
            })?;
        (after(best.1) < giver.load()).then_some(best.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(name: &str, capacity: u32) -> Place {
        Place { id: WorkerId::new(name), capacity, held_max: usize::MAX, leases: 0, weight: 0 }
    }

    fn piece(name: usize, weight: u64, owner: Option<&str>) -> Piece {
        let key = ShardId::new(&format!("s{name:05}"));
        Piece { key, weight, owner: owner.map(WorkerId::new), movable: true }
    }

    /// Carries out the plan.
    fn applied(mut pieces: Vec<Piece>, plan: &Plan) -> Vec<Piece> {
        for piece in &mut pieces {
            let taken = plan.taken.iter().find(|(key, _)| *key == piece.key).map(|(_, to)| to);
            let moved = plan.moved.iter().find(|step| step.key == piece.key).map(|step| &step.to);
            piece.owner = moved.or(taken).or(piece.owner.as_ref()).cloned();
        }
        pieces
    }

    fn weights(pieces: &[Piece], places: &[Place]) -> Vec<u64> {
        let of = |place: &Place| {
            pieces.iter().filter(|piece| piece.owner.as_ref() == Some(&place.id)).map(|piece| piece.weight).sum()
        };
        places.iter().map(of).collect()
    }

    #[test]
    fn free_leases_go_where_there_is_room_for_their_weight() {
        let places = [place("a", 1_000), place("b", 3_000)];
        let pieces: Vec<Piece> = (0..8).map(|name| piece(name, 100, None)).collect();
        let plan = plan(&pieces, &places);
        assert_eq!(weights(&applied(pieces, &plan), &places), [200, 600]);
        assert!(plan.moved.is_empty());
    }

    #[test]
    fn a_new_worker_gets_its_share_over_a_few_rounds_and_then_nothing_moves() {
        let places = [place("a", 1_000), place("b", 1_000), place("new", 1_000)];
        let mut pieces: Vec<Piece> = (0..30).map(|name| piece(name, 1_000, Some(["a", "b"][name % 2]))).collect();
        let mut rounds = 0;
        loop {
            let plan = plan(&pieces, &places);
            assert!(plan.moved.len() <= 3, "the budget of a round");
            if plan.moved.is_empty() {
                break;
            }
            pieces = applied(pieces, &plan);
            rounds += 1;
        }
        assert_eq!((weights(&pieces, &places), rounds), (vec![10_000, 10_000, 10_000], 4));
    }

    #[test]
    fn what_has_just_come_stays_and_small_differences_move_nothing() {
        let places = [place("a", 1_000), place("b", 1_000)];
        let fixed: Vec<Piece> = (0..4).map(|name| Piece { movable: false, ..piece(name, 1_000, Some("a")) }).collect();
        assert_eq!(plan(&fixed, &places), Plan::default());
        let pieces: Vec<Piece> = (0..29).map(|name| piece(name, 1_000, Some(["a", "b"][name % 2]))).collect();
        assert_eq!(plan(&pieces, &places), Plan::default());
        // Measured loads waver by a twentieth.
        let wavering: Vec<Piece> =
            (0..20).map(|name| piece(name, 1_000 + 50 * (name as u64 % 2), Some(["a", "b"][name % 2]))).collect();
        assert_eq!(plan(&wavering, &places), Plan::default());
    }

    #[test]
    fn one_heavy_shard_pushes_the_light_ones_away() {
        let places = [place("a", 1_000), place("b", 1_000)];
        let mut pieces: Vec<Piece> = (0..10).map(|name| piece(name, 1_000, Some(["a", "b"][name % 2]))).collect();
        pieces[0].weight = 100_000;
        while let moved @ [_, ..] = &plan(&pieces, &places).moved[..] {
            let step = Plan { taken: Vec::new(), moved: moved.to_vec() };
            pieces = applied(pieces, &step);
        }
        assert_eq!(weights(&pieces, &places), [100_000, 9_000]);
    }

    #[test]
    fn a_worker_with_one_heavy_shard_does_not_keep_the_others_from_helping_each_other() {
        let places = [place("a", 1_000), place("b", 1_000), place("new", 1_000)];
        let weights_before = [5_000, 2_000, 2_000];
        let owners = ["a", "b", "b"];
        let pieces: Vec<Piece> = (0..3).map(|name| piece(name, weights_before[name], Some(owners[name]))).collect();
        let plan = plan(&pieces, &places);
        assert_eq!(weights(&applied(pieces, &plan), &places), [5_000, 2_000, 2_000]);
    }

    #[test]
    fn nobody_gets_more_than_it_may_hold() {
        let places = [Place { held_max: 1, ..place("a", 9_000) }, Place { held_max: 2, ..place("b", 1_000) }];
        let pieces: Vec<Piece> = (0..5).map(|name| piece(name, 1_000, None)).collect();
        let plan = plan(&pieces, &places);
        assert_eq!(weights(&applied(pieces, &plan), &places), [1_000, 2_000]);
    }

    #[test]
    fn a_worker_whose_row_claims_everything_gets_nothing() {
        let places = [Place { weight: u64::MAX, ..place("a", 1_000) }, place("b", 1_000)];
        let pieces: Vec<Piece> = (0..4).map(|name| piece(name, 1_000, None)).collect();
        let plan = plan(&pieces, &places);
        assert_eq!(weights(&applied(pieces, &plan), &places), [0, 4_000]);
    }

    proptest! {
        /// Whatever the start: the rounds end, every lease has an owner, and the order of the input says nothing.
        #[test]
        fn rounds_end_in_balance(
            owned in proptest::collection::vec((0_usize..7, 1_000_u64..50_000), 0..60),
            capacities in proptest::collection::vec(500_u32..4_000, 1..6),
        ) {
            let names: Vec<String> = (0..capacities.len()).map(|index| format!("w{index}")).collect();
            let places: Vec<Place> =
                names.iter().zip(&capacities).map(|(name, capacity)| place(name, *capacity)).collect();
            let mut pieces: Vec<Piece> = owned
                .iter()
                .enumerate()
                .map(|(name, (owner, weight))| piece(name, *weight, names.get(*owner).map(String::as_str)))
                .collect();
            let mut rounds = 0;
            loop {
                let next = plan(&pieces, &places);
                let mut turned = (pieces.clone(), places.clone());
                turned.0.reverse();
                turned.1.reverse();
                prop_assert_eq!(&plan(&turned.0, &turned.1), &next);
                if next.taken.is_empty() && next.moved.is_empty() {
                    break;
                }
                pieces = applied(pieces, &next);
                rounds += 1;
                prop_assert!(rounds < 100, "it never rests");
            }
            prop_assert!(pieces.iter().all(|piece| piece.owner.is_some()));
        }
    }
}
