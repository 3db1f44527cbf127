//! What the coordination of a fleet at rest costs, beside KCL's: DynamoDB requests and units a shard-hour, every shard
//! with records and committed as often as KCL would checkpoint it.
//!
//! `cargo test -p simulation --test cost --profile ci -- --nocapture` prints the table.

#![expect(clippy::print_stdout, reason = "the figures are quoted in the README")]

use simulation::{Setting, Used, World, kcl_hour};

/// The default of `source.epoch_secs`, milliseconds.
const EPOCH: u64 = 5_000;
/// A fleet that starts is at rest by then, milliseconds.
const AT_REST: u64 = 600_000;
/// Milliseconds measured; scans come every half minute or less often.
const MEASURED: u64 = 600_000;
const HOUR: f64 = 3_600_000.0;

/// What a fleet at rest uses in an hour, by the names of its calls.
fn hour(workers: u64, shards: u64) -> impl Fn(&[&str]) -> Used {
    let mut world = World::quiet(1, Setting { workers, shards, epoch: Some(EPOCH) });
    world.live_until(AT_REST);
    let before = world.summary().clone();
    world.live_until(AT_REST + MEASURED);
    let after = world.summary().clone();
    assert_eq!(after.moves, before.moves, "a fleet at rest makes moves");
    move |names| {
        let named = after.used.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        let used = named.map(|(name, used)| *used - before.used.get(name).copied().unwrap_or_default());
        used.fold(Used::default(), |sum, used| sum + used).by(MEASURED as f64 / HOUR)
    }
}

/// The greatest of ours by KCL's: requests, write units, dollars.
fn ratio(shards: u64, workers: u64) -> f64 {
    let used = hour(workers, shards)(&[]).by(shards as f64);
    // An epoch begins with the read after the last one's end, so KCL is counted at the same 5.25 s.
    let kcl = kcl_hour(shards, workers, 5.25).by(shards as f64);
    for (name, used) in [("zonewatch", used), ("KCL 3", kcl)] {
        let Used { requests, read_units, write_units } = used;
        let dollars = used.dollars_a_million() * 730.0 / 1e6;
        println!(
            "{shards:5} shards, {workers:3} workers, {name:9}: {requests:6.0} requests, {read_units:4.0} read units, \
             {write_units:6.0} write units a shard-hour, ${dollars:.2} a shard-month"
        );
    }
    let ratios = [
        used.requests / kcl.requests,
        used.write_units / kcl.write_units,
        used.dollars_a_million() / kcl.dollars_a_million(),
    ];
    println!("{shards:5} shards, {workers:3} workers: requests, write units, dollars by KCL's {ratios:.2?}");
    ratios.into_iter().fold(0.0, f64::max)
}

#[test]
fn a_shard_costs_less_than_with_kcl_and_the_more_there_are_the_less() {
    for (shards, most) in [(1, f64::MAX), (10, f64::MAX), (100, 0.8), (1_000, 0.45)] {
        let ratio = ratio(shards, 10);
        assert!(ratio <= most, "{shards} shards: {ratio:.3} of KCL's, more than {most}");
    }
}

#[test]
fn neither_looks_nor_beats_grow_with_the_square_of_the_fleet() {
    let [small, large] = [20, 80].map(|workers| hour(workers, 160));
    let read = |names: &[&str]| [small(names), large(names)].map(|used| used.read_units);
    let [few, many] = read(&["scan"]);
    assert!(many <= few * 1.3, "scans of the leases: {few} read units an hour, with four times the workers {many}");
    let [few, many] = read(&["scan workers", "read workers"]);
    assert!(many <= few * 5.0, "looks at workers: {few} read units an hour, with four times the workers {many}");
    let [few, many] = [&small, &large].map(|fleet| fleet(&["beat"]).write_units);
    assert!(many <= few * 4.0, "beats: {few} an hour, with four times the workers {many}");
}

/// A third of them dies at once. Each dead one is looked into by the three that watch it, and their watchers walk on to
/// workers that they have not watched so far: those live, and must not be suspected.
#[test]
fn many_deaths_at_once_are_looked_into_by_their_watchers_alone() {
    let (workers, dead) = (200, 66);
    let mut world = World::quiet(1, Setting { workers, shards: 400, epoch: Some(EPOCH) });
    world.live_until(60_000);
    let asked = |world: &World| world.summary().used.get("owned").map_or(0.0, |used| used.requests);
    let before = asked(&world);
    (0..dead).for_each(|index| world.kill(3 * index));
    world.live_until(180_000);
    assert_eq!(world.unread(), 0);
    let each = (asked(&world) - before) / dead as f64;
    println!("{each:.0} reads of its leases for each dead worker");
    assert!(each < 60.0, "{each} reads for each dead worker");
}
