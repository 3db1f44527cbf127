//! `zonewatch doctor`: arguments, output and exit code.

use super::Failure;
use super::leases::{say, state_table_of};
use super::worker::{environment, rollup_app_of, rollup_stream_of, table_of, unsound};
use crate::config;
use crate::doctor::{self, Options, WindowsNames};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Query logs of public hosted zones are in this Region, whatever the stream's.
const LOG_REGION: &str = "us-east-1";

const EXAMPLES: &str = "\
Run it where the workers run, with their configuration and their role: what it may do, they may.
It changes nothing. Actions that write are tried with writes that can't take effect.

Examples:
  zonewatch doctor --config zonewatch.toml
  zonewatch doctor --config zonewatch.toml --log-group /aws/route53/example.com
  zonewatch doctor --config zonewatch.toml --json | jq '.findings[] | select(.state == \"problem\")'

Exit codes: 0 no problems (there may be warnings), 1 problems, 2 wrong arguments or configuration.";

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The worker's configuration, TOML; every key can also be set as ZONEWATCH_SECTION__KEY
    #[arg(long, value_name = "FILE", env = "ZONEWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// The lease table, instead of the configuration's
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// A log group that must send its events to the stream; may be given several times. Default: those of the zones in
    /// enrich.zones, else all that begin with /aws/route53/
    #[arg(long = "log-group", value_name = "NAME")]
    log_groups: Vec<String>,
    /// Where the log groups are
    #[arg(long, value_name = "REGION", default_value = LOG_REGION)]
    log_region: String,
    /// Seconds after which what is not checked yet stays so
    #[arg(long, value_name = "SECS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=3600))]
    timeout: u64,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// Makes every check and prints what was found.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut config = config::load(args.config.as_deref(), environment()).map_err(|faults| unsound(&faults.0))?;
    let faults = config::worker_faults(&config);
    if !faults.is_empty() {
        return Err(unsound(&faults));
    }
    config.leases.table = args.table.unwrap_or(config.leases.table);
    let options = Options {
        table: table_of(&config),
        state_table: state_table_of(&config),
        windows: config.detect.enabled.then(|| WindowsNames {
            stream: rollup_stream_of(&config),
            table: rollup_app_of(&config),
            state_table: format!("{}-state", rollup_app_of(&config)),
        }),
        log_groups: args.log_groups,
        log_region: args.log_region,
        limit: Duration::from_secs(args.timeout),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::run(format!("start the runtime: {error}")))?;
    let mut tell = |text: String| {
        // Nobody reads it if standard error is closed.
        let _ = writeln!(std::io::stderr(), "zonewatch: {text}");
    };
    let report = runtime.block_on(doctor::examine(&config, &options, &mut tell));
    let document = || serde_json::to_string_pretty(&report).expect("plain values with text keys are JSON") + "\n";
    say(&if args.json { document() } else { report.text() });
    match report.problems {
        0 => Ok(()),
        1 => Err(Failure::run("doctor: there is a problem; its next step is above")),
        problems => Err(Failure::run(format!("doctor: there are {problems} problems; the next step of each is above"))),
    }
}
