//! Every query is counted once in any world. `ZONEWATCH_SEEDS=3000` runs that many worlds a scene, `ZONEWATCH_SEED=17` one
//! world of each.

use simulation::{Lived, Scene, Totals, WindowWorld, live_through};
use std::sync::Mutex;

/// Worlds of each scene unless told otherwise: half a minute in all on two cores.
const SEEDS: u64 = 200;

#[expect(clippy::print_stdout, reason = "figures are read from the test's output")]
fn say(line: &str) {
    println!("{line}");
}

/// Lives through worlds of a scene. In enough of them together what the scene is about must have happened.
fn live(scene: Scene, happened: impl Fn(&Totals) -> bool) {
    let sum = Mutex::new(Totals::default());
    let Lived { worlds, failed } = live_through(SEEDS, |seed| {
        let totals = WindowWorld::new(seed, scene).live();
        *sum.lock().expect("nobody panics here") += totals;
    });
    let sum = sum.into_inner().expect("nobody panics here");
    say(&format!("figure windows {scene:?} {worlds} worlds, {} failed, {sum:?}", failed.len()));
    assert!(failed.is_empty(), "{} worlds failed; run one alone with ZONEWATCH_SEED: {failed:?}", failed.len());
    assert!(worlds < 100 || happened(&sum), "{scene:?} did not happen: {sum:?}");
}

/// Windows are told whole, and copies come. Holes are said only of children whose parents were split before they had anything
/// to read.
fn is_alive(sum: &Totals) -> bool {
    let calm = sum.gaps + sum.missed + sum.lost == 0 && sum.holes * 100 < sum.whole;
    calm && sum.whole > sum.not_whole && sum.copies > 0
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
fn what_one_shard_lost_makes_windows_not_whole() {
    live(Scene::ShardTrimmed, |sum| sum.lost > 0 && sum.holes > 0 && sum.whole > 0);
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
