//! `cargo bench`: how near the limit we are, and how far ahead of what people would use instead.
//!
//! Figures are lines `ratio NAME SET VALUE`. NAME is a stage (its speed by the limit's, which is 1.00) or
//! `lean_vs_OPPONENT` (how many times as fast as the opponent we are) or `windows_cost` (what counting for windows adds to
//! writing `ecs`, as a share of it; `windows_cost_scattered`: the same of an hour's queries in any order). SET is one of `traffic::sets`. Lines that begin
//! with `time` are CPU nanoseconds an event, for information: they move with the machine. Arguments name the sets to
//! run; without any all run.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use dnslog::schema::Schema;
use std::process::ExitCode;
use traffic::sets::{self, Set};
use zonewatch_benches::clock::thread_cpu_ns;
use zonewatch_benches::limit::Limit;
use zonewatch_benches::machine;
use zonewatch_benches::opponents::{Failure, OPPONENTS, PayloadFiles};
use zonewatch_benches::ordinary::Ordinary;
use zonewatch_benches::ours::{Decode, Epoch, Records, Windows};
use zonewatch_benches::rounds::{self, Figure, Stage};

/// Enough for a median that a busy neighbour does not move.
const ROUNDS: usize = 21;
/// The interpreted opponents take most of the time and are far enough behind for fewer.
const OPPONENT_ROUNDS: usize = 5;
/// The same payloads on every machine.
const SEED: u64 = 1;
const WITH_WINDOWS: &str = "ecs_with_windows";
const WITH_SCATTERED: &str = "ecs_with_scattered_windows";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = arguments.iter().find(|argument| !sets::NAMES.contains(&argument.as_str())) {
        println!("choose payload sets: there is no set {unknown:?}; name some of {}", sets::NAMES.join(", "));
        return ExitCode::from(2);
    }
    for fact in machine::facts() {
        println!("machine {fact}");
    }
    let chosen = |name: &&&str| arguments.is_empty() || arguments.iter().any(|argument| argument == *name);
    for name in sets::NAMES.iter().filter(chosen) {
        let set = sets::named(name, SEED).expect("the name is of the list of sets");
        if let Err(problem) = bench(&set) {
            println!("FAILED {name}: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn bench(set: &Set) -> Result<(), String> {
    let compressed: usize = set.payloads.iter().map(Vec::len).sum();
    let each = |bytes: usize| bytes as f64 / set.events as f64;
    println!(
        "set {}: {} records, {} events, {:.0} B an event, {:.1} B compressed",
        set.name,
        set.payloads.len(),
        set.events,
        each(set.inflated_bytes),
        each(compressed)
    );
    let mut stages = stages(set);
    rounds::check(&mut stages)?;
    let figures = rounds::time(&mut stages, ROUNDS, thread_cpu_ns);
    let nanoseconds = |name: &str| {
        let figure = figures.iter().find(|figure| figure.name == name);
        figure.map_or(f64::NAN, |figure| figure.median_ns / set.events as f64)
    };
    for Figure { name, ratio, .. } in &figures {
        println!("time {name} {} {:.0}", set.name, nanoseconds(name));
        println!("ratio {name} {} {ratio:.3}", set.name);
    }
    for (name, stage) in [("windows_cost", WITH_WINDOWS), ("windows_cost_scattered", WITH_SCATTERED)] {
        println!("ratio {name} {} {:.3}", set.name, nanoseconds(stage) / nanoseconds("ecs") - 1.0);
    }
    println!("ratio lean_vs_ordinary {} {:.2}", set.name, nanoseconds("ordinary") / nanoseconds("lean"));
    against_others(set, nanoseconds("limit"), nanoseconds("lean"))
}

fn stages(set: &Set) -> Vec<Stage<'_>> {
    let payloads = &set.payloads;
    let (mut limit, mut decode, mut ordinary) = (Limit::default(), Decode::default(), Ordinary::default());
    let windows = |name, epoch| {
        let mut windows = Windows::of(epoch);
        Stage { name, expected: set.events, run: Box::new(move || windows.run(payloads)) }
    };
    let records = |name, schema| {
        let mut records = Records::new(schema);
        Stage { name, expected: set.events, run: Box::new(move || records.run(payloads)) }
    };
    vec![
        Stage { name: "limit", expected: set.inflated_bytes, run: Box::new(move || limit.run(payloads)) },
        Stage { name: "decode", expected: set.events, run: Box::new(move || decode.run(payloads)) },
        records("lean", Schema::Lean),
        records("ecs", Schema::Ecs),
        windows(WITH_WINDOWS, Epoch::Usual),
        windows(WITH_SCATTERED, Epoch::Scattered),
        records("ocsf", Schema::Ocsf),
        // A program that stops at the first thing it does not expect has done nothing.
        Stage { name: "ordinary", expected: set.events, run: Box::new(move || ordinary.run(payloads).unwrap_or(0)) },
    ]
}

fn against_others(set: &Set, limit_ns: f64, lean_ns: f64) -> Result<(), String> {
    let files =
        PayloadFiles::write(set.name, &set.payloads).map_err(|error| format!("write payload files: {error}"))?;
    for opponent in OPPONENTS {
        let name = opponent.name;
        match opponent.run(&files.directory, set.events, OPPONENT_ROUNDS) {
            Ok(opponent_ns) => {
                println!("time {name} {} {opponent_ns:.0}", set.name);
                println!("ratio {name} {} {:.3}", set.name, limit_ns / opponent_ns);
                println!("ratio lean_vs_{name} {} {:.1}", set.name, opponent_ns / lean_ns);
            }
            Err(Failure::NotInstalled(interpreter)) => println!("NOT RUN {name} (install {interpreter})"),
            Err(Failure::Wrong(problem)) => return Err(problem),
        }
    }
    Ok(())
}
