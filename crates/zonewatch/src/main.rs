//! Zonewatch: watches Amazon Route 53 hosted zones through their query logs.

// A binary exports nothing: `pub` marks what a module offers to the others.
#![allow(unreachable_pub)]

mod baselines;
mod budget;
mod capacity;
mod cli;
mod clock;
mod config;
mod cost;
mod demo;
mod digests;
mod doctor;
mod epoch;
mod filter;
mod finding_line;
#[cfg(test)]
mod fixtures_test;
mod fleet_views;
mod fleet_workers;
mod follow;
mod http;
mod jitter;
mod lines;
mod liveness;
mod load;
mod minutely;
mod nearest;
mod observe;
mod observers;
mod outgoing;
mod outlet;
mod pipeline;
mod printable;
#[cfg(test)]
mod privacy_test;
mod quarantine;
mod reader;
mod reference;
mod registry;
mod replay;
mod rollup_task;
mod shard_task;
mod supervisor;
mod table;
mod telemetry;
mod tuning;
#[cfg(test)]
mod view_format_test;
mod window_line;
mod zone_name;
mod zone_views;

/// Several times faster than the system's allocator where many threads allocate small things, as the SDK does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
