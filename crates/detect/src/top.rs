//! Which names are asked most: a bounded set of counters with a proven error.
//!
//! Misra and Gries' frequent items, in the batched form of Agarwal and others ("Mergeable summaries", 2012), which is
//! what space-saving does with the smallest counter, seen from below: there are `2k` counters; when a new name finds
//! all taken, the count of the `k+1`st largest is taken off every one and those at 0 leave. A purge looks at `2k`
//! counters and frees at least `k`, so a name costs constant time on average.
//!
//! Invariant: each purge takes its amount from at least `k+1` counters, so `(k+1) * error + sum(counts) <= total`, and
//! merging adds both sides. Hence a count is short by at most `error <= total/(k+1)`, and no name asked more often
//! than that is ever missing.

mod wire;

use crate::places::{Places, Vacant};
use crate::wire::put_short;
pub(crate) use wire::{put_hashed, take_hashed};

/// A name kept longer than this is cut for show; it stays apart from others by its hash. The longest name on the wire
/// is 255 bytes, escapes can make its text four times as long.
const NAME_BYTES_MAX: usize = 255;

/// Counters, and bytes of each name, that there is room for from the first name on: what a hash table's 32 buckets take, and
/// what labels are usually long.
const FIRST_COUNTERS: usize = 28;
const FIRST_TEXT_BYTES: usize = 8;

/// The names asked most, at most `2k` of them, at most about 300 bytes each.
#[derive(Debug, Clone)]
pub struct Top {
    kept: usize,
    /// Counters there may be as long as none has been let go.
    exact_max: usize,
    counters: Vec<Counter>,
    /// Of `counters`.
    places: Places,
    /// The counters' names, one after the other.
    text: Vec<u8>,
    error: u64,
    /// Counts of a purge, kept for the next.
    scratch: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    hash: u64,
    count: u64,
    text_at: u32,
    text_bytes: u8,
    /// Whatever the caller wants to know of a name: it is set for good.
    mark: bool,
}

/// A name that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) hash: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) count: u64,
    pub(crate) mark: bool,
}

/// Whether a name is to be marked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(pub(crate) bool);

/// What a count came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// It was counted before, as far as is remembered, and marked no less.
    Known,
    /// It was counted before, and is marked for the first time.
    Marked,
    /// Never, as far as is remembered.
    New,
    /// Never, and there is no room for it.
    Full,
}

/// One of the names asked most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopName {
    /// The name, at most 255 bytes of it. An attacker may have chosen it: escape it before showing it.
    pub name: String,
    /// At least so often.
    pub count: u64,
    /// At most so often more.
    pub error: u64,
}

impl Top {
    /// Counters that never miss a name asked in more than one of `kept + 1` queries. `kept` is at least 1 and at most 10,000.
    pub fn new(kept: usize) -> Self {
        let kept = kept.clamp(1, 10_000);
        Self::exact_up_to(kept, 2 * kept)
    }

    /// The same, but up to `exact_max` names are all counted, if those are more than `2k`.
    pub(crate) fn exact_up_to(kept: usize, exact_max: usize) -> Self {
        let (counters, places, text, scratch) = (Vec::new(), Places::default(), Vec::new(), Vec::new());
        Self { kept, exact_max, counters, places, text, error: 0, scratch }
    }

    /// Counts `name` once. `hash` is its [`crate::stable_hash`].
    pub fn add(&mut self, hash: u64, name: &str) {
        let name = cut(name).as_bytes();
        if let Met::Full = self.add_once(hash, name, Mark(false)) {
            self.add_new(hash, name, 1, Mark(false));
        }
    }

    /// The same for at most 255 bytes of any kind.
    pub(crate) fn add_bytes(&mut self, hash: u64, bytes: &[u8], count: u64) {
        match self.place(hash) {
            Some(at) => self.counters[at].count = self.counters[at].count.saturating_add(count),
            None => self.add_new(hash, bytes, count, Mark(false)),
        }
    }

    /// Counts at most 255 bytes once, unless they are not counted yet and the list is full: that is left to [`Top::add_new`].
    #[inline]
    pub(crate) fn add_once(&mut self, hash: u64, bytes: &[u8], Mark(mark): Mark) -> Met {
        self.places.make_room(self.counters.len() + 1, self.counters.iter().map(|counter| counter.hash));
        match self.find(hash) {
            Ok(at) => {
                let counter = &mut self.counters[at];
                counter.count += 1;
                let met = if mark && !counter.mark { Met::Marked } else { Met::Known };
                counter.mark |= mark;
                met
            }
            Err(_) if self.is_full() => Met::Full,
            Err(vacant) => {
                self.put(vacant, hash, bytes, 1, Mark(mark));
                Met::New
            }
        }
    }

    /// Counts at most 255 bytes that are not counted yet.
    pub(crate) fn add_new(&mut self, hash: u64, bytes: &[u8], count: u64, mark: Mark) {
        if self.is_full() {
            self.purge();
        }
        self.insert(hash, bytes, count, mark);
    }

    /// Makes room for so many more, as far as there may be.
    pub(crate) fn reserve(&mut self, more: usize) {
        let more = more.min(self.limit().saturating_sub(self.counters.len()));
        if more <= self.counters.capacity() - self.counters.len() {
            return;
        }
        self.text.reserve(more * FIRST_TEXT_BYTES);
        self.counters.reserve(more);
        self.places.make_room(self.counters.len() + more, self.counters.iter().map(|counter| counter.hash));
    }

    /// How many are counted.
    pub(crate) fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether none was ever let go.
    pub(crate) fn is_exact(&self) -> bool {
        self.error == 0
    }

    /// Whether the next new name makes some go.
    pub(crate) fn is_full(&self) -> bool {
        self.counters.len() >= self.limit()
    }

    /// Whether so many more can be counted, all of them exactly.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.counters.len() + more <= self.limit()
    }

    fn limit(&self) -> usize {
        if self.error == 0 { self.exact_max.max(2 * self.kept) } else { 2 * self.kept }
    }

    /// Takes over what `other` has counted. Both must hash with the same seed.
    pub fn merge(&mut self, other: &Self) {
        self.error = self.error.saturating_add(other.error);
        for counter in &other.counters {
            match self.place(counter.hash) {
                Some(at) => {
                    let mine = &mut self.counters[at];
                    mine.count = mine.count.saturating_add(counter.count);
                    mine.mark |= counter.mark;
                }
                None => self.insert(counter.hash, other.text_of(counter), counter.count, Mark(counter.mark)),
            }
        }
        if self.counters.len() > self.limit() {
            self.purge();
        }
    }

    /// Whether what `other` counts can be counted here too, all of it exactly.
    pub(crate) fn has_room_for(&self, other: &Self) -> bool {
        let new = other.counters.iter().filter(|counter| self.place(counter.hash).is_none());
        self.counters.len() + new.count() <= self.limit()
    }

    /// The names asked most, first the one asked most, at most `k` of them; of equals the shorter, then in the order of
    /// their bytes.
    pub fn names(&self) -> Vec<TopName> {
        self.names_as(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The same where bytes are not text; `show` makes text of them.
    pub(crate) fn names_as(&self, show: impl Fn(&[u8]) -> String) -> Vec<TopName> {
        let order = |left: &&Counter, right: &&Counter| {
            let ranks = (right.count, left.text_bytes).cmp(&(left.count, right.text_bytes));
            ranks.then_with(|| self.text_of(left).cmp(self.text_of(right)))
        };
        let mut most: Vec<&Counter> = self.counters.iter().collect();
        if most.len() > self.kept {
            most.select_nth_unstable_by(self.kept, order);
            most.truncate(self.kept);
        }
        most.sort_unstable_by(order);
        let named =
            |counter: &Counter| TopName { name: show(self.text_of(counter)), count: counter.count, error: self.error };
        most.into_iter().map(named).collect()
    }

    /// By how much any count may be short; a name that is not there was asked at most so often.
    pub fn error(&self) -> u64 {
        self.error
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.counters.clear();
        self.places.replace([].into_iter());
        self.text.clear();
        self.error = 0;
    }

    /// Lets all names go: each may be short by what the largest had. Whether there was one.
    pub(crate) fn let_go(&mut self) -> bool {
        let largest = self.counters.iter().map(|counter| counter.count).max();
        let error = self.error.saturating_add(largest.unwrap_or(0));
        self.clear();
        self.error = error;
        largest.is_some()
    }

    /// All that is counted, in the order it came.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Named<'_>> {
        self.counters.iter().map(|counter| {
            let Counter { hash, count, mark, .. } = *counter;
            Named { hash, bytes: self.text_of(counter), count, mark }
        })
    }

    /// Bytes it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.counters.capacity() * size_of::<Counter>()
            + self.places.heap_bytes()
            + self.text.capacity()
            + self.scratch.capacity() * size_of::<u64>()
    }

    #[inline]
    fn place(&self, hash: u64) -> Option<usize> {
        self.find(hash).ok()
    }

    #[inline]
    fn find(&self, hash: u64) -> Result<usize, Vacant> {
        self.places.find(hash, |at| self.counters[at].hash)
    }

    fn insert(&mut self, hash: u64, name: &[u8], count: u64, mark: Mark) {
        if self.counters.capacity() == 0 {
            // Growing by doubling from nothing would take a dozen allocations, for each list of each pane.
            self.reserve(FIRST_COUNTERS);
        }
        self.places.make_room(self.counters.len() + 1, self.counters.iter().map(|counter| counter.hash));
        if let Err(vacant) = self.find(hash) {
            self.put(vacant, hash, name, count, mark);
        }
    }

    #[inline]
    fn put(&mut self, vacant: Vacant, hash: u64, name: &[u8], count: u64, Mark(mark): Mark) {
        self.places.put(vacant, self.counters.len());
        let text_at = self.text.len() as u32;
        put_short(&mut self.text, name);
        self.counters.push(Counter { hash, count, text_at, text_bytes: name.len() as u8, mark });
    }

    fn text_of(&self, counter: &Counter) -> &[u8] {
        &self.text[counter.text_at as usize..][..usize::from(counter.text_bytes)]
    }

    /// Takes the `k+1`st largest count off all and lets those at 0 go: at most `k` stay.
    fn purge(&mut self) {
        self.scratch.clear();
        self.scratch.extend(self.counters.iter().map(|counter| counter.count));
        let (_, &mut amount, _) = self.scratch.select_nth_unstable_by(self.kept, |left, right| right.cmp(left));
        self.error = self.error.saturating_add(amount);
        let (counters, text) = (&mut self.counters, &mut self.text);
        let mut text_end = 0;
        // Names stay in the order of their counters, so each moves only towards the front.
        counters.retain_mut(|counter| {
            counter.count = counter.count.saturating_sub(amount);
            if counter.count == 0 {
                return false;
            }
            let (at, bytes) = (counter.text_at as usize, usize::from(counter.text_bytes));
            text.copy_within(at..at + bytes, text_end);
            counter.text_at = text_end as u32;
            text_end += bytes;
            true
        });
        text.truncate(text_end);
        // What the exact beginning took is not needed again.
        text.shrink_to(2 * self.kept * NAME_BYTES_MAX);
        self.places.replace(self.counters.iter().map(|counter| counter.hash));
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stable_hash;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn add(top: &mut Top, name: &str) {
        top.add(stable_hash(5, name.as_bytes()), name);
    }

    fn check(top: &Top, truth: &HashMap<String, u64>, kept: u64) -> Result<(), TestCaseError> {
        let total: u64 = truth.values().sum();
        prop_assert!(top.error() <= total / (kept + 1), "error {} of {total}", top.error());
        let shown: HashMap<String, u64> = top.names().into_iter().map(|top| (top.name, top.count)).collect();
        for (name, &count) in truth {
            let seen = shown.get(name).copied().unwrap_or(0);
            prop_assert!(seen <= count, "{name}: {seen} of {count}");
            if count > total / (kept + 1) {
                prop_assert!(shown.contains_key(name), "{name} with {count} of {total} is missing");
                prop_assert!(seen + top.error() >= count);
            }
        }
        Ok(())
    }

    proptest! {
        /// Small numbers are frequent: the square of a uniform number is not uniform.
        #[test]
        fn no_name_above_its_share_is_missing_also_after_merging(
            left in proptest::collection::vec(0_u32..40, 0..800),
            right in proptest::collection::vec(0_u32..40, 0..800),
            kept in 1_usize..12,
        ) {
            let mut truth = HashMap::new();
            let mut tops = [Top::new(kept), Top::new(kept)];
            for (top, numbers) in tops.iter_mut().zip([&left, &right]) {
                for number in numbers {
                    let name = format!("n{}", number * number / 40);
                    add(top, &name);
                    *truth.entry(name).or_insert(0) += 1;
                }
            }
            let [mut one, two] = tops;
            let mut back = two.clone();
            one.merge(&two);
            check(&one, &truth, kept as u64)?;
            back.merge(&{ let mut again = Top::new(kept); left.iter().for_each(|number| add(&mut again, &format!("n{}", number * number / 40))); again });
            prop_assert_eq!(one.names(), back.names());
        }
    }

    #[test]
    fn a_heavy_name_survives_a_million_hostile_ones_in_bounded_memory() {
        let mut top = Top::new(32);
        for number in 0..1_000_000_u32 {
            let label = "x".repeat(200 + (number % 900) as usize);
            add(&mut top, &format!("{number}.{label}"));
            if number % 20 == 0 {
                add(&mut top, "www.example.com");
            }
        }
        assert_eq!(top.names()[0].name, "www.example.com");
        assert!(top.names()[0].count + top.error() >= 50_000);
        assert!(top.heap_bytes() <= 64 * 300 * 2, "{}", top.heap_bytes());
    }

    #[test]
    fn long_names_with_one_beginning_stay_apart() {
        let mut top = Top::new(4);
        let begin = "é".repeat(200);
        add(&mut top, &format!("{begin}a"));
        add(&mut top, &format!("{begin}b"));
        add(&mut top, &format!("{begin}b"));
        assert_eq!(top.names().iter().map(|top| top.count).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(top.names()[0].name.len(), 254);
    }
}
