//! `cargo xtask scenarios [DAYS [SEED [RATE]]]`: what findings are worth, on made-up zones; see `docs/findings.md`.
//!
//! `calm` is what is told of each zone while nothing happens. `found` are incidents found of those made, the median and the
//! longest delay in windows of ten seconds, and what else was told; `look-alike` is what was told of what is no incident.
//! `cost` is what a window and a zone take.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use detect::Window;
use detect::finding::{Finding, Kind, Settings, Status, Zone};
use std::collections::BTreeMap;
use std::process::ExitCode;
use zonewatch_benches::calibration::by_seed;
use zonewatch_benches::clock::thread_cpu_ns;
use zonewatch_benches::scenarios::{DAY_MS, HOUR_MS, History, Outcome, WHAT};
use zonewatch_benches::watched::Windows;

/// Days of nothing before incidents; more than eight, so that the days of the week are known.
const DAYS: i64 = 15;
const WEEK_MS: f64 = 7.0 * DAY_MS as f64;
const SEED: u64 = 1;

/// Days, seed, and queries a second of all zones together.
fn arguments(scenario: traffic::Scenario) -> Option<(i64, u64, traffic::Scenario)> {
    let mut words = std::env::args().skip(1);
    let days = words.next().map_or(Some(DAYS), |days| days.parse().ok()).filter(|days| *days > 1)?;
    let seed = words.next().map_or(Some(SEED), |seed| seed.parse().ok())?;
    let rate = words.next().map_or(Some(scenario.queries_per_second), |rate| rate.parse().ok())?;
    (rate > 0.0).then(|| (days, seed, scenario.at_rate(rate)))
}

fn main() -> ExitCode {
    let Some((days, seed, scenario)) = arguments(traffic::Scenario::kinds()) else {
        println!(
            "choose how many days nothing happens, a whole number above 1 ({DAYS}); then, if you like, a seed ({SEED}), and \
             queries a second"
        );
        return ExitCode::from(2);
    };
    let kept_ms: Vec<i64> = [2, 10, 18].map(|hour| days * DAY_MS + hour * HOUR_MS).to_vec();
    let zones = scenario.zones.len() as u64;
    let histories = by_seed(zones, |zone| History::new(&scenario, zone as usize, seed, Windows::All, &kept_ms));
    for (zone, history) in scenario.zones.iter().zip(&histories) {
        calm(&zone.name, history);
    }
    println!("found cause strength, of all, median and longest delay in windows of 10 s, other kinds told");
    for what in WHAT {
        let outcomes: Vec<Outcome> =
            by_seed(zones, |zone| histories[zone as usize].trials(what).collect::<Vec<_>>()).concat();
        let mut delays: Vec<i64> = outcomes.iter().filter_map(|outcome| outcome.found_ms).collect();
        delays.sort_unstable();
        let windows = |at: usize| delays.get(at).map_or("-".to_owned(), |ms| format!("{:.1}", *ms as f64 / 10_000.0));
        let others = outcomes.iter().flat_map(|outcome| &outcome.others);
        let word = if what.cause.kind().is_some() { "found" } else { "look-alike" };
        println!(
            "{word} {:?} {} {} of {}, {} {}, {}",
            what.cause,
            what.strength,
            delays.len(),
            outcomes.len(),
            windows(delays.len() / 2),
            windows(delays.len().wrapping_sub(1)),
            counts(others.clone().map(|one| one.kind)),
        );
        others.for_each(show);
        for Outcome { place: (zone, start_ms), found_ms, .. } in &outcomes {
            if found_ms.is_none() && what.cause.kind().is_some() {
                println!("  {zone} not found from {}", start_ms / 1000);
            }
        }
    }
    cost(&histories[0]);
    ExitCode::SUCCESS
}

fn counts(kinds: impl Iterator<Item = Kind>) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind.as_str()).or_default() += 1);
    let words: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn calm(name: &str, history: &History) {
    let opened = history.told.iter().filter(|(_, finding)| finding.status == Status::Opened);
    let count = opened.clone().count() as f64;
    let weekly = count / (history.judged_ms as f64 / WEEK_MS);
    println!(
        "calm {name} {:.1} queries a second, {weekly:.2} findings a week: {}",
        history.rate(),
        counts(opened.clone().map(|(_, one)| one.kind))
    );
    opened.for_each(|(_, finding)| show(finding));
}

/// Of what should not have been told, the line that says why it was.
fn show(finding: &Finding) {
    let Finding { zone_name, kind, severity, score, signal, window_ms, start_ms, summary, .. } = finding;
    println!(
        "  {zone_name} {} {} {} {score:.2}, {} s from {}: {summary}",
        kind.as_str(),
        severity.as_str(),
        signal.as_str(),
        window_ms / 1000,
        start_ms / 1000
    );
}

fn cost(history: &History) {
    let (watched, windows) = history.hour_after();
    let settings = Settings::default();
    let mut bytes = Vec::new();
    watched.zone().encode(&mut bytes);
    let each_us = |work: &dyn Fn(&mut Zone, &Window)| {
        let mut zone = watched.zone().clone();
        let start_ns = thread_cpu_ns();
        windows.iter().for_each(|window| work(&mut zone, window));
        (thread_cpu_ns() - start_ns) as f64 / 1000.0 / windows.len() as f64
    };
    let closed_us = each_us(&|zone, window| drop(zone.push(window, &settings)));
    let open_us = each_us(&|zone, window| drop(zone.excess(window, &settings)));
    let lists = watched.zone().baseline().list_bytes();
    println!("cost us_a_closed_window {closed_us:.1} us_an_open_one {open_us:.1}");
    println!("cost encoded_bytes_a_zone {} of_which_lists_about {lists}", bytes.len());
}
