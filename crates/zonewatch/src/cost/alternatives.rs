//! What else somebody could use, as far as it was measured or has published prices. None of them does the same.

use super::deployed;
use super::prices::{GIB, Prices};
use super::{Fleet, Flow, MONTH_HOURS, MONTH_SECS, Wanted, measured};
use serde::Serialize;

/// Memory of a Lambda function that has one vCPU, as AWS documents it: 1,769 MB.
const FUNCTION_GB: f64 = 1_769.0 / 1_024.0;
/// A dashboard: panels, seconds between refreshes, and seconds of logs that each panel shows.
const PANELS: f64 = 10.0;
const REFRESH_SECS: f64 = 300.0;
const SHOWN_SECS: f64 = 3_600.0;
/// Metrics of a zone: a metric filter for each of these response codes.
const CODES: f64 = 4.0;
/// OpenSearch Serverless has two units at least: one to index, one to search.
const UNITS_MIN: f64 = 2.0;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Alternative {
    /// What it is.
    pub what: &'static str,
    /// What it stands for, of the bill.
    pub instead_of: &'static str,
    /// A month.
    pub dollars: f64,
}

/// All of them; why not, if the bill can't be made.
pub fn alternatives(wanted: Wanted, prices: &Prices) -> Result<Vec<Alternative>, String> {
    let flow = Flow::of(wanted, prices)?;
    let one = |what, instead_of, dollars| Alternative { what, instead_of, dollars };
    let records = "workers and DynamoDB, without windows and findings";
    let reading = "all but CloudWatch Logs, and without findings";
    let hourly = flow.per_second * SHOWN_SECS * measured::LOGGED_BYTES / GIB;
    let scanned = PANELS * MONTH_SECS / REFRESH_SECS * hourly;
    let passed = flow.passed_bytes() / GIB;
    let nat = prices.of("nat_hour", deployed::ZONES * MONTH_HOURS) + prices.of("nat_data", passed);
    Ok(vec![
        one("Lambda in Node.js, CPU time only", records, function(&flow, measured::NODE_TIMES, prices)),
        one("Lambda in Python, CPU time only", records, function(&flow, measured::PYTHON_TIMES, prices)),
        one("Kinesis Client Library, its table's writes only", "DynamoDB", library(flow.fleet, prices)),
        one("Logs Insights, 10 panels of an hour each 5 min", reading, prices.of("logs_insights", scanned)),
        one("CloudWatch metrics, 4 response codes a zone", reading, prices.of("metric", CODES * wanted.zones)),
        one(
            "OpenSearch Serverless alone, its least, no storage",
            "all but CloudWatch Logs, and without findings",
            prices.of("search_unit_hour", UNITS_MIN * MONTH_HOURS),
        ),
        one("NAT gateways in 2 zones", "interface endpoints", nat),
    ])
}

/// The time that a core has for an ECS line, as many times as the language takes, and a call a second and shard.
fn function(flow: &Flow, times: f64, prices: &Prices) -> f64 {
    let seconds = flow.queries / measured::LINES_A_CORE * times;
    let calls = (flow.fleet.source_shards * MONTH_SECS).min(flow.queries * flow.weight.records);
    prices.of("function_second", seconds * FUNCTION_GB) + prices.of("function_calls", calls / 1e6)
}

fn library(fleet: Fleet, prices: &Prices) -> f64 {
    prices.of("table_writes", fleet.source_shards * measured::KCL_WRITES_A_SHARD * MONTH_SECS / 3_600.0 / 1e6)
}
