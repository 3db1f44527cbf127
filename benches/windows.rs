//! `cargo bench --bench windows`: what DETECT makes of epochs, and how large that is.
//!
//! `rate merged_zone_panes` is decoded messages applied, zone-panes a CPU second of one core; `rate judged_zone_panes` the same
//! with all that a rollup shard's task makes of them: windows of every length, judged when they close and while they are open.
//! `bytes` lines are sizes: of a pane on the rollup stream, and of a snapshot by zone. Rates move with the machine; sizes do not.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use detect::detector::{Detector, Judging};
use detect::message::{Constants, Header, Message};
use detect::rollup::Settings;
use detect::snapshot::Snapshot;
use detect::summary::Summary;
use detect::{Asked, Pane, Sequence, Tally};
use dnslog::{QueryType, ResponseCode, Transport};
use std::hint::black_box;
use zonewatch_benches::clock::thread_cpu_ns;
use zonewatch_benches::machine;

/// Who asks, and for how long: zones, source shards, epochs.
#[derive(Clone, Copy)]
struct Load {
    zones: u32,
    shards: u128,
    epochs: i64,
}

/// A minute of many zones: none of their windows closes.
const MANY: Load = Load { zones: 200, shards: 10, epochs: 12 };
/// Half an hour of a few. After the first windows have closed there is one that closes for each that opens.
const LONG: Load = Load { zones: 12, shards: 4, epochs: 360 };
/// Queries of a zone in an epoch of a shard.
const QUERIES: u32 = 60;
const START_MS: i64 = 1_794_819_700_000;

fn main() {
    for fact in machine::facts() {
        println!("machine {fact}");
    }
    sizes();
    merging();
    judging();
}

/// A query of a quiet zone, or of a random-subdomain flood.
fn add(tally: &mut Tally, number: u32, names: u32) {
    let spread = number.wrapping_mul(0x9e37_79b1);
    let name = format!("host-{:06x}", spread % names);
    tally.add(&Asked {
        zone: "example.com",
        relative_name: &name,
        query_type: QueryType::A,
        response_code: ResponseCode::NoError,
        transport: Transport::Udp,
        edge: "FRA56-C1",
        source_ip: Some([192, 0, (spread >> 16) as u8, (spread >> 8) as u8 % 8].into()),
        longest_label: name.len() as u8,
        entropy_millibits: 3_000,
        event_id: "",
    });
}

fn sizes() {
    for (kind, queries, names) in [
        ("single", 1, 1),
        ("few", 5, 5),
        ("some", 25, 10),
        ("quiet", 200, 20),
        ("busy", 2_000, 200),
        ("attacked", 20_000, u32::MAX),
    ] {
        let mut tally = Tally::default();
        (0..queries).for_each(|number| add(&mut tally, number, names));
        let mut out = Vec::new();
        tally.encode(&mut out);
        println!("bytes pane_{kind} {} on the stream, {} in memory", out.len(), tally.bytes());
    }
}

fn header(constants: Constants, shards: u128, shard: u128, epoch: i64) -> Header {
    let width = u128::MAX / shards;
    let end = if shard + 1 == shards { u128::MAX } else { (shard + 1) * width - 1 };
    Header {
        constants,
        shard: format!("shardId-{shard:012}").into(),
        hash_range: shard * width..=end,
        parents: Vec::new(),
        after: Sequence::parse(&epoch.to_string()).filter(|_| epoch > 0),
        through: Sequence::parse(&(epoch + 1).to_string()),
        time_ms: START_MS + 5_000 * (epoch + 1),
        hole_ms: None,
        end: false,
    }
}

/// Messages as they stand on the rollup stream: each shard has queries of every zone, some of the pane before.
fn messages(constants: Constants, load: Load) -> Vec<(u16, i64, Vec<u8>)> {
    let Load { zones, shards, epochs } = load;
    let mut messages = Vec::new();
    for (epoch, shard) in (0..epochs).flat_map(|epoch| (0..shards).map(move |shard| (epoch, shard))) {
        let header = header(constants, shards, shard, epoch);
        let mut summary = Summary::<Tally>::new(constants);
        for zone in 0..zones {
            for number in 0..QUERIES {
                let time_ms = header.time_ms - i64::from(number % 3) * 5_000;
                if let Some(tally) = summary.pane(&format!("Z{zone:013}"), time_ms, header.time_ms) {
                    add(tally, number + zone * 1_000 + shard as u32 * 7, 200);
                }
            }
        }
        let put = summary.messages(&header).into_iter();
        messages.extend(put.map(|message| (message.group, header.time_ms, message.encode())));
    }
    messages
}

fn merging() {
    let constants = Constants::default();
    let messages = messages(constants, MANY);
    let mut rates = Vec::new();
    let mut bytes = 0;
    for _ in 0..5 {
        let mut states = Snapshot::<Tally>::new(Settings::new(constants));
        let (mut panes, begun) = (0, thread_cpu_ns());
        for (group, arrival_ms, bytes) in &messages {
            let message = Message::<Tally>::decode(bytes).expect("it was encoded");
            panes += zone_panes(&message);
            black_box(states.group(*group).apply(message, *arrival_ms).expect("it is sound"));
        }
        rates.push(panes as f64 * 1e9 / (thread_cpu_ns() - begun) as f64);
        bytes = states.encode().len();
    }
    rates.sort_by(f64::total_cmp);
    println!("rate merged_zone_panes {:.0}", rates[rates.len() / 2]);
    println!("bytes snapshot {} a zone of {} open panes", bytes / MANY.zones as usize, MANY.epochs / 2 + 1);
}

fn zone_panes(message: &Message<Tally>) -> usize {
    message.zones.values().map(|zone| zone.panes.len()).sum()
}

fn judging() {
    let constants = Constants::default();
    let messages = messages(constants, LONG);
    let judging = Judging::default();
    let mut rates = Vec::new();
    let mut closed = 0;
    for _ in 0..5 {
        let mut detector = Detector::new(Settings::new(constants));
        closed = 0;
        let (mut panes, mut spent_ns) = (0, 0);
        for (_, arrival_ms, bytes) in &messages {
            let begun = thread_cpu_ns();
            let message = Message::<Tally>::decode(bytes).expect("it was encoded");
            let counted = zone_panes(&message);
            let outcome = black_box(detector.apply(message, *arrival_ms, &judging).expect("it is sound"));
            closed += outcome.windows.len();
            // Until then nothing is judged but what is open.
            if closed > 0 {
                panes += counted;
                spent_ns += thread_cpu_ns() - begun;
            }
        }
        rates.push(panes as f64 * 1e9 / spent_ns as f64);
    }
    assert!(closed > 0, "no window was judged, so the rate would say nothing");
    rates.sort_by(f64::total_cmp);
    println!("rate judged_zone_panes {:.0}", rates[rates.len() / 2]);
    println!("count windows {closed}");
}
