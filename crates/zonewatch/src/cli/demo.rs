//! `zonewatch demo`: arguments, listeners, and what to look at.

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, rfc3339_ms};
use crate::demo::{self, Demo};
use crate::http::{self, Guard};
use crate::pipeline::Pipeline;
use crate::telemetry::{self, Exposition};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use traffic::{Kind, Label};

const DAY_MS: i64 = 86_400_000;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
When the day is over, the next one begins with the same incidents. Ctrl-C ends the demo.

Nothing is read from or sent to any place: traffic is made up, streams and tables are in memory,
and the listeners answer on 127.0.0.1 only.")]
pub struct Args {
    /// The status page's port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 9465)]
    port: u16,
    /// The port of /metrics; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 9464)]
    metrics_port: u16,
    /// How many times as fast as real time the day passes, 1 to 5000
    #[arg(long, value_name = "X", default_value_t = 300.0, value_parser = speed)]
    speed: f64,
    /// The day that is played; the same day is the same traffic. Today unless told
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    day: Option<i64>,
    /// End after this time: 90s, 5m or 1h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lasts: Option<Duration>,
}

impl Args {
    /// The first millisecond of the day that is played.
    fn start_ms(&self, now_ms: i64) -> i64 {
        self.day.unwrap_or(now_ms - now_ms.rem_euclid(DAY_MS))
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=5000.0).contains(speed));
    speed.ok_or_else(|| "must be a number from 1 to 5000".to_owned())
}

/// A day's first millisecond.
fn day(text: &str) -> Result<i64, String> {
    let start = (text.len() == 10).then(|| rfc3339_ms(&format!("{text}T00:00:00Z"))).flatten();
    start.ok_or_else(|| "must be a day such as 2026-11-22".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a whole number with s, m or h, such as 90s".to_owned();
    let (number, secs) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(secs).filter(|&secs| secs > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// Runs until a signal or the given time ends it.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut log = Config::default().log;
    log.level = "warn".into();
    telemetry::start_log(&log).map_err(Failure::run)?;
    let exposition = Exposition::install().map_err(Failure::run)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::run(format!("start the runtime: {error}")))?;
    let outcome = runtime.block_on(work(args, exposition));
    runtime.shutdown_background();
    outcome
}

async fn work(args: Args, exposition: Exposition) -> Result<(), Failure> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::run(format!("listen for signals: {error}")))?;
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let people = http::bind(address(args.port), "--port").await.map_err(Failure::run)?;
    let operations = http::bind(address(args.metrics_port), "--metrics-port").await.map_err(Failure::run)?;
    let addresses = [people.local_addr(), operations.local_addr()];
    let [Ok(page), Ok(metrics)] = addresses else {
        return Err(Failure::run("ask for the listeners' addresses: the system does not know them"));
    };

    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let start_ms = args.start_ms(now_ms);
    let feed = demo::feed(start_ms);
    let labels = feed.labels();
    let clock = Clock::scaled(start_ms, args.speed);
    let mut demo = demo::start(feed, clock, args.speed).map_err(Failure::run)?;

    let (stop, stopped) = watch::channel(false);
    let Pipeline { view, fleet, workers, .. } = &demo.pipeline;
    let page_and_api = http::people(Arc::clone(view), fleet.clone(), Arc::clone(workers), demo.ready());
    let metrics_page = http::operations(exposition, demo.ready());
    tokio::spawn(http::serve(operations, metrics_page, Guard::operations(), stopped.clone()));
    tokio::spawn(http::serve(people, page_and_api, Guard::open(), stopped));
    say(&welcome(&args, page, metrics, &labels, now_ms));

    let lasts = async {
        match args.lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = lasts => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        failure = demo.failed() => return Err(Failure::run(format!("run the demo: {failure}"))),
    }
    stop.send_replace(true);
    end(demo).await
}

async fn end(demo: Demo) -> Result<(), Failure> {
    let queries = demo.pipeline.view.snapshot().queries_total;
    let ended = demo.stop().await;
    let megabytes = ended.delivered_bytes as f64 / 1e6;
    let entries = ended.entries;
    say(&format!("\nended: {queries} queries counted, {megabytes:.0} MB of records delivered in {entries} entries\n"));
    if ended.released { Ok(()) } else { Err(Failure::run("end the demo: the leases were not released in time")) }
}

/// What to look at, and when.
fn welcome(args: &Args, page: SocketAddr, metrics: SocketAddr, labels: &[Label], now_ms: i64) -> String {
    let start_ms = args.start_ms(now_ms);
    let minutes = 24.0 * 60.0 / args.speed;
    let mut text = format!(
        "Zonewatch demo: a made-up day of eight hosted zones, {} times as fast as real time ({minutes:.1} minutes).\n\n  \
         status page   http://{page}/\n  metrics       http://{metrics}/metrics\n\n\
         What goes wrong, and when it is on the page:\n",
        args.speed
    );
    for label in labels {
        let wall_secs = |ms: i64| ms as f64 / args.speed / 1000.0;
        let (begins, lasts) = (wall_secs(label.start_ms - start_ms), wall_secs(label.end_ms - label.start_ms));
        let at = clock_time(now_ms + (begins * 1000.0) as i64);
        let (kind, zone) = (label.kind.as_str(), &label.zone);
        let _ = writeln!(
            text,
            "  in {:>8}  {at} UTC  for {lasts:>5.1} s  {kind:<16}  {zone}: {}",
            minutes_and_seconds(begins),
            sign(label.kind)
        );
    }
    text + "\nCtrl-C ends it.\n"
}

/// What an incident looks like on the page.
fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::RandomSubdomain => "NXDOMAIN and distinct names shoot up",
        Kind::TrafficSpike => "many more of the usual queries",
        Kind::TrafficDrop => "queries fall to nothing",
        Kind::ErrorSurge => "SERVFAIL instead of answers",
        Kind::Enumeration => "NXDOMAIN rises: somebody tries a word list",
        Kind::Tunnel => "distinct names rise, and TXT",
        Kind::Amplification => "ANY, TXT and DNSKEY rise",
        Kind::ResolverConcentration | Kind::EdgeShift | Kind::NewNetwork => "as many queries, from elsewhere",
    }
}

/// `4:07`.
fn minutes_and_seconds(secs: f64) -> String {
    let secs = secs.round() as u64;
    format!("{}:{:02} min", secs / 60, secs % 60)
}

/// `14:03:12` of a time since 1970.
fn clock_time(ms: i64) -> String {
    let secs = ms.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
}

/// Says it on standard output; a closed pipe ends nothing.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_speeds_are_read_or_refused() {
        let secs = |text| duration(text).map(|time| time.as_secs());
        assert_eq!([secs("90"), secs("90s"), secs("5m"), secs("1h")], [Ok(90), Ok(90), Ok(300), Ok(3_600)]);
        for wrong in ["", "s", "0", "-1s", "1.5m", "5d", "99999999999999999999h", "5é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!((speed("300"), speed("1.5")), (Ok(300.0), Ok(1.5)));
        assert_eq!(day("2026-11-22"), Ok(1_795_305_600_000));
        for wrong in ["2026-11-31", "2026-11-2", "22.11.2026", "today"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-3", "NaN", "inf", "fast", "5001"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_welcome_says_where_and_when_to_look() {
        let args = Args { port: 0, metrics_port: 0, speed: 300.0, day: None, lasts: None };
        // 12:00:00 of some day; the day that is played began at midnight.
        let now_ms = 1_795_305_600_000 + DAY_MS / 2;
        let feed = demo::feed(now_ms - DAY_MS / 2);
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let text = welcome(&args, address(81), address(82), &feed.labels(), now_ms);
        assert!(text.contains("http://127.0.0.1:81/\n") && text.contains("http://127.0.0.1:82/metrics"), "{text}");
        // The day's flood begins at 09:30, which is 114 s after the start at this speed, and lasts 20 minutes.
        assert!(text.contains("in 1:54 min  12:01:54 UTC  for   4.0 s  random_subdomain"), "{text}");
    }
}
