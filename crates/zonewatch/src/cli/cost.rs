//! `zonewatch cost`: what a month costs, before anything is deployed.

use super::Failure;
use crate::cost::alternatives::{Alternative, alternatives};
use crate::cost::prices::{Prices, TABLE};
use crate::cost::{Bill, Wanted, bill, measured};
use dnslog::schema::Schema;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
What is deployed is deploy/terraform with its defaults, for twice the mean rate. Every byte was measured and every price has a
source and a date: docs/cost.md. Left out: taxes, free allowances, discounts, data that leaves the Region, and Prometheus.

Examples:
  zonewatch cost --queries-per-day 100M --zones 100
  zonewatch cost --queries-per-day 1G --zones 500 --schema lean --json | jq .dollars
  zonewatch cost --print-prices > prices.toml       then, with your own prices or those of another Region:
  zonewatch cost --queries-per-day 100M --zones 100 --prices prices.toml

Exit codes: 0 done, 2 wrong arguments or prices, or more than one fleet can do.";

/// Zones that an epoch counts apart (`detect::summary::Limits`).
const ZONES_APART: f64 = 1_000.0;

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// Queries a day of all zones together: a number, or one with k, M or G behind it
    #[arg(long, value_name = "NUMBER", value_parser = queries, required_unless_present = "print_prices")]
    queries_per_day: Option<f64>,
    /// Hosted zones
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000), required_unless_present = "print_prices")]
    zones: Option<u32>,
    /// The form of records: `ecs`, `ocsf` or `lean`
    #[arg(long, value_name = "SCHEMA", value_parser = super::replay::schema, default_value = "ecs")]
    schema: Schema,
    /// The Region. Logs of public hosted zones are in us-east-1; another needs prices of its own
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
    /// Prices that differ, in the form of --print-prices
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only print the prices, each with its source and date
    #[arg(long)]
    print_prices: bool,
}

/// Prints the bill.
pub fn run(args: &Args) -> Result<(), Failure> {
    let text = match (args.print_prices, args.queries_per_day, args.zones) {
        (false, Some(queries_per_day), Some(zones)) => {
            let wanted = Wanted { queries_per_day, zones: zones.into(), schema: args.schema };
            let prices = prices(args.prices.as_deref(), &args.region)?;
            let faulty = |what| Failure::usage(format!("work out the cost: {what}"));
            let (bill, others) =
                (bill(wanted, &prices).map_err(faulty)?, alternatives(wanted, &prices).map_err(faulty)?);
            if args.json { document(wanted, &prices, &bill, &others) } else { table(wanted, &prices, &bill, &others) }
        }
        _ => TABLE.to_owned(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("write standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn prices(path: Option<&Path>, region: &str) -> Result<Prices, Failure> {
    let prices = match path {
        None => Prices::known(),
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("read the prices {name}: {error}; name a file that can be read"))
            })?;
            Prices::read(&text).map_err(|what| Failure::usage(format!("read the prices {name}: {what}")))?
        }
    };
    if prices.region == region {
        return Ok(prices);
    }
    Err(Failure::usage(format!(
        "work out the cost in {region}: these prices are of {}; name a file of that Region's with --prices, in the form of \
         --print-prices",
        prices.region
    )))
}

fn document(wanted: Wanted, prices: &Prices, bill: &Bill, others: &[Alternative]) -> String {
    let weight = measured::Weight::at(wanted.queries_per_day / 86_400.0 / wanted.zones);
    let document = json!({
        "version": 1, "region": prices.region, "queries_per_day": wanted.queries_per_day, "zones": wanted.zones,
        "schema": wanted.schema, "fleet": bill.fleet, "items": bill.items, "dollars": bill.dollars(),
        "dollars_a_million_queries": a_million(wanted, bill), "alternatives": others,
        "window_bytes_a_query": weight.window_bytes,
    });
    format!("{document}\n")
}

fn table(wanted: Wanted, prices: &Prices, bill: &Bill, others: &[Alternative]) -> String {
    let schema = format!("{:?}", wanted.schema).to_ascii_lowercase();
    let mut text = format!(
        "{} queries a day, {} zones, {}, {schema}: dollars a month of 730 hours\n\n",
        grouped(wanted.queries_per_day),
        grouped(wanted.zones),
        prices.region
    );
    let mut row = |what: &str, amount: &str, dollars: f64| {
        writeln!(text, "{what:<52}{amount:>26}{:>14}", cents(dollars)).expect("writing to a string does not fail");
    };
    for item in &bill.items {
        let amount =
            if item.amount < 10.0 && item.amount.fract() != 0.0 { tenths(item.amount) } else { grouped(item.amount) };
        row(item.what, &format!("{amount} {}", item.unit), item.dollars);
    }
    row("together", "", bill.dollars());
    row("for a million queries", "", a_million(wanted, bill));
    text += "\nNone of these does the same; each stands for a part of the above:\n\n";
    for other in others {
        writeln!(text, "{:<52}{:>40}", other.what, cents(other.dollars)).expect("writing to a string does not fail");
        writeln!(text, "    instead of {}", other.instead_of).expect("writing to a string does not fail");
    }
    if wanted.zones > ZONES_APART {
        text += "\nAn epoch counts 1,000 zones apart, the others together: more of them need fleets of their own for windows.\n";
    }
    text
}

fn a_million(wanted: Wanted, bill: &Bill) -> f64 {
    bill.dollars() / (wanted.queries_per_day * crate::cost::MONTH_HOURS / 24.0 / 1e6)
}

/// `1,234.50`; what is less than a cent is not shown as nothing.
fn cents(dollars: f64) -> String {
    if dollars < 0.005 {
        return format!("{dollars:.4}");
    }
    let cents = (dollars * 100.0).round();
    format!("{}.{:02.0}", grouped((cents / 100.0).floor()), cents % 100.0)
}

fn tenths(amount: f64) -> String {
    format!("{amount:.1}")
}

/// `1,234,567`.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.round());
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number with k, M or G behind it.
fn queries(text: &str) -> Result<f64, String> {
    let (digits, times) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(digits) if text.ends_with('k') => (digits, 1e3),
        Some(digits) if text.ends_with('M') => (digits, 1e6),
        Some(digits) => (digits, 1e9),
        None => (text, 1.0),
    };
    let number = digits.parse::<f64>().ok().map(|number| number * times).filter(|number| (1.0..=1e15).contains(number));
    number.ok_or_else(|| "must be a number from 1 to 1000000000000000, such as 250000, 100M or 1.5G".into())
}

#[cfg(test)]
#[path = "cost_test.rs"]
mod tests;
