//! `zonewatch traffic`: a scenario's logs as files, or put to a Kinesis stream.

mod files;
mod put;

use super::Failure;
use crate::config::rfc3339_ms;
use files::{Format, Target};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use traffic::{Delivery, Generator, Habits, Label, LogEvent, Payload, Scenario};

const EXAMPLES: &str = "\
Scenarios: day (24 hours of eight zones with incidents), calm, week, flood (ten minutes of load), many (300 zones).

Examples:
  zonewatch traffic --seconds 3600 | zonewatch replay -           an hour, straight into the pipeline
  zonewatch traffic --start 2026-01-05T00:00:00Z --output day/ --shards 4 --labels labels.ndjson
  zonewatch traffic --format lines --events 100000 --output queries.log
  zonewatch traffic --stream dns-logs --rate 500 --seconds 600    to Kinesis, as fast as event time passes

The same scenario, seed, rate and start make the same bytes.";

/// The command's arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What happens: `day`, `calm`, `week`, `flood` or `many`.
    #[arg(long, value_name = "NAME", default_value = "day", value_parser = scenario)]
    scenario: Scenario,
    /// Which of all possible days.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Queries a second of all zones together, on average. Default: the scenario's.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,
    /// Event time of the first query, RFC 3339. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<i64>,
    /// Stop after this much event time. Default: when the scenario ends.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
    seconds: Option<i64>,
    /// Stop after this many queries.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Where the logs go: a file, a directory for a file a shard, or `-` for standard output.
    #[arg(long, value_name = "PATH", default_value = "-")]
    output: PathBuf,
    /// `payloads` (gzip, as a subscription sends them), `captured` (Kinesis records as JSON lines) or `lines`.
    #[arg(long, value_name = "FORM", default_value = "payloads", value_parser = format)]
    format: Format,
    /// Shards that records are spread over, a file each.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    shards: u16,
    /// Write what a perfect detector would say here, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Put the payloads to this Kinesis stream, a name or an ARN, when they would arrive.
    #[arg(long, value_name = "STREAM", conflicts_with_all = ["output", "format", "shards"])]
    stream: Option<String>,
    /// How fast event time passes when putting to a stream; 0 does not wait at all.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "stream", value_parser = speed)]
    speed: f64,
}

/// Makes the traffic and puts it where it was asked for.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut run = Run::new(&args);
    if let Some(path) = args.labels {
        write_labels(&path, &run.labels())?;
    }
    let done = match args.stream {
        Some(stream) => put::to_stream(&stream, args.speed, run)?,
        None => {
            let target = Target::new(&args.output, args.format, usize::from(args.shards))?;
            match files::write(&mut run, target)? {
                Some(done) => done,
                // Whoever read our standard output has seen enough.
                None => return Ok(()),
            }
        }
    };
    // Counts that nobody reads are no failure.
    let _ = writeln!(std::io::stderr(), "{} queries in {} records", done.events, done.records);
    Ok(())
}

/// What was made so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Done {
    events: u64,
    records: u64,
}

impl Done {
    fn count(&mut self, payload: &Payload) {
        self.events += payload.events as u64;
        self.records += 1;
    }
}

/// A scenario under way, up to its bounds.
struct Run {
    generator: Generator,
    delivery: Delivery,
    end_ms: i64,
    events_left: u64,
}

impl Run {
    fn new(args: &Args) -> Self {
        let scenario = args.scenario.clone();
        let scenario = match args.rate {
            Some(rate) => scenario.at_rate(rate),
            None => scenario,
        };
        let generator = Generator::new(scenario, args.seed, args.start.unwrap_or_else(now_ms));
        let delivery = Delivery::new(Habits::default(), args.seed, generator.start_ms());
        let end_ms = args.seconds.map_or(generator.end_ms(), |seconds| generator.start_ms() + seconds * 1_000);
        Self { generator, delivery, end_ms, events_left: args.events.unwrap_or(u64::MAX) }
    }

    /// What happens within the bounds of this run.
    fn labels(&self) -> Vec<Label> {
        self.generator.labels().into_iter().filter(|label| label.start_ms < self.end_ms).collect()
    }

    fn start_ms(&self) -> i64 {
        self.generator.start_ms()
    }

    fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.end_ms || self.events_left == 0
    }

    /// The queries before this event time that were not asked for yet.
    fn events(&mut self, until_ms: i64) -> Vec<LogEvent> {
        let mut events = self.generator.events(until_ms.min(self.end_ms));
        events.truncate(usize::try_from(self.events_left).unwrap_or(usize::MAX));
        self.events_left -= events.len() as u64;
        events
    }

    /// The records that arrive before this time and were not asked for yet.
    fn payloads(&mut self, until_ms: i64) -> Vec<Payload> {
        for event in self.events(until_ms) {
            self.delivery.accept(event);
        }
        self.delivery.due(until_ms)
    }

    /// The records that are still under way.
    fn rest(&mut self) -> Vec<Payload> {
        self.delivery.due(i64::MAX)
    }
}

fn write_labels(path: &Path, labels: &[Label]) -> Result<(), Failure> {
    let mut text = Vec::new();
    for label in labels {
        serde_json::to_writer(&mut text, label).expect("labels are text and numbers");
        text.push(b'\n');
    }
    std::fs::write(path, text).map_err(|error| files::failed("write labels", path, &error))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

fn scenario(text: &str) -> Result<Scenario, String> {
    Scenario::named(text).ok_or_else(|| format!("must be one of {}", Scenario::NAMES.join(", ")))
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "payloads" => Ok(Format::Payloads),
        "captured" => Ok(Format::Captured),
        "lines" => Ok(Format::Lines),
        _ => Err("must be payloads, captured or lines".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= 1e6);
    rate.ok_or_else(|| "must be a number above 0, at most 1000000".into())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (0.0..=1e6).contains(speed));
    speed.ok_or_else(|| "must be a number from 0 to 1000000".into())
}

fn time(text: &str) -> Result<i64, String> {
    // Ids hold the time above bit 144, and no clock shows a time before 1970.
    let time_ms = rfc3339_ms(text).filter(|time_ms| (0..1 << 45).contains(time_ms));
    time_ms.ok_or_else(|| "must be a time such as 2026-01-05T00:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(text: &str) -> Result<Args, clap::Error> {
        Command::try_parse_from(std::iter::once("traffic").chain(text.split_whitespace())).map(|command| command.args)
    }

    pub(super) fn run_of(text: &str) -> Run {
        Run::new(&args(&format!("--start 2026-01-05T00:00:00Z {text}")).expect("the test's arguments are sound"))
    }

    #[test]
    fn a_run_ends_at_its_seconds_or_its_events() {
        let mut by_time = run_of("--seconds 60 --rate 100");
        let events = by_time.events(i64::MAX / 2);
        assert!((2_000..12_000).contains(&events.len()), "{}", events.len());
        assert!(events.iter().all(|event| event.time_ms < by_time.end_ms) && by_time.is_over(by_time.end_ms));
        let mut by_count = run_of("--events 500 --rate 100");
        let end_ms = by_count.start_ms() + 600_000;
        assert_eq!((by_count.events(end_ms).len(), by_count.events(end_ms + 60_000).len()), (500, 0));
        assert!(by_count.is_over(by_count.start_ms()));
    }

    #[test]
    fn labels_are_those_of_the_run() {
        assert_eq!(run_of("--seconds 60").labels(), []);
        assert_eq!(run_of("").labels().len(), run_of("").generator.labels().len());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in ["--scenario storm", "--rate 0", "--rate NaN", "--speed 2", "--start yesterday", "--shards 0"] {
            assert!(args(wrong).is_err(), "{wrong}");
        }
        assert!(args("--stream logs --speed 0").is_ok());
        assert!(args("--stream logs --output -").is_err(), "two places");
    }
}
