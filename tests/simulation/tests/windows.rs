//! Every query is counted once in any world. `ZONEWATCH_SEEDS=3000` runs that many worlds a scene, `ZONEWATCH_SEED=17` one
//! world of each.

use simulation::{Scene, Totals, WindowWorld};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Worlds of each scene unless told otherwise: half a minute in all on two cores.
const SEEDS: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[expect(clippy::print_stdout, reason = "figures are read from the test's output")]
fn say(line: &str) {
    println!("{line}");
}

/// Lives through worlds of a scene. In enough of them together what the scene is about must have happened.
fn live(scene: Scene, happened: impl Fn(&Totals) -> bool) {
    let seeds = match setting("ZONEWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("ZONEWATCH_SEEDS").unwrap_or(SEEDS),
    };
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let sum = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| WindowWorld::new(seed, scene).live())) {
                        Ok(totals) => *sum.lock().expect("nobody panics here") += totals,
                        Err(_) => failed.lock().expect("nobody panics here").push(seed),
                    }
                }
            });
        }
    });
    let (sum, mut failed) = (sum.into_inner().expect("nobody panics"), failed.into_inner().expect("nobody panics"));
    failed.sort_unstable();
    let worlds = seeds.end - seeds.start;
    say(&format!("figure windows {scene:?} {worlds} worlds, {} failed, {sum:?}", failed.len()));
    assert!(failed.is_empty(), "{} worlds failed; run one alone with ZONEWATCH_SEED: {failed:?}", failed.len());
    assert!(worlds < 100 || happened(&sum), "{scene:?} did not happen: {sum:?}");
}

/// Windows are told whole, and copies come.
fn is_alive(sum: &Totals) -> bool {
    sum.whole > sum.not_whole && sum.copies > 0 && sum.gaps + sum.holes + sum.missed + sum.lost == 0
}

#[test]
fn every_query_is_counted_once_whatever_crashes_moves_or_is_resharded() {
    live(Scene::Normal, is_alive);
}

#[test]
fn an_outage_of_all_readers_misses_nothing() {
    live(Scene::ObserveOutage, is_alive);
}

#[test]
fn a_shard_that_is_silent_for_long_is_not_waited_for_and_its_queries_are_counted_as_missed() {
    live(Scene::ShardUnowned, |sum| sum.missed > 0 && sum.lost == 0);
}

#[test]
fn a_parent_that_is_stuck_holds_its_children_back() {
    live(Scene::ParentStuck, is_alive);
}

#[test]
fn what_the_source_stream_lost_makes_windows_not_whole() {
    live(Scene::SourceTrimmed, |sum| sum.lost > 0 && sum.holes > 0 && sum.whole > 0);
}

#[test]
fn what_the_rollup_stream_lost_makes_windows_not_whole() {
    live(Scene::RollupTrimmed, |sum| sum.lost > 0 && sum.gaps > 0 && sum.whole > 0);
}

#[test]
fn a_reader_that_falls_behind_the_retention_makes_windows_not_whole() {
    live(Scene::FallsBehind, |sum| sum.lost > 0 && sum.holes > 0 && sum.whole > 0);
}

#[test]
fn limits_lose_no_query_from_sight() {
    live(Scene::Limits, |sum| sum.limited > 0 && sum.missed > 0 && sum.lost == 0);
}

#[test]
fn too_many_messages_that_wait_make_a_gap() {
    live(Scene::FewMayWait, |sum| sum.limited > 0 && sum.gaps > 0);
}

#[test]
fn forgotten_shards_are_not_missed() {
    live(Scene::Forgetting, is_alive);
}

#[test]
fn an_operators_reset_counts_nothing_twice() {
    live(Scene::Reset, |sum| sum.holes > 0 && sum.gaps > 0 && sum.whole > 0);
}

#[test]
fn a_rolling_deploy_counts_once_what_both_versions_agree_on() {
    live(Scene::Versions, |sum| is_alive(sum) && sum.disputed > 0);
}

#[test]
fn a_world_is_its_seed() {
    let lives = [7, 7, 8].map(|seed| WindowWorld::new(seed, Scene::Normal).live());
    assert_eq!(lives[0], lives[1]);
    assert_ne!(lives[0], lives[2]);
}
