//! `zonewatch score`: how anomalous each row of a CSV file is, given the rows before it.

use super::Failure;
use super::columns::printable;
use crate::config::rfc3339_ms;
use crate::table::Header;
use detect::score::{EPISODE, Episode, Kind, Observation, Scorer, anomaly_score};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Longer lines are no table; and a file without line ends must not fill the memory.
const LINE_BYTES_MAX: u64 = 1 << 20;

const EXAMPLES: &str = "\
FILE is a table in CSV with a header that names the columns timestamp and value; others are left out.
  timestamp  2026-01-31T06:00:00Z, 2026-01-31 06:00:00 (taken as UTC), or seconds since 1970
  value      a number

Each row comes out as timestamp, value, anomaly_score. A score is from 0 to 1 and depends on the rows before only; those of the
first day are 0. From 0.5 on a row opens an episode of something unusual, or makes it much worse; cut higher for fewer.

Rows must be in the order of time, and at a fixed period: put a 0 where nothing happened.

Examples:
  zonewatch score queries.csv > scored.csv
  zonewatch score queries.csv | awk -F, '$3 >= 0.6'           the rows worth looking at
  cut -d, -f1,4 wide.csv | zonewatch score - --counts         from a pipe; values are numbers of events

Exit codes: 0 done, 1 the file can't be read or has a row that can't be used, 2 wrong arguments.";

/// Arguments of `score`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// The table; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Values are numbers of events: what chance makes of small ones is no anomaly
    #[arg(long)]
    counts: bool,
}

/// Scores the file's rows, to standard output.
pub fn run(args: &Args) -> Result<(), Failure> {
    let kind = if args.counts { Kind::Count } else { Kind::Value };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let scored = if args.file == Path::new("-") {
        let mut input = io::stdin().lock();
        score("standard input", &mut input, kind, &mut out)
    } else {
        let name = printable(&args.file.display().to_string());
        let file = File::open(&args.file)
            .map_err(|error| Failure::run(format!("read {name}: {error}; name a file that can be read")))?;
        score(&name, &mut BufReader::new(file), kind, &mut out)
    };
    // Rows before a fault have their scores.
    match scored.and(out.flush().map_err(Stop::Write)) {
        Ok(()) => Ok(()),
        Err(Stop::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Write(error)) => Err(Failure::run(format!("write standard output: {error}"))),
        Err(Stop::Input(message)) => Err(Failure::run(message)),
    }
}

/// Why no more rows are scored.
#[derive(Debug)]
enum Stop {
    /// A message for a person.
    Input(String),
    Write(io::Error),
}

/// Scores every row of a table. The name is for messages.
fn score(name: &str, input: &mut impl BufRead, kind: Kind, out: &mut impl Write) -> Result<(), Stop> {
    let mut number = 0;
    let mut line = Vec::new();
    let mut header = None;
    let mut series = Series::new(kind);
    loop {
        number += 1;
        let fault = |what: String| Stop::Input(format!("read {name}, line {number}: {what}"));
        line.clear();
        let read = io::Read::take(&mut *input, LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(|error| fault(format!("{error}; name a file that can be read")))? == 0 {
            break;
        }
        if line.len() as u64 == LINE_BYTES_MAX {
            return Err(fault("it is longer than a mebibyte; name a table in CSV".into()));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| fault("it is not text; name a table in CSV, unpacked and in UTF-8".into()))?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        match &header {
            // Tools end files with empty lines.
            _ if text.trim().is_empty() => {}
            None => {
                header = Some(Header::read(text, ["timestamp", "value"]).map_err(fault)?);
                writeln!(out, "timestamp,value,anomaly_score").map_err(Stop::Write)?;
            }
            Some(header) => {
                let [timestamp, value] = header.row(text).map_err(fault)?;
                let score = series.score(&timestamp, &value).map_err(fault)?;
                writeln!(out, "{timestamp},{value},{score:.6}").map_err(Stop::Write)?;
            }
        }
    }
    match header {
        Some(_) if series.last.is_none() => Err(Stop::Input(format!("read {name}: no rows below the header"))),
        Some(_) => Ok(()),
        None => {
            Err(Stop::Input(format!("read {name}: it is empty; name a table with the columns timestamp and value")))
        }
    }
}

/// The rows so far.
struct Series {
    kind: Kind,
    scorer: Scorer,
    episode: Episode,
    /// The last time, as it was written.
    last: Option<(i64, String)>,
}

impl Series {
    fn new(kind: Kind) -> Self {
        Self { kind, scorer: Scorer::new(kind), episode: Episode::default(), last: None }
    }

    /// A row's anomaly score, or what is wrong with it.
    fn score(&mut self, timestamp: &str, value: &str) -> Result<f64, String> {
        let time_s = time_s(timestamp).ok_or_else(|| {
            let shown = printable(timestamp);
            format!("timestamp {shown:?} is not a time such as 2026-01-31T06:00:00Z, nor seconds since 1970; mend it")
        })?;
        if let Some((last_s, last)) = self.last.as_ref().filter(|(last_s, _)| time_s < *last_s) {
            let back_s = last_s - time_s;
            return Err(format!(
                "timestamp {} is {back_s} s before the row above ({}); sort the rows by time",
                printable(timestamp),
                printable(last)
            ));
        }
        let number: f64 = value.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let shown = printable(value);
            format!("value {shown:?} is not a number; leave the row out, or put a 0 where nothing happened")
        })?;
        let observation =
            if self.kind == Kind::Count { Observation::Count(number) } else { Observation::Value(number) };
        if !observation.is_possible() {
            return Err(match self.kind {
                Kind::Count => format!("value {number} is not a number of events; leave --counts out, or mend it"),
                _ => format!("value {number} is too large; divide the column by a constant"),
            });
        }
        self.last = Some((time_s, timestamp.to_owned()));
        let surprise = self.scorer.push(time_s, observation).map_or(0.0, |score| score.surprise);
        let told = self.episode.push(time_s, surprise, EPISODE);
        Ok(anomaly_score(surprise, told))
    }
}

/// Seconds since 1970 of a time as tables have it.
fn time_s(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Further away than the year 33658, it counts something else.
        return (seconds.abs() < 1e12).then_some(seconds.floor() as i64);
    }
    let endings = ["", "Z", ":00Z", "T00:00:00Z"];
    let ms = endings.into_iter().find_map(|ending| rfc3339_ms(&format!("{text}{ending}")));
    ms.map(|ms| ms.div_euclid(1000))
}

#[cfg(test)]
#[path = "score_test.rs"]
mod tests;
