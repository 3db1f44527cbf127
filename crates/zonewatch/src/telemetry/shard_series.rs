//! Gauges of the shards that are held now. They live as long as their [`ShardSeries`], so that no stale lag stays after
//! a lease moved, and the age of a checkpoint grows even while its task is stuck.

use super::{CHECKPOINT_AGE_SECONDS, SHARD_BEHIND_SECONDS, escaped, head};
use crate::registry::{Registered, Registry};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static ALIVE: Registry<Series> = Registry::new();

/// One shard's gauges; dropping it removes them. A shard task makes one when it begins and keeps it.
pub struct ShardSeries(Registered<Series>);

struct Series {
    stream: String,
    shard: String,
    state: Mutex<State>,
}

struct State {
    /// `None` until the first read.
    behind: Option<Duration>,
    acknowledged: Instant,
}

/// A held shard as the status page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardView {
    /// The stream's name.
    pub stream: String,
    /// The shard's name.
    pub shard: String,
    /// See `zonewatch_shard_behind_seconds`.
    pub behind: Option<Duration>,
    /// See `zonewatch_checkpoint_age_seconds`.
    pub checkpoint_age: Duration,
}

impl ShardSeries {
    /// The gauges of a shard that this worker has begun to hold.
    pub fn new(stream: &str, shard: &str) -> Self {
        let state = Mutex::new(State { behind: None, acknowledged: Instant::now() });
        Self(ALIVE.register(Series { stream: stream.to_owned(), shard: shard.to_owned(), state }))
    }

    /// After every read: how far behind the tip it ended.
    pub fn behind(&self, behind: Duration) {
        self.0.lock().behind = Some(behind);
    }

    /// After every commit, and after an empty read at the tip with nothing in flight.
    pub fn acknowledged(&self) {
        self.0.lock().acknowledged = Instant::now();
    }

    /// Every shard held now, by stream and name, each once: two series with the same labels would spoil the whole scrape.
    pub fn all() -> Vec<ShardView> {
        let view = |series: &Series| {
            let State { behind, acknowledged } = *series.lock();
            let (stream, shard) = (series.stream.clone(), series.shard.clone());
            ShardView { stream, shard, behind, checkpoint_age: acknowledged.elapsed() }
        };
        let alive = ALIVE.by_key(|series| (series.stream.clone(), series.shard.clone()));
        alive.iter().map(|series| view(series)).collect()
    }
}

impl Series {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The families in Prometheus' text form, by name.
pub(super) fn render() -> Vec<(String, String)> {
    let (mut behind, mut age) = (head(SHARD_BEHIND_SECONDS), head(CHECKPOINT_AGE_SECONDS));
    for view in ShardSeries::all() {
        let labels = format!("{{stream=\"{}\",shard=\"{}\"}}", escaped(&view.stream), escaped(&view.shard));
        if let Some(duration) = view.behind {
            let _ = writeln!(behind, "{SHARD_BEHIND_SECONDS}{labels} {}", duration.as_secs_f64());
        }
        let _ = writeln!(age, "{CHECKPOINT_AGE_SECONDS}{labels} {:.3}", view.checkpoint_age.as_secs_f64());
    }
    vec![(SHARD_BEHIND_SECONDS.to_owned(), behind), (CHECKPOINT_AGE_SECONDS.to_owned(), age)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(stream: &str) -> Vec<String> {
        let text: String = render().into_iter().map(|(_, text)| text).collect();
        text.lines().filter(|line| line.contains(&format!("stream=\"{stream}\""))).map(str::to_owned).collect()
    }

    #[test]
    fn a_shards_gauges_vanish_with_it() {
        let series = ShardSeries::new("vanishing", "shard-1");
        series.behind(Duration::from_millis(1_500));
        let shown = lines("vanishing");
        assert_eq!(shown[0], "zonewatch_shard_behind_seconds{stream=\"vanishing\",shard=\"shard-1\"} 1.5");
        assert!(shown[1].starts_with("zonewatch_checkpoint_age_seconds{stream=\"vanishing\",shard=\"shard-1\"} 0.0"));
        drop(series);
        assert_eq!(lines("vanishing"), Vec::<String>::new());
    }

    #[test]
    fn a_shard_held_twice_is_shown_once_and_stays_when_the_elder_goes() {
        let elder = ShardSeries::new("twice", "shard-1");
        elder.behind(Duration::from_secs(9));
        let younger = ShardSeries::new("twice", "shard-1");
        younger.behind(Duration::from_secs(2));
        assert_eq!(lines("twice").len(), 2);
        drop(elder);
        assert!(lines("twice")[0].ends_with(" 2"), "{:?}", lines("twice"));
    }
}
