//! A zone's last hour by minutes, for pictures: what was seen, expected and scored of each signal.

use crate::printable::drawn;
use detect::baseline::Signal;
use detect::detector::Seen;
use detect::score::SIGNALS;
use dnslog::ResponseCode;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// Minutes kept of a zone.
pub const MINUTES_KEPT: usize = 60;
/// How long they are.
pub const MINUTE_MS: i64 = 60_000;

/// The last minutes, the last one last. An hour is 29 kB.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Minute>);

#[derive(Debug, Clone)]
struct Minute {
    start_ms: i64,
    queries: u64,
    codes: [u32; ResponseCode::ALL.len()],
    signals: [Points; SIGNALS],
}

/// By place in [`LINES`]; what is not known is no number. Single precision is enough for a picture.
type Points = [f32; LINES.len()];

/// What is drawn of a signal.
const LINES: [&str; 5] = ["observed", "expected", "low", "high", "score"];

impl History {
    /// Takes in the next minute.
    pub fn push(&mut self, seen: &Seen) {
        self.0.push_back(Minute::of(seen));
        if self.0.len() > MINUTES_KEPT {
            self.0.pop_front();
        }
    }

    /// Takes in a part of a minute, of which others may have come before.
    pub fn add(&mut self, seen: &Seen) {
        let part = Minute::of(seen);
        match self.0.binary_search_by_key(&part.start_ms, |minute| minute.start_ms) {
            Ok(place) => self.0[place].add(&part),
            Err(place) => self.0.insert(place, part),
        }
        self.0.drain(..self.0.len().saturating_sub(MINUTES_KEPT));
    }

    /// What the task before has left of it, from its document: the minutes before `before_ms`.
    pub fn read(document: &Value, before_ms: i64) -> Self {
        let starts = document["start_ms"].as_array().map_or(&[][..], Vec::as_slice);
        let minutes = starts.iter().enumerate().filter_map(|(at, start_ms)| {
            let start_ms = start_ms.as_i64().filter(|start_ms| *start_ms < before_ms)?;
            Minute::read(document, at, start_ms)
        });
        let mut minutes: VecDeque<Minute> = minutes.collect();
        minutes.drain(..minutes.len().saturating_sub(MINUTES_KEPT));
        Self(minutes)
    }

    /// Start and queries of each minute.
    pub fn minutes(&self) -> impl Iterator<Item = (i64, u64)> {
        self.0.iter().map(|minute| (minute.start_ms, minute.queries))
    }

    /// As the API has it. A response code or signal of which there is nothing to be seen is left out.
    pub fn document(&self) -> Value {
        let codes = ResponseCode::ALL.iter().enumerate().filter_map(|(place, code)| {
            let counts: Vec<u32> = self.0.iter().map(|minute| minute.codes[place]).collect();
            counts.iter().any(|count| *count > 0).then(|| (code.as_str().to_owned(), json!(counts)))
        });
        let signals = Signal::ALL.into_iter().enumerate().filter_map(|(place, signal)| {
            let is_seen = self.0.iter().any(|minute| !minute.signals[place][0].is_nan());
            is_seen.then(|| (signal.as_str().to_owned(), self.lines(place)))
        });
        json!({
            "length_ms": MINUTE_MS,
            "start_ms": self.0.iter().map(|minute| minute.start_ms).collect::<Vec<_>>(),
            "queries": self.0.iter().map(|minute| minute.queries).collect::<Vec<_>>(),
            "response_codes": codes.collect::<Map<_, _>>(),
            "signals": signals.collect::<Map<_, _>>(),
        })
    }

    fn lines(&self, signal: usize) -> Value {
        let line = |(place, name): (usize, &&str)| {
            let points = self.0.iter().map(|minute| drawn(minute.signals[signal][place]));
            ((*name).to_owned(), json!(points.collect::<Vec<_>>()))
        };
        Value::Object(LINES.iter().enumerate().map(line).collect())
    }
}

impl Minute {
    fn of(seen: &Seen) -> Self {
        let points = |signal: usize| {
            let expected = seen.expected[signal];
            [
                seen.values[signal],
                expected.map(|expected| expected.value),
                expected.map(|expected| expected.low),
                expected.map(|expected| expected.high),
                seen.scores[signal],
            ]
            .map(|number| number.map_or(f32::NAN, |number| number as f32))
        };
        Self {
            start_ms: seen.window.start_ms,
            queries: seen.window.queries,
            codes: seen.window.codes.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            signals: std::array::from_fn(points),
        }
    }
}

impl Minute {
    /// Counts add up; signals of parts say nothing of the whole.
    fn add(&mut self, part: &Self) {
        self.queries = self.queries.saturating_add(part.queries);
        self.codes.iter_mut().zip(part.codes).for_each(|(count, more)| *count = count.saturating_add(more));
    }

    fn read(document: &Value, at: usize, start_ms: i64) -> Option<Self> {
        let count = |code: &ResponseCode| document["response_codes"][code.as_str()][at].as_u64();
        let point = |signal: usize, line: &str| document["signals"][Signal::ALL[signal].as_str()][line][at].as_f64();
        let points = |signal: usize| LINES.map(|line| point(signal, line).map_or(f32::NAN, |number| number as f32));
        Some(Self {
            start_ms,
            queries: document["queries"][at].as_u64()?,
            codes: std::array::from_fn(|place| {
                count(&ResponseCode::ALL[place]).map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
            }),
            signals: std::array::from_fn(points),
        })
    }
}

/// The history of a zone of which only start and queries of minutes are known.
pub fn of_minutes(minutes: &[(i64, u64)]) -> Value {
    json!({
        "length_ms": MINUTE_MS,
        "start_ms": minutes.iter().map(|(start_ms, _)| start_ms).collect::<Vec<_>>(),
        "queries": minutes.iter().map(|(_, queries)| queries).collect::<Vec<_>>(),
        "response_codes": {},
        "signals": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::minute;
    use detect::finding::Expected;

    #[test]
    fn an_hour_is_kept_and_each_line_is_as_long_as_it() {
        let mut history = History::default();
        for number in 0..70 {
            let mut seen = minute("Z1", number, 7);
            seen.window.codes[ResponseCode::ServFail as usize] = u64::from(number == 69);
            seen.values[0] = Some(7.0);
            seen.expected[0] = (number > 20).then_some(Expected { value: 6.543_21, low: 1.0, high: 123_456.7 });
            history.push(&seen);
        }
        let document = history.document();
        let queries = &document["signals"]["queries"];
        assert_eq!(document["start_ms"][0], 1_795_341_600_000_i64 + 10 * 60_000);
        assert_eq!((&document["queries"][59], document["queries"].as_array().map(Vec::len)), (&7.into(), Some(60)));
        let codes = &document["response_codes"];
        assert_eq!(
            (&codes["SERVFAIL"][58], &codes["SERVFAIL"][59], &codes["NOERROR"]),
            (&0.into(), &1.into(), &Value::Null)
        );
        for line in LINES {
            assert_eq!(queries[line].as_array().map(Vec::len), Some(60), "{line}");
        }
        assert_eq!(queries["expected"][10], Value::Null);
        let last = LINES.map(|line| queries[line][59].to_string());
        assert_eq!(last, ["7.0", "6.5432", "1.0", "123460.0", "1.25"]);
        assert_eq!(
            document["signals"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>()).unwrap(),
            ["nxdomain_share", "queries"]
        );
        assert_eq!(History::read(&document, i64::MAX).document(), document);
        let part = History::read(&document, 1_795_341_600_000 + 30 * 60_000);
        assert_eq!(part.minutes().count(), 20);
        for damaged in [json!(null), json!({"start_ms": [1, "x"], "queries": 7}), json!({"start_ms": 7})] {
            assert_eq!(History::read(&damaged, i64::MAX).minutes().count(), 0, "{damaged}");
        }
        // What is drawn is bounded whatever is measured: all signals, every number of the longest kind.
        let mut full = History::default();
        for number in 0..60 {
            let mut seen = minute("Z1", number, u64::MAX);
            seen.values = [Some(-1.234_567e-20); SIGNALS];
            seen.expected = [Some(Expected { value: -1.2e30, low: 1e30, high: 1e-20 }); SIGNALS];
            seen.scores = [Some(f64::MAX); SIGNALS];
            full.push(&seen);
        }
        assert!(full.document().to_string().len() < 200_000, "{}", full.document().to_string().len());
    }
}
