//! Open windows, and what is counted beside them.

use super::{Closed, Counted};
use crate::message::{Pane, Zone};
use crate::wire::{Input, put_bytes, put_number, put_signed, put_time};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Panes without a query that are told at one closing at most: a day of 10 s. A watermark that jumps further is that of a
/// stream nobody wrote to.
const EMPTY_TOLD_MAX: i64 = 8_640;

/// Queries of a zone that entered no window since the last closing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// Too old at their record's arrival.
    pub late: u64,
    /// Dated after their record's arrival.
    pub future: u64,
    /// Their window was closed already.
    pub missed: u64,
}

/// The windows of a key group that are not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows<P> {
    /// By start and zone.
    open: BTreeMap<i64, BTreeMap<Arc<str>, P>>,
    /// Zones' panes in `open`.
    count: usize,
    /// What ends here or before is closed.
    closed_until_ms: Option<i64>,
    beside: BTreeMap<Arc<str>, Beside>,
}

impl<P> Default for Windows<P> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), count: 0, closed_until_ms: None, beside: BTreeMap::new() }
    }
}

impl<P: Pane> Windows<P> {
    /// Takes over what an epoch counted of a zone. Zones beyond `zones_max` that have something beside their windows are
    /// counted together, under the empty key. What is counted in windows is told.
    pub(super) fn add(&mut self, key: &Arc<str>, zone: Zone<P>, zones_max: usize, counted: &mut Vec<Counted>) {
        let mut beside = Beside { late: zone.late, future: zone.future, missed: 0 };
        for (start_ms, pane) in zone.panes {
            if self.is_closed(start_ms) {
                beside.missed = beside.missed.saturating_add(pane.count());
                continue;
            }
            let open = self.open.entry(start_ms).or_default().entry(key.clone());
            if let std::collections::btree_map::Entry::Vacant(_) = open {
                self.count += 1;
            }
            open.or_default().merge(&pane);
            counted.push(Counted { zone_key: key.clone(), start_ms, queries: pane.count() });
        }
        if beside != Beside::default() {
            let full = self.beside.len() >= zones_max && !self.beside.contains_key(key);
            let sum = self.beside.entry(if full { "".into() } else { key.clone() }).or_default();
            sum.late = sum.late.saturating_add(beside.late);
            sum.future = sum.future.saturating_add(beside.future);
            sum.missed = sum.missed.saturating_add(beside.missed);
        }
    }

    /// A zone's open panes that start in a range, in order.
    pub(super) fn of_zone<'a>(&'a self, key: &'a str, starts_ms: Range<i64>) -> impl Iterator<Item = &'a P> {
        self.open.range(starts_ms).filter_map(move |(_, zones)| zones.get(key))
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn closed_until_ms(&self) -> Option<i64> {
        self.closed_until_ms
    }

    /// The start of the oldest open window.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    fn is_closed(&self, start_ms: i64) -> bool {
        self.closed_until_ms.is_some_and(|until| start_ms < until)
    }

    /// Closes every window that starts before `until_ms`, in order, also those without a query. `judge` says of a window's
    /// start whether it is whole, and its coverage.
    pub(super) fn close(&mut self, until_ms: i64, pane_ms: i64, judge: impl Fn(i64) -> (bool, f64)) -> Vec<Closed<P>> {
        let from_ms = self.closed_until_ms.or(self.oldest_ms()).unwrap_or(until_ms).min(until_ms);
        let empty_from_ms = from_ms.max(until_ms - EMPTY_TOLD_MAX * pane_ms);
        let rest = self.open.split_off(&until_ms);
        let mut closing = std::mem::replace(&mut self.open, rest);
        let mut empty_ms = empty_from_ms;
        while empty_ms < until_ms {
            closing.entry(empty_ms).or_default();
            empty_ms += pane_ms;
        }
        let mut beside = std::mem::take(&mut self.beside);
        let closed: Vec<Closed<P>> = closing
            .into_iter()
            .map(|(start_ms, zones)| {
                self.count -= zones.len();
                let (whole, coverage) = judge(start_ms);
                Closed { start_ms, whole, coverage, zones, beside: std::mem::take(&mut beside) }
            })
            .collect();
        self.beside = beside;
        self.closed_until_ms = self.closed_until_ms.max(Some(until_ms));
        closed
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_time(out, self.closed_until_ms);
        put_number(out, self.open.len() as u64);
        for (start_ms, zones) in &self.open {
            put_signed(out, *start_ms);
            put_number(out, zones.len() as u64);
            for (key, pane) in zones {
                put_bytes(out, key.as_bytes());
                pane.encode(out);
            }
        }
        put_number(out, self.beside.len() as u64);
        for (key, beside) in &self.beside {
            put_bytes(out, key.as_bytes());
            [beside.late, beside.future, beside.missed].into_iter().for_each(|count| put_number(out, count));
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let closed_until_ms = input.time()?;
        let zones = |input: &mut Input<'_>| {
            let start_ms = input.signed_time()?;
            let panes = (0..input.count()?).map(|_| Some((input.name()?, P::decode(input)?)));
            Some((start_ms, panes.collect::<Option<BTreeMap<_, _>>>()?))
        };
        let open: BTreeMap<i64, BTreeMap<Arc<str>, P>> =
            (0..input.count()?).map(|_| zones(input)).collect::<Option<_>>()?;
        let beside = |input: &mut Input<'_>| {
            let key = input.name()?;
            Some((key, Beside { late: input.number()?, future: input.number()?, missed: input.number()? }))
        };
        let beside = (0..input.count()?).map(|_| beside(input)).collect::<Option<_>>()?;
        let count = open.values().map(BTreeMap::len).sum();
        Some(Self { open, count, closed_until_ms, beside })
    }
}
