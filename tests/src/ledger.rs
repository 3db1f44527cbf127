//! What the logs of a fleet say of who read which shard when, and what follows from it: how long a shard was read by
//! nobody when it changed hands, and whether anybody read it whom the lease no longer allowed.
//!
//! The processes of a test run on one machine, so their clocks may be compared; the product never does.

use crate::program::{Folder, name_of};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Settings by which a worker writes down every record that it observes.
pub const EVERY_RECORD: [(&str, &str); 2] =
    [("ZONEWATCH_LOG__FORMAT", "json"), ("ZONEWATCH_LOG__LEVEL", "info,zonewatch::shard_task=trace")];

/// The same of the records of the rollup stream.
pub const EVERY_DIGEST: [(&str, &str); 2] =
    [("ZONEWATCH_LOG__FORMAT", "json"), ("ZONEWATCH_LOG__LEVEL", "info,zonewatch::rollup_task=trace")];

/// The tasks that read shards, as their lines name them.
const SHARD_TASK: &str = "zonewatch::shard_task";
const ROLLUP_TASK: &str = "zonewatch::rollup_task";

/// What a worker may still observe of a shard after another has begun, or after it has come back from a pause: what it had
/// read already, on a machine whose two cores are shared by all.
const GRACE: Duration = Duration::from_secs(1);

/// A moment of this machine, since 1970.
pub type Moment = Duration;

/// Now.
pub fn now() -> Moment {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

/// A record that a worker observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Moment,
    /// By which process.
    pub process: String,
    /// The shard.
    pub shard: String,
    /// The counter of the lease, as the shard's task knew it.
    pub counter: u64,
}

impl Reading {
    /// Whether the process had come back from a pause only just before.
    fn is_of_one_woken(&self, resumed: &[(String, Moment)]) -> bool {
        resumed.iter().any(|(process, at)| *process == self.process && self.at >= *at && self.at <= *at + GRACE)
    }
}

/// How an owner came to let a lease go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It was asked to end.
    Ended,
    /// Another should have the shard.
    Moved,
    /// It let go of nothing: it died, or was not heard.
    Silent,
}

/// A shard that one process read, and then another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// The shard.
    pub shard: String,
    /// The last record of the old owner.
    pub last: Moment,
    /// From there to the first record of the new one.
    pub took: Duration,
    /// Why.
    pub cause: Cause,
}

/// The logs of a fleet.
#[derive(Debug, Default)]
pub struct Ledger {
    readings: Vec<Reading>,
    /// Shards given back: by which process, when.
    handed_back: Vec<(String, String, Moment)>,
    /// When a process began to leave.
    leaving: BTreeMap<String, Moment>,
}

impl Ledger {
    /// What all logs in a folder say of the source stream's shards.
    pub fn of(folder: &Folder) -> Self {
        Self::without(folder, ROLLUP_TASK)
    }

    /// What they say of the rollup stream's, which have the same names.
    pub fn of_rollup(folder: &Folder) -> Self {
        Self::without(folder, SHARD_TASK)
    }

    fn without(folder: &Folder, task: &str) -> Self {
        let mut ledger = Self::default();
        for path in folder.files(".log") {
            ledger.take_in(&name_of(&path), &std::fs::read_to_string(&path).expect("a log of this test"), task);
        }
        ledger.readings.sort_by_key(|reading| reading.at);
        ledger
    }

    fn take_in(&mut self, process: &str, log: &str, without_task: &str) {
        // The line that is being written may be there in part.
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for line in lines.filter(|line| line["target"] != without_task) {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let at = moment(&text("timestamp")).unwrap_or_else(|| panic!("no time in {line}"));
            match line["message"].as_str() {
                Some("record observed") => {
                    let counter = line["counter"].as_u64().expect("a lease's counter");
                    self.readings.push(Reading { at, process: process.into(), shard: text("shard"), counter });
                }
                Some("shard handed back") => self.handed_back.push((process.into(), text("shard"), at)),
                Some(message) if message.starts_with("draining") => {
                    self.leaving.insert(process.into(), at);
                }
                _ => {}
            }
        }
    }

    /// Every record observed, in order of time.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// The shards that were read in this span of time.
    pub fn read_between(&self, from: Moment, to: Moment) -> BTreeSet<&str> {
        let within = self.readings.iter().filter(|reading| reading.at >= from && reading.at < to);
        within.map(|reading| reading.shard.as_str()).collect()
    }

    /// Every change of hands, in order of time. Two tenures of a shard are in the order of their leases' counters.
    pub fn hand_overs(&self) -> Vec<HandOver> {
        let mut found = Vec::new();
        for mut readings in self.by_shard().into_values() {
            readings.sort_by_key(|reading| (reading.counter, reading.at));
            let changes = readings.windows(2).filter(|pair| pair[0].process != pair[1].process);
            found.extend(changes.map(|pair| HandOver {
                shard: pair[0].shard.clone(),
                last: pair[0].at,
                took: pair[1].at.saturating_sub(pair[0].at),
                cause: self.cause(pair[0], pair[1]),
            }));
        }
        found.sort_by_key(|hand_over| hand_over.last);
        found
    }

    fn cause(&self, last: &Reading, first: &Reading) -> Cause {
        // The line is written after the last commit, which the next owner may see sooner.
        let soon = first.at + GRACE;
        let handed = self.handed_back.iter().find(|(process, shard, at)| {
            *process == last.process && *shard == last.shard && (last.at..soon).contains(at)
        });
        match (handed, self.leaving.get(&last.process)) {
            (None, _) => Cause::Silent,
            (Some((.., at)), Some(leaving)) if at >= leaving => Cause::Ended,
            (Some(_), _) => Cause::Moved,
        }
    }

    /// Records observed by a process although another had begun on their shard under a later counter: after the grace, and
    /// not just after a pause of the process itself, which ended as `resumed` says.
    pub fn trespasses(&self, resumed: &[(String, Moment)]) -> Vec<String> {
        let mut found = Vec::new();
        for readings in self.by_shard().into_values() {
            // Each change of hands, with the first reading after it.
            let mut begun: Vec<&Reading> = Vec::new();
            for reading in readings {
                let later =
                    begun.iter().find(|first| first.process != reading.process && first.counter >= reading.counter);
                if let Some(first) = later {
                    if reading.at > first.at + GRACE && !reading.is_of_one_woken(resumed) {
                        let (shard, counter) = (&reading.shard, reading.counter);
                        let late = reading.at - first.at;
                        found.push(format!(
                            "{shard} under counter {counter} by {} {late:?} after {} had begun under {}",
                            reading.process, first.process, first.counter
                        ));
                    }
                } else if begun.last().is_none_or(|first| first.process != reading.process) {
                    begun.push(reading);
                }
            }
        }
        found
    }

    /// Records of a shard's parents that were observed after the first of its own, but for those of a process that has just
    /// come back from a pause.
    pub fn read_early(&self, child: &str, parents: &[String], resumed: &[(String, Moment)]) -> Vec<&Reading> {
        let first = self.readings.iter().find(|reading| reading.shard == child);
        let first = first.unwrap_or_else(|| panic!("{child} was never read"));
        let late = self.readings.iter().filter(|reading| parents.contains(&reading.shard) && reading.at > first.at);
        late.filter(|reading| !reading.is_of_one_woken(resumed)).collect()
    }

    fn by_shard(&self) -> BTreeMap<&str, Vec<&Reading>> {
        let mut shards: BTreeMap<&str, Vec<&Reading>> = BTreeMap::new();
        for reading in &self.readings {
            shards.entry(&reading.shard).or_default().push(reading);
        }
        shards
    }
}

/// A log's time, `2026-01-02T03:04:05.678901Z`.
fn moment(text: &str) -> Option<Moment> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    // Days since 1970 with years that begin in March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let secs = ((days * 24 + number(11..13)?) * 60 + number(14..16)?) * 60 + number(17..19)?;
    Some(Duration::new(secs, number(20..26)? as u32 * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tenths of a second, message, counter.
    type Line = (u32, &'static str, u64);

    fn ledger(logs: &[(&str, &[Line])]) -> Ledger {
        let mut ledger = Ledger::default();
        for (process, lines) in logs {
            let line = |(tenths, message, counter): &Line| {
                let (secs, tenths) = (tenths / 10, tenths % 10);
                format!(
                    "{{\"timestamp\":\"2026-01-01T00:00:{secs:02}.{tenths}00000Z\",\"message\":\"{message}\",\
                     \"shard\":\"s\",\"counter\":{counter}}}\n"
                )
            };
            ledger.take_in(process, &lines.iter().map(line).collect::<String>(), ROLLUP_TASK);
        }
        ledger.readings.sort_by_key(|reading| reading.at);
        ledger
    }

    const READ: &str = "record observed";

    #[test]
    fn a_time_of_the_log_is_since_1970() {
        assert_eq!(moment("1970-01-01T00:00:00.000001Z"), Some(Duration::from_micros(1)));
        assert_eq!(moment("2024-02-29T12:00:00.5Z"), None);
        assert_eq!(moment("2024-02-29T12:00:00.500000Z"), Some(Duration::from_millis(1_709_208_000_500)));
        assert_eq!(moment("2026-11-26T02:15:54.000000Z"), Some(Duration::from_secs(1_795_659_354)));
    }

    #[test]
    fn a_change_of_hands_is_measured_from_the_last_record_to_the_first() {
        let causes = |old: &[Line]| {
            let found = ledger(&[("old", old), ("new", &[(14, READ, 5), (15, READ, 5)])]).hand_overs();
            assert_eq!(found.len(), 1);
            (found[0].cause, found[0].took.as_millis())
        };
        assert_eq!(causes(&[(8, READ, 3), (10, READ, 4)]), (Cause::Silent, 400));
        assert_eq!(causes(&[(10, READ, 4), (11, "shard handed back", 0)]), (Cause::Moved, 400));
        let left = [(9, "draining: every shard", 0), (10, READ, 4), (11, "shard handed back", 0)];
        assert_eq!(causes(&left), (Cause::Ended, 400));
    }

    #[test]
    fn a_child_is_read_early_if_its_parent_is_read_later() {
        let mut found = ledger(&[("one", &[(0, READ, 1), (20, READ, 1)])]);
        found.readings[0].shard = "child".into();
        let parents = ["s".to_owned()];
        assert_eq!(found.read_early("child", &parents, &[]).len(), 1);
        let woken = [("one".to_owned(), found.readings()[1].at)];
        assert_eq!(found.read_early("child", &parents, &woken).len(), 0);
        assert_eq!(found.read_early("s", &["child".to_owned()], &[]).len(), 0);
    }

    #[test]
    fn who_reads_on_under_an_earlier_counter_trespasses() {
        let late = ledger(&[("old", &[(0, READ, 1), (30, READ, 1)]), ("new", &[(10, READ, 2), (40, READ, 3)])]);
        assert_eq!(late.trespasses(&[]).len(), 1, "{:?}", late.trespasses(&[]));
        let resumed = |tenths: u64| [("old".to_owned(), late.readings()[0].at + Duration::from_millis(tenths * 100))];
        assert_eq!(late.trespasses(&resumed(25)), Vec::<String>::new());
        assert_eq!(late.trespasses(&resumed(19)).len(), 1);
        assert_eq!(late.trespasses(&resumed(31)).len(), 1);

        let just_late = ledger(&[("old", &[(0, READ, 1), (15, READ, 1)]), ("new", &[(10, READ, 2)])]);
        assert_eq!(just_late.trespasses(&[]), Vec::<String>::new());
        let back = ledger(&[("old", &[(0, READ, 1), (30, READ, 3)]), ("new", &[(10, READ, 2)])]);
        assert_eq!(back.trespasses(&[]), Vec::<String>::new(), "it came back in due form");
        let both = ledger(&[("old", &[(0, READ, 1), (30, READ, 1)]), ("new", &[(12, READ, 1)])]);
        assert_eq!(both.trespasses(&[]).len(), 1, "one lease of two owners");
    }
}
