//! Windows and findings of a replay, made as a fleet makes them: epochs of each input, a message for every key group, one fold for each.
//!
//! Each input is a shard with an even part of the hash-key space. Time is the inputs': it has come to where the next record
//! begins, and then every input puts what it has, or says that it has nothing before that time. So windows close while the
//! inputs are read, in the order of time, and depend on no order in which the inputs are named.

use crate::finding_line;
use crate::lines::Lines;
use crate::window_line::{self, Closing};
use detect::detector::{Baselines, Judging};
use detect::finding::{Kind, Status};
use detect::message::{Constants, Header};
use detect::rollup::{FUTURE_MS, Settings};
use detect::summary::Summary;
use detect::{Detector, Sequence, Tally, Window};
use lease::HashRange;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// As long as a worker's epoch by default.
const EPOCH_MS: i64 = 5_000;
/// The latest time there is: messages name none after the year 9999.
const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// The windows of a replay under way.
pub struct Windows {
    settings: Settings,
    /// By input.
    shards: Vec<Shard>,
    /// The inputs in the order in which they put, that of their names.
    turns: Vec<usize>,
    detector: Detector,
    /// When everybody put last.
    put_at_ms: Option<i64>,
    closing: Closing,
    judging: Judging,
    told: Vec<Window>,
    lines: Lines,
    findings: Lines,
    /// How many findings opened that are not muted, by kind.
    opened: BTreeMap<Kind, u64>,
    /// Windows closed early, and messages refused: limits that no log of one day meets.
    limited: u64,
}

/// An input.
struct Shard {
    name: Arc<str>,
    range: RangeInclusive<u128>,
    summary: Summary<Tally>,
    /// Records taken, and how many of them were put.
    taken: u64,
    put: u64,
    arrived_ms: Option<i64>,
}

impl Windows {
    /// Of inputs with these names.
    pub fn new<'a>(constants: Constants, judging: Judging, names: impl Iterator<Item = &'a Arc<str>>) -> Self {
        let settings = Settings::new(constants);
        let names: Vec<&Arc<str>> = names.collect();
        let mut turns: Vec<usize> = (0..names.len()).collect();
        turns.sort_by_key(|input| names[*input]);
        let mut shards: Vec<Option<Shard>> = names.iter().map(|_| None).collect();
        // The same part and name for the same input, whatever stands before it.
        for ((turn, input), part) in turns.iter().enumerate().zip(HashRange::equal_parts(turns.len())) {
            shards[*input] = Some(Shard::new(turn, part, constants));
        }
        Self {
            shards: shards.into_iter().map(|shard| shard.expect("every input has its turn")).collect(),
            turns,
            detector: Detector::new(settings.clone()),
            settings,
            put_at_ms: None,
            closing: Closing::ByTime,
            judging,
            told: Vec::new(),
            lines: Lines::default(),
            findings: Lines::default(),
            opened: BTreeMap::new(),
            limited: 0,
        }
    }

    /// No record to come begins before `time_ms`.
    pub fn reach(&mut self, time_ms: i64) {
        let time_ms = time_ms.clamp(0, TIME_MS_MAX);
        if self.put_at_ms.is_none_or(|put_at_ms| put_at_ms + EPOCH_MS <= time_ms) {
            self.put_all(time_ms);
        }
    }

    /// Where the queries of this input's next record are to be counted.
    pub fn lend(&mut self, input: usize) -> Summary<Tally> {
        let empty = Summary::new(self.settings.constants);
        std::mem::replace(&mut self.shards[input].summary, empty)
    }

    /// Takes it back, with the record counted; the latest arrival in that.
    pub fn taken(&mut self, input: usize, summary: Summary<Tally>, arrival_ms: i64) {
        let shard = &mut self.shards[input];
        shard.summary = summary;
        shard.taken += 1;
        shard.arrived_ms = shard.arrived_ms.max(Some(arrival_ms.clamp(0, TIME_MS_MAX)));
    }

    /// No record is to come: closes what is open, as no later time would.
    pub fn end(&mut self) {
        let Some(last_ms) = self.shards.iter().filter_map(|shard| shard.arrived_ms).max() else { return };
        self.put_all(last_ms.max(self.put_at_ms.unwrap_or(0)));
        self.closing = Closing::ByEnd;
        self.judging.whole_until_ms = last_ms;
        let Constants { pane_ms, lateness_ms, .. } = self.settings.constants;
        let open_ms = FUTURE_MS + i64::from(pane_ms) + i64::from(lateness_ms) + self.settings.margin_ms;
        self.put_all((last_ms + open_ms).min(TIME_MS_MAX));
        self.told.extend(self.detector.rest());
        self.write();
    }

    /// Lines to be written.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// Lines of findings to be written.
    pub fn findings(&mut self) -> &mut Lines {
        &mut self.findings
    }

    /// How many findings opened that are not muted, by kind.
    pub fn opened(&self) -> BTreeMap<Kind, u64> {
        self.opened.clone()
    }

    /// What is usual in the zones.
    pub fn baselines(&self) -> Baselines {
        self.detector.baselines()
    }

    /// Windows closed before their time because there were too many.
    pub fn limited(&self) -> u64 {
        self.limited
    }

    fn put_all(&mut self, now_ms: i64) {
        for turn in 0..self.turns.len() {
            let input = self.turns[turn];
            if let Some((header, summary)) = self.shards[input].epoch(self.settings.constants) {
                self.put(&header, summary, now_ms);
            }
            let shard = &self.shards[input];
            if shard.arrived_ms < Some(now_ms) {
                let mark = shard.header(self.settings.constants, shard.put, now_ms);
                self.put(&mark, Summary::new(self.settings.constants), now_ms);
            }
        }
        self.put_at_ms = Some(now_ms);
        self.write();
    }

    /// Puts an epoch or a mark for every key group.
    fn put(&mut self, header: &Header, summary: Summary<Tally>, now_ms: i64) {
        for message in summary.messages(header) {
            let Ok(outcome) = self.detector.apply(message, now_ms, &self.judging) else {
                // An arrival that no clock could have noted.
                self.limited += 1;
                continue;
            };
            self.limited += outcome.told.counts.windows_limited;
            let windows = outcome.windows.into_iter().map(|seen| seen.window);
            self.told.extend(windows.filter(window_line::is_told));
            for finding in &outcome.findings {
                finding_line::push(finding, &mut self.findings);
                if finding.status == Status::Opened && !finding.muted {
                    *self.opened.entry(finding.kind).or_default() += 1;
                }
            }
        }
    }

    /// Writes what was told, in the order in which windows end.
    fn write(&mut self) {
        let order = |window: &Window| (window.start_ms + window.length_ms, window.length_ms, window.zone_key.clone());
        self.told.sort_by_cached_key(order);
        for window in self.told.drain(..) {
            window_line::push(&window, self.closing, &mut self.lines);
        }
    }
}

impl Shard {
    fn new(turn: usize, part: HashRange, constants: Constants) -> Self {
        // Not the input's name, which may be longer than a shard's and be there twice.
        let name = format!("input-{turn}").into();
        let summary = Summary::new(constants);
        Self { name, range: part.start..=part.end, summary, taken: 0, put: 0, arrived_ms: None }
    }

    /// What was taken since the last one.
    fn epoch(&mut self, constants: Constants) -> Option<(Header, Summary<Tally>)> {
        let time_ms = self.arrived_ms.filter(|_| self.taken > self.put)?;
        let header = self.header(constants, self.taken, time_ms);
        self.put = self.taken;
        Some((header, std::mem::replace(&mut self.summary, Summary::new(constants))))
    }

    /// From what was put to `through`.
    fn header(&self, constants: Constants, through: u64, time_ms: i64) -> Header {
        let place = |records: u64| Sequence::parse(&records.to_string()).filter(|_| records > 0);
        Header {
            constants,
            shard: self.name.clone(),
            hash_range: self.range.clone(),
            parents: Vec::new(),
            after: place(self.put),
            through: place(through),
            time_ms,
            hole_ms: None,
            end: false,
        }
    }
}
