//! Who usually has which share: names, resolvers, networks or edges, remembered with a decay and in bounded memory.

use crate::TopName;
use crate::wire::{Input, put_bytes, put_number, put_signed};
use std::f64::consts::{LN_2, TAU};

/// A query weighs 1/e after so long: a day's rhythm is averaged out, and a lasting change is usual after a week.
const MEMORY_S: f64 = 3.0 * 86_400.0;
/// A window teaches at most as much as this many usual ones, so that a flood does not become what is usual.
const WEIGHT_MAX: f64 = 4.0;
/// What is less is rounding.
const SHARE_MIN: f64 = 1e-9;
/// As [`TopName`]s have them.
const NAME_BYTES_MAX: usize = 255;
/// Sums of weights stay below it: queries of some weeks.
const WEIGHT_SUM_MAX: f64 = 1e18;

/// Shares as they were lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// Names kept; at most twice as many are held.
    kept: usize,
    /// In the order of their text.
    entries: Vec<Entry>,
    /// Decayed queries, those of unnamed ones too.
    queries: f64,
    /// Decayed windows.
    windows: f64,
    /// Of the first and the last window, seconds since 1970.
    times: Option<(i64, i64)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    name: Box<str>,
    weight: f64,
    /// When it was seen first, since it was forgotten.
    first_s: i64,
}

impl Shares {
    pub(super) fn new(kept: usize) -> Self {
        Self { kept, entries: Vec::new(), queries: 0.0, windows: 0.0, times: None }
    }

    /// Takes in a window's list; `queries` are all of it.
    pub(super) fn learn(&mut self, time_s: i64, list: &[TopName], queries: u64) {
        let (first_s, last_s) = self.times.unwrap_or((time_s, time_s));
        let keep = (-(time_s.saturating_sub(last_s).max(0) as f64) / MEMORY_S).exp();
        self.times = Some((first_s, time_s.max(last_s)));
        self.entries.iter_mut().for_each(|entry| entry.weight *= keep);
        self.queries *= keep;
        self.windows *= keep;
        let usual = if self.windows >= 1.0 { self.queries / self.windows } else { queries as f64 };
        // Where nothing is usual, a few queries teach in full.
        let weight = (WEIGHT_MAX * usual.max(1.0) / (queries as f64).max(1.0)).min(1.0);
        self.queries = (self.queries + weight * queries as f64).min(WEIGHT_SUM_MAX);
        self.windows += 1.0;
        for top in list {
            let weight = weight * top.count as f64;
            match self.place(&top.name) {
                Ok(at) => self.entries[at].weight = (self.entries[at].weight + weight).min(WEIGHT_SUM_MAX),
                Err(at) => self.entries.insert(at, Entry { name: top.name.as_str().into(), weight, first_s: time_s }),
            }
        }
        if self.entries.len() > 2 * self.kept {
            self.forget();
        }
    }

    /// The usual share of a name, 0 to 1; 0 if it is not known.
    pub fn share(&self, name: &str) -> f64 {
        if self.queries <= 0.0 {
            return 0.0;
        }
        self.place(name).map_or(0.0, |at| (self.entries[at].weight / self.queries).min(1.0))
    }

    /// All names that are known and their usual shares, in the order of their text.
    pub fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        let queries = self.queries.max(f64::MIN_POSITIVE);
        self.entries.iter().map(move |entry| (entry.name.as_ref(), (entry.weight / queries).min(1.0)))
    }

    /// When a name was first seen, seconds since 1970, if it is known.
    pub fn first_s(&self, name: &str) -> Option<i64> {
        self.place(name).ok().map(|at| self.entries[at].first_s)
    }

    /// Since when there has been something to learn from, seconds since 1970.
    pub fn since_s(&self) -> Option<i64> {
        self.times.map(|(first_s, _)| first_s)
    }

    /// Jensen-Shannon divergence of a window's list from what is usual, up to 1 bit, less what count noise makes of it, so
    /// that it may be a little below 0; what is not in the list counts as one. None while nothing is known, and of a window
    /// without queries.
    pub fn divergence(&self, list: &[TopName], queries: u64) -> Option<f64> {
        let pairs = self.pairs(list, queries)?;
        // Of K shares of n queries the mean divergence by chance is (K - 1) / (8 n ln 2).
        let shares = pairs.iter().filter(|(_, usual)| *usual > SHARE_MIN).count().max(1);
        let noise = (shares - 1) as f64 / (8.0 * queries as f64 * LN_2);
        let part = |mine: f64, middle: f64| if mine > 0.0 { mine * (mine / middle).log2() } else { 0.0 };
        let term = |(seen, usual): (f64, f64)| {
            let middle = f64::midpoint(seen, usual);
            f64::midpoint(part(seen, middle), part(usual, middle))
        };
        Some(pairs.into_iter().map(term).sum::<f64>() - noise)
    }

    /// Share of the window's queries that are elsewhere than usual, 0 to 1, less what count noise makes of it.
    pub fn moved(&self, list: &[TopName], queries: u64) -> Option<f64> {
        let more = |(seen, usual): (f64, f64)| {
            // The mean of the positive half of a normal deviation.
            let noise = (usual * (1.0 - usual) / (TAU * queries as f64)).sqrt();
            (seen - usual).max(0.0) - noise
        };
        Some(self.pairs(list, queries)?.into_iter().map(more).sum::<f64>().clamp(0.0, 1.0))
    }

    /// Of each in the list, and of the rest, the share seen and the usual one.
    fn pairs(&self, list: &[TopName], queries: u64) -> Option<Vec<(f64, f64)>> {
        if queries == 0 || self.queries <= 0.0 {
            return None;
        }
        let mut pairs: Vec<(f64, f64)> =
            list.iter().map(|top| (top.count as f64 / queries as f64, self.share(&top.name))).collect();
        let [seen, usual] = [0, 1].map(|side| {
            let sum: f64 = pairs.iter().map(|pair| if side == 0 { pair.0 } else { pair.1 }).sum();
            (1.0 - sum).max(0.0)
        });
        pairs.push((seen, usual));
        Some(pairs)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.name.as_ref().cmp(name))
    }

    /// Forgets the lightest names beyond those kept; of equal ones the later in the order of text.
    fn forget(&mut self) {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by(|&left, &right| self.entries[right].weight.total_cmp(&self.entries[left].weight));
        let mut keeps = vec![false; self.entries.len()];
        order[..self.kept].iter().for_each(|&at| keeps[at] = true);
        let mut keep = keeps.into_iter();
        self.entries.retain(|_| keep.next().expect("one for each entry"));
    }

    /// Bytes it holds on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.entries.iter().map(|entry| entry.name.len()).sum::<usize>()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_float(out, self.queries);
        put_float(out, self.windows);
        let (first_s, last_s) = self.times.unwrap_or((1, 0));
        put_signed(out, first_s);
        put_signed(out, last_s);
        put_number(out, self.entries.len() as u64);
        for entry in &self.entries {
            put_bytes(out, entry.name.as_bytes());
            put_float(out, entry.weight);
            put_signed(out, entry.first_s);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>, kept: usize) -> Option<Self> {
        let (queries, windows) = (weight(input)?, weight(input)?);
        let times = (input.signed()?, input.signed()?);
        let times = if times == (1, 0) { None } else { Some(times).filter(|(first_s, last_s)| first_s <= last_s) };
        let count = input.count().filter(|count| *count <= 2 * kept)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            let name: Box<str> = std::str::from_utf8(input.bytes(NAME_BYTES_MAX)?).ok()?.into();
            if entries.last().is_some_and(|last| last.name >= name) {
                return None;
            }
            entries.push(Entry { name, weight: weight(input)?, first_s: input.signed()? });
        }
        Some(Self { kept, entries, queries, windows, times })
    }
}

pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend(value.to_le_bytes());
}

/// A number that is not below 0, nor greater than any that is held.
fn weight(input: &mut Input<'_>) -> Option<f64> {
    float(input).filter(|value| (0.0..=WEIGHT_SUM_MAX).contains(value))
}

pub(crate) fn float(input: &mut Input<'_>) -> Option<f64> {
    Some(f64::from_le_bytes(input.take(8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(counts: &[(&str, u64)]) -> Vec<TopName> {
        counts.iter().map(|(name, count)| TopName { name: (*name).to_owned(), count: *count, error: 0 }).collect()
    }

    #[test]
    fn the_same_shares_diverge_by_nothing_and_others_by_one_bit() {
        let mut shares = Shares::new(8);
        assert_eq!(shares.divergence(&list(&[("a", 1)]), 1), None, "nothing is known");
        for minute in 0..100 {
            shares.learn(60 * minute, &list(&[("a", 60), ("b", 30)]), 100);
        }
        assert!((shares.share("a") - 0.6).abs() < 1e-9 && shares.share("c") == 0.0);
        let same = shares.divergence(&list(&[("b", 30_000), ("a", 60_000)]), 100_000).unwrap();
        assert!(same.abs() < 1e-4, "{same}");
        assert_eq!(shares.divergence(&list(&[("b", 3), ("a", 6)]), 0), None);
        // All is elsewhere, except that a tenth was of nobody known before.
        let elsewhere = shares.divergence(&list(&[("c", 100)]), 100).unwrap();
        assert!(elsewhere > 0.99, "{elsewhere}");
        let moved = shares.moved(&list(&[("a", 30_000), ("b", 30_000), ("c", 30_000)]), 100_000).unwrap();
        assert!((moved - 0.3).abs() < 0.01, "{moved}");
    }

    #[test]
    fn few_queries_neither_diverge_nor_move_on_average() {
        let usual = [0.4, 0.3, 0.2, 0.1];
        let mut shares = Shares::new(8);
        let counts = usual.map(|share| (1e6 * share) as u64);
        let named = |counts: [u64; 4]| list(&[("a", counts[0]), ("b", counts[1]), ("c", counts[2]), ("d", counts[3])]);
        shares.learn(0, &named(counts), 1_000_000);
        let mut random = traffic::Random::new(3);
        let (mut diverged, mut moved) = (0.0, 0.0);
        for _ in 0..2_000 {
            let counts = usual.map(|share| random.poisson(40.0 * share));
            let queries = counts.iter().sum();
            diverged += shares.divergence(&named(counts), queries).unwrap() / 2_000.0;
            moved += shares.moved(&named(counts), queries).unwrap() / 2_000.0;
        }
        assert!(diverged.abs() < 0.002 && moved < 0.05, "{diverged} {moved}");
    }

    #[test]
    fn a_flood_does_not_become_usual_but_a_lasting_change_does() {
        let mut shares = Shares::new(8);
        let day = |shares: &mut Shares, from: i64, name: &str, minutes: i64, count: u64| {
            (0..minutes).for_each(|minute| shares.learn(from + 60 * minute, &list(&[(name, count)]), count));
        };
        day(&mut shares, 0, "a", 1440, 100);
        day(&mut shares, 86_400, "b", 10, 100_000);
        assert!(shares.share("b") < 0.05, "{}", shares.share("b"));
        day(&mut shares, 90_000, "b", 14 * 1440, 100);
        assert!(shares.share("b") > 0.95, "{}", shares.share("b"));
    }

    #[test]
    fn names_beyond_the_bound_go_and_the_heaviest_stay() {
        let mut shares = Shares::new(4);
        for minute in 0..10_000 {
            let noise = format!("{}{}", "x".repeat(240), minute);
            shares.learn(60 * minute, &list(&[("heavy", 50), (&noise, 1)]), 60);
        }
        assert!(shares.entries.len() <= 8 && (shares.share("heavy") - 50.0 / 60.0).abs() < 1e-6);
        assert_eq!(shares.first_s("heavy"), Some(0));
        assert!(shares.heap_bytes() <= 16 * (255 + size_of::<Entry>()));
    }
}
