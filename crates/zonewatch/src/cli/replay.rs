//! `zonewatch replay`: arguments, outcome and exit code.

use super::Failure;
use super::worker::{environment, unsound};
use crate::observe::Settings;
use crate::replay::{self, Meter, Options, Target};
use crate::{baselines, config, reference, tuning};
use detect::detector::Judging;
use dnslog::schema::Schema;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Query logs in public hosted zones' log groups are in this Region, whatever the stream's.
const REGION: &str = "us-east-1";

const EXAMPLES: &str = "\
Inputs are recognised by content, gzip or plain:
  CloudWatch Logs payloads as a subscription sends them (one or many gzip members, or JSON),
  CloudWatch Logs export files, query-log lines, VPC Resolver and Global Resolver JSON lines,
  captured Kinesis records ({stream,shard,sequence_number,arrival,data} a line, data in base64),
  quarantine files.

Examples:
  zonewatch replay export/*.gz                              what is in these logs?
  zonewatch replay --records out.ndjson export/*.gz         the records a worker would deliver
  zonewatch replay --windows - export/*.gz | jq .           counts of each zone and minute
  zonewatch replay --findings - export/*.gz | jq .summary   what was wrong, when and where
  zcat export/*.gz | grep Z123 | zonewatch replay -         from a pipe
  zonewatch replay --records - --schema lean log.gz | jq .  to a pipe

Exit codes: 0 done, 1 failed or not a query log, 2 wrong arguments, 3 something was rejected (--strict).";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// Files to read; `-` is standard input. Several are merged by event time.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// Write enriched records here, a JSON object a line; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// Write windows of 10 s, 1 min and 10 min here, a JSON object a zone, window and line; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    windows: Option<PathBuf>,
    /// Write findings here, a JSON object each time there is something to tell; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Write what is usual in each zone here, for `detect.baselines` of a worker: give it weeks of logs.
    #[arg(long, value_name = "FILE")]
    baselines: Option<PathBuf>,
    /// Write what was rejected here, with reason and original bytes; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// The form of records: `ecs`, `ocsf` or `lean`. Default: the configuration's, else `ecs`.
    #[arg(long, value_name = "SCHEMA", value_parser = schema)]
    schema: Option<Schema>,
    /// Whether records keep the original log line. Default: the configuration's; `lean` never keeps it.
    #[arg(long, value_name = "BOOL")]
    original: Option<bool>,
    /// The configuration: zone names, network databases, filters, limits.
    #[arg(long, value_name = "FILE", env = "ZONEWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Exit with code 3 if anything was rejected.
    #[arg(long)]
    strict: bool,
    /// No progress bar and no summary.
    #[arg(long, short)]
    quiet: bool,
}

/// A schema by its name.
pub fn schema(text: &str) -> Result<Schema, String> {
    match text {
        "ecs" => Ok(Schema::Ecs),
        "ocsf" => Ok(Schema::Ocsf),
        "lean" => Ok(Schema::Lean),
        _ => Err("must be ecs, ocsf or lean".into()),
    }
}

/// Every output has a place of its own.
fn distinct(named: &[(&str, &Option<Target>)]) -> Result<(), Failure> {
    for (place, (one, target)) in named.iter().enumerate() {
        if *one == "baselines" && **target == Some(Target::File("-".into())) {
            return Err(Failure::usage("write baselines: they are no text, and go to a file; name one"));
        }
        if let Some((other, _)) = named[..place].iter().find(|(_, other)| target.is_some() && other == target) {
            return Err(Failure::usage(format!("write {other} and {one}: both go to the same place; name two")));
        }
    }
    Ok(())
}

/// Replays the inputs and prints what they came to.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut config = config::load(args.config.as_deref(), environment()).map_err(|faults| unsound(&faults.0))?;
    config.records.schema = args.schema.unwrap_or(config.records.schema);
    if args.original == Some(true) && config.records.schema == Schema::Lean {
        return Err(Failure::usage(
            "write records: lean never keeps the original line; leave --original out, or take ecs or ocsf",
        ));
    }
    config.records.original = args.original.unwrap_or(config.records.original);
    if args.inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("read standard input: it is named twice and can be read once; name - once"));
    }
    let outputs = [&args.records, &args.windows, &args.findings, &args.rejects];
    let [records, windows, findings, rejects] = outputs.map(|path| path.as_deref().map(Target::from));
    let baselines = args.baselines.clone().map(Target::File);
    let named = [
        ("records", &records),
        ("windows", &windows),
        ("findings", &findings),
        ("baselines", &baselines),
        ("rejects", &rejects),
    ];
    distinct(&named)?;
    let to_stdout = named.iter().any(|(_, target)| **target == Some(Target::Stdout));
    let judging = Judging {
        settings: tuning::load(config.detect.tuning.as_deref()).map_err(Failure::usage)?.into(),
        baselines: baselines::load(config.detect.baselines.as_deref()).map_err(Failure::usage)?.into(),
        ..Judging::default()
    };
    let options = Options {
        inputs: args.inputs,
        records,
        windows,
        findings,
        baselines: args.baselines,
        judging,
        rejects,
        settings: Settings::new(&config, REGION, 0),
        reference: Arc::new(reference::load(&config.enrich).map_err(Failure::usage)?),
        lines_max: config.decode.events_max,
    };
    let mut meter = if args.quiet { Meter::hidden() } else { Meter::on_terminal() };
    let summary = match replay::run(options, &mut meter) {
        Ok(summary) => summary,
        Err(replay::Error::Closed) => return Ok(()),
        Err(replay::Error::Failed(message)) => {
            meter.finish();
            return Err(Failure::run(message));
        }
    };
    if !args.quiet {
        // A summary that nobody reads is no failure.
        let _ = match to_stdout {
            true => write!(std::io::stderr(), "{summary}"),
            false => write!(std::io::stdout(), "{summary}"),
        };
    }
    if !summary.foreign_inputs.is_empty() {
        let names = summary.foreign_inputs.join(", ");
        return Err(Failure::run(format!(
            "replay {names}: nothing in it is a query log; --rejects FILE keeps what is"
        )));
    }
    if args.strict && summary.rejects() > 0 {
        return Err(Failure::strict(format!("replay: {} rejects, and --strict allows none", summary.rejects())));
    }
    Ok(())
}
