//! The command line. Each command has a file with its arguments and `run`.
//!
//! Exit codes: 0 done, 1 the run failed, 2 the command line or the configuration is wrong, 3 `--strict` found rejects.

pub mod columns;
pub mod cost;
pub mod demo;
pub mod doctor;
pub mod health;
pub mod leases;
pub mod page;
pub mod replay;
pub mod score;
pub mod traffic;
pub mod worker;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Why a command ended early: what is said on standard error, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was being done, what is wrong, what to do. Lower case, no full stop.
    pub message: String,
    /// See the module's list.
    pub code: u8,
}

impl Failure {
    /// The work itself failed.
    pub fn run(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// What was asked for makes no sense: arguments or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Everything was done, but `--strict` forbids what was found.
    pub fn strict(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 3 }
    }
}

/// Watches Amazon Route 53 hosted zones through their query logs
#[derive(Debug, Parser)]
#[command(name = "zonewatch", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read query logs from Kinesis, as one of a fleet: enrich them, hand them to Firehose, count them for Prometheus
    Worker(worker::Args),
    /// Say what the lease table says, and change it safely
    Leases(leases::Args),
    /// Find out what is missing or wrong: streams, tables, permissions, lag, coverage
    Doctor(doctor::Args),
    /// Say whether the worker on this machine is alive, for a container's health check
    Health(health::Args),
    /// Write a static copy of the status page, with what is known now, for a web server or a bucket
    Page(page::Args),
    /// Play a made-up day with attacks through the whole pipeline, without AWS, live on a status page
    Demo(demo::Args),
    /// Read query logs from files, in one process without AWS: the same records as a worker would deliver, and a summary
    Replay(replay::Args),
    /// Say how anomalous each row of a CSV file is, given the rows before it
    Score(score::Args),
    /// Make realistic, labelled query logs: to files, or to a Kinesis stream
    Traffic(traffic::Args),
    /// Say what a month costs, before anything is deployed
    Cost(cost::Args),
}

const OVERVIEW: &str = "\
Zonewatch watches Amazon Route 53 hosted zones through their query logs.

  Without AWS
    zonewatch demo                                      a made-up day with attacks, live on a status page
    zonewatch replay LOG...                             what is in these logs? Files of any known form, gzip or plain
    zonewatch replay --records out.ndjson LOG...        the enriched records of these logs
    zonewatch score queries.csv                         how unusual is each row of this table of times and values?
    zonewatch traffic --seconds 60 | zonewatch replay - what a minute of made-up traffic looks like
    zonewatch cost --queries-per-day 100M --zones 100   what would a month on AWS cost?

  With AWS
    zonewatch worker --config zonewatch.toml --check    is the configuration sound?
    zonewatch worker --config zonewatch.toml            the fleet worker: Kinesis to Firehose and Prometheus
    zonewatch doctor --config zonewatch.toml            what is missing or wrong, and what to do about it
    zonewatch leases list --config zonewatch.toml       who reads which shard, and how far
    zonewatch health                                    is the worker on this machine alive? For containers
    zonewatch page site/                                a static copy of the status page, for a web server or a bucket

  zonewatch COMMAND --help says more.
";

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        None => {
            // Nobody reads it if the pipe is closed.
            let _ = std::io::stdout().write_all(OVERVIEW.as_bytes());
            Ok(())
        }
        Some(Command::Worker(args)) => worker::run(args),
        Some(Command::Leases(args)) => leases::run(args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Health(args)) => health::run(&args),
        Some(Command::Page(args)) => page::run(&args),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Score(args)) => score::run(&args),
        Some(Command::Traffic(args)) => traffic::run(args),
        Some(Command::Cost(args)) => cost::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            let _ = writeln!(std::io::stderr(), "zonewatch: {message}");
            ExitCode::from(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed_and_all_in_the_overview() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            assert!(OVERVIEW.contains(&format!("zonewatch {}", command.get_name())), "{}", command.get_name());
        }
    }
}
