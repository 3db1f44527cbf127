//! Zonewatch: watches Amazon Route 53 hosted zones through their query logs.

// A binary exports nothing: `pub` marks what a module offers to the others.
#![allow(unreachable_pub)]

mod budget;
mod cli;
mod clock;
mod config;
mod demo;
mod epoch;
mod filter;
mod http;
mod lines;
mod observe;
mod outlet;
mod quarantine;
mod reader;
mod replay;
mod shard_task;
mod supervisor;
mod telemetry;

fn main() {}
