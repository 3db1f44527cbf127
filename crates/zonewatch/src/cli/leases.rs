//! `zonewatch leases`: what the lease table says, and the safe ways to change it.

mod change;
mod text;
mod view;

use super::Failure;
use super::columns::printable;
use super::worker::{environment, table_of, unsound};
use crate::config::{self, Config, rfc3339_ms};
use change::{Asked, Change, Outcome, Place, Report};
use clap::Subcommand;
use cloud::aws::Clients;
use cloud::{Error, Scan};
use lease::{Checkpoint, Member, SequenceNumber, ShardId};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use view::Document;

const EXAMPLES: &str = "\
The tables are those of the worker with the same configuration: the lease table is leases.table or worker.app, the
workers' table is worker.app with -state. Credentials and Region come from where every AWS tool looks.

Examples:
  zonewatch leases list --config zonewatch.toml         who reads which shard, and how far
  zonewatch leases list --table zonewatch --json        the same for scripts, of a table by name
  zonewatch leases show shardId-000000000003            one lease, and what happens next with it
  zonewatch leases release shardId-000000000003         what giving it back would do; --yes does it
  zonewatch leases reset shardId-000000000003 --to AT_TIMESTAMP 2026-01-31T06:00:00Z --yes
  zonewatch leases reset --all --to TRIM_HORIZON --yes  everything is delivered again (stop the workers first)

A change is conditional on the row as it was shown. While the owner of a lease is alive it is refused, which takes up to
three of the owner's beats, or leases.failover_secs, to find out.

Exit codes: 0 done, 1 failed, refused, or not done for want of --yes, 2 wrong arguments.";

/// Arguments of `leases`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// The worker's configuration, TOML; every key can also be set as ZONEWATCH_SECTION__KEY
    #[arg(long, value_name = "FILE", env = "ZONEWATCH_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// The lease table, instead of the configuration's
    #[arg(long, value_name = "NAME", global = true)]
    table: Option<String>,
    /// One JSON document instead of text; its keys are in docs/leases.md
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every lease: whose it is, how far it is, what it costs; and the workers
    List,
    /// Everything of one lease, and what happens next with it
    Show {
        /// Its shard
        #[arg(value_name = "SHARD")]
        shard: String,
    },
    /// Make a lease nobody's, so that another worker takes it
    Release {
        /// Its shard
        #[arg(value_name = "SHARD")]
        shard: String,
        #[command(flatten)]
        how: How,
    },
    /// Move a checkpoint: backwards delivers records again, forwards skips some
    Reset {
        /// Its shard
        #[arg(value_name = "SHARD", required_unless_present = "all", conflicts_with = "all")]
        shard: Option<String>,
        /// Every lease of the table
        #[arg(long, conflicts_with = "counter")]
        all: bool,
        /// TRIM_HORIZON, LATEST, AT_TIMESTAMP with an RFC 3339 time, or the sequence number of the last record that
        /// counts as delivered
        #[arg(long, value_name = "PLACE", num_args = 1..=2, required = true)]
        to: Vec<String>,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, clap::Args)]
struct How {
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
    /// Even if the owner is alive
    #[arg(long)]
    force: bool,
    /// Only if the lease's counter is still this one, as it was shown
    #[arg(long, value_name = "N")]
    counter: Option<u64>,
}

/// Runs one of the four.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { command, place: PlaceArgs { config: file, table, json } } = args;
    let mut config = config::load(file.as_deref(), environment()).map_err(|faults| unsound(&faults.0))?;
    config.leases.table = table.unwrap_or(config.leases.table);
    // Before anything is called.
    let target = if let Command::Reset { to, all, .. } = &command { Some(target(to, *all)?) } else { None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::run(format!("start the runtime: {error}")))?;
    runtime.block_on(async {
        let place = connect(&config).await?;
        match (command, target) {
            (Command::List, _) => list(&place, json).await,
            (Command::Show { shard }, _) => show(&place, &ShardId::new(&shard), json).await,
            (Command::Release { shard, how }, _) => {
                alter(&place, &Change::Release, Some(&ShardId::new(&shard)), &how, json).await
            }
            (Command::Reset { shard, how, .. }, Some(change)) => {
                alter(&place, &change, shard.as_deref().map(ShardId::new).as_ref(), &how, json).await
            }
            (Command::Reset { .. }, None) => Ok(()),
        }
    })
}

/// Where a checkpoint is to go.
fn target(words: &[String], all: bool) -> Result<Change, Failure> {
    let wrong = |what: String| Err(Failure::usage(format!("read --to: {what}")));
    let place: Vec<&str> = words.iter().map(String::as_str).collect();
    let (to, start_ms) = match place[..] {
        ["TRIM_HORIZON"] => (Checkpoint::TrimHorizon, None),
        ["LATEST"] => (Checkpoint::Latest, None),
        ["AT_TIMESTAMP", time] => match rfc3339_ms(time) {
            Some(ms) => (Checkpoint::AtTimestamp, Some(ms)),
            None => return wrong(format!("{time} is not a time such as 2026-01-31T06:00:00Z (RFC 3339)")),
        },
        ["AT_TIMESTAMP"] => return wrong("AT_TIMESTAMP needs a time, such as 2026-01-31T06:00:00Z (RFC 3339)".into()),
        [_, second] => return wrong(format!("{second} is one word too many; name the shard before --to")),
        [number] => match SequenceNumber::parse(number) {
            Some(_) if all => {
                return wrong("a sequence number is a place in one shard; name the shard instead of --all".into());
            }
            Some(sequence) => (Checkpoint::through(sequence), None),
            None => {
                return wrong(format!(
                    "{number} must be TRIM_HORIZON, LATEST, AT_TIMESTAMP with a time, or a sequence number"
                ));
            }
        },
        _ => return wrong("name one place".into()),
    };
    Ok(Change::Reset { to, start_ms })
}

async fn connect(config: &Config) -> Result<Place, Failure> {
    let clients = Clients::from_env().await.map_err(|error| Failure::run(error.to_string()))?;
    Ok(Place {
        table: Arc::new(clients.lease_table(&table_of(config))),
        state: Arc::new(clients.state_table(&state_table_of(config))),
        failover: Duration::from_secs(config.leases.failover_secs),
    })
}

/// The workers' table.
pub(super) fn state_table_of(config: &Config) -> String {
    format!("{}-state", config.worker.app)
}

/// What a failed call to the tables means to whoever typed the command.
fn failed(error: &Error) -> Failure {
    Failure::run(match error {
        Error::Missing { .. } => format!(
            "{error}; a worker makes the table at its first start. Name another with --table, or a configuration with \
             --config (leases.table, worker.app)"
        ),
        _ => error.to_string(),
    })
}

async fn list(place: &Place, json: bool) -> Result<(), Failure> {
    let document = document(place).await?;
    say(&if json { as_json(&document) } else { text::list(&document) });
    Ok(())
}

async fn show(place: &Place, shard: &ShardId, json: bool) -> Result<(), Failure> {
    let document = document(place).await?;
    if let Some(row) = document.leases.iter().find(|row| row.shard == shard.as_str()) {
        say(&if json { as_json(row) } else { text::show(row, &document) });
        return Ok(());
    }
    Err(Failure::run(match document.unreadable.iter().find(|row| row.shard == shard.as_str()) {
        Some(row) => format!("show {shard}: {}", row.error),
        None => format!(
            "show {shard}: there is no such lease in {}; zonewatch leases list shows those that are there",
            document.table
        ),
    }))
}

async fn document(place: &Place) -> Result<Document, Failure> {
    let scan: Scan = place.table.scan().await.map_err(|error| failed(&error))?;
    let members: Result<Vec<Member>, Error> = place.state.scan().await;
    Ok(Document::new([place.table.name(), place.state.name()], &scan, members.as_deref()))
}

async fn alter(place: &Place, change: &Change, shard: Option<&ShardId>, how: &How, json: bool) -> Result<(), Failure> {
    let asked = Asked { yes: how.yes, force: how.force, counter: how.counter };
    let mut tell = |text: String| {
        // Nobody reads it if standard error is closed.
        let _ = writeln!(std::io::stderr(), "zonewatch: {text}");
    };
    let report = change::change(place, change, shard, asked, &mut tell).await.map_err(|error| failed(&error))?;
    say(&if json { as_json(&report) } else { told(&report) });
    let verb = if *change == Change::Release { "release" } else { "reset" };
    let what = shard.map_or("every lease", ShardId::as_str);
    outcome(&report).map_err(|why| Failure::run(format!("{verb} {what}: {why}")))
}

/// A report as text.
fn told(report: &Report) -> String {
    let mut text = String::new();
    for changed in &report.leases {
        let outcome = match changed.outcome {
            Outcome::Planned => "would be changed",
            Outcome::Done => "done",
            Outcome::Unchanged => "nothing to do",
            Outcome::Raced => "not done",
            Outcome::Failed => "failed",
        };
        let (shard, message) = (printable(&changed.shard), printable(&changed.message));
        let _ = writeln!(text, "{shard}  {outcome}: {message}");
        let _ = writeln!(text, "  before: {}", line(&changed.before));
        if let Some(after) = &changed.after {
            let _ = writeln!(text, "  now:    {}", line(after));
        }
    }
    text
}

fn line(row: &view::Row) -> String {
    let owner = row.owner.as_deref().unwrap_or("nobody");
    let start = row.start.as_ref().map(|start| format!(" ({start})")).unwrap_or_default();
    printable(&format!("{owner}'s, counter {}, checkpoint {}{start}", row.counter, row.checkpoint))
}

/// Whether everything is done; if not, why, and what to do.
fn outcome(report: &Report) -> Result<(), String> {
    if report.done {
        return Ok(());
    }
    if let Some(refused) = &report.refused {
        return Err(refused.clone());
    }
    let count = |outcome| report.leases.iter().filter(|changed| changed.outcome == outcome).count();
    let planned = report.leases.iter().filter(|changed| changed.outcome == Outcome::Planned);
    let owners = planned.clone().any(|changed| changed.before.owner.is_some());
    let counter = match (planned.clone().next(), planned.count()) {
        (Some(changed), 1) if changed.before.owner.is_none() => format!(" --counter {}", changed.before.counter),
        _ => String::new(),
    };
    match (count(Outcome::Planned), count(Outcome::Raced), count(Outcome::Failed)) {
        (1.., ..) if owners => {
            Err("nothing was written; add --yes to do it, once it is seen that no owner is alive".to_owned())
        }
        (1.., ..) => Err(format!("nothing was written; add --yes{counter} to do it")),
        (0, 0, 0) => Err("rows that can't be read were left as they are".to_owned()),
        (0, 0, failed) => Err(format!("{failed} not written")),
        (0, raced, failed) => Err(format!(
            "{} not written: the rows changed since they were shown; look at them and try again",
            raced + failed
        )),
    }
}

fn as_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain values with text keys are JSON") + "\n"
}

/// Says it on standard output; a closed pipe ends nothing.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str, all: bool) -> Result<Change, Failure> {
        target(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), all)
    }

    #[test]
    fn places_are_read_or_refused_with_what_is_permitted() {
        let reset = |to, start_ms| Ok(Change::Reset { to, start_ms });
        assert_eq!(read("TRIM_HORIZON", true), reset(Checkpoint::TrimHorizon, None));
        assert_eq!(read("LATEST", false), reset(Checkpoint::Latest, None));
        assert_eq!(read("AT_TIMESTAMP 1970-01-01T00:00:01Z", true), reset(Checkpoint::AtTimestamp, Some(1_000)));
        let sequence = SequenceNumber::parse("4959").unwrap();
        assert_eq!(read("4959", false), reset(Checkpoint::through(sequence), None));
        for (words, all, part) in [
            ("AT_TIMESTAMP", false, "needs a time"),
            ("AT_TIMESTAMP yesterday", false, "yesterday is not a time"),
            ("LATEST shardId-000000000000", false, "name the shard before --to"),
            ("SHARD_END", false, "must be TRIM_HORIZON"),
            ("0123", false, "must be TRIM_HORIZON"),
            ("4959", true, "a place in one shard"),
        ] {
            let failure = read(words, all).unwrap_err();
            assert!(failure.code == 2 && failure.message.contains(part), "{words}: {failure:?}");
        }
    }
}
