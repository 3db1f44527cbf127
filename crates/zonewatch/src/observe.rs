//! The OBSERVE stage: what happens to a record between being read and being delivered.
//!
//! Read down: `observe` decodes a record, and for each query enriches it, counts it in the epoch's digest and appends
//! its line. Plain calls in one task, no channel between them; `shard_task` reads before and commits and delivers after.

use crate::config::{Config, Records};
use crate::filter::{Filter, LeftOut};
use crate::lines::Lines;
use crate::quarantine::{self, Kept};
use crate::telemetry::BOUNDS_SECS;
use cloud::Record;
use detect::message::Constants;
use detect::summary::Summary;
use detect::{Asked, Digest, Tally};
use dnslog::schema::{Place, Writer};
use dnslog::{BytesForm, Decoder, Enricher, Limits, Privacy, Query, Reason, Reference, Reject, Source, Veil, Visit};
use std::sync::Arc;

/// What the stage needs of the configuration. One for all tasks.
#[derive(Debug, Clone)]
pub struct Settings {
    limits: Limits,
    /// `None`: nobody takes records, so none are written.
    writer: Option<Writer>,
    filter: Filter,
    /// How much of an address anybody is to see; `None`: all.
    privacy: Option<Privacy>,
    region: String,
    /// Which events are late, and what windows are.
    constants: Constants,
    /// Whether anybody computes windows.
    windows: bool,
    seed: u64,
}

impl Settings {
    /// From the configuration. `region` is the source stream's; the seed makes cache slots unpredictable.
    pub fn new(config: &Config, region: &str, seed: u64) -> Self {
        let Records { schema, original, .. } = config.records;
        Self {
            limits: Limits {
                inflated_bytes_max: config.decode.inflated_bytes_max,
                events_max: config.decode.events_max,
            },
            writer: Some(Writer::new(schema, original)),
            filter: Filter::new(&config.records),
            privacy: Privacy::new(config.privacy.ipv4_prefix, config.privacy.ipv6_prefix),
            region: region.to_owned(),
            constants: Constants { lateness_ms: config.detect.lateness_secs * 1000, ..Constants::default() },
            windows: false,
            seed,
        }
    }

    /// The same, and what windows need is counted.
    pub fn with_windows(self) -> Self {
        Self { windows: true, ..self }
    }

    /// See the field.
    pub fn constants(&self) -> Constants {
        self.constants
    }

    /// The same, but without records: metrics and the digest only.
    pub fn without_records(self) -> Self {
        Self { writer: None, ..self }
    }

    /// What the quarantine keeps of a reject: nobody knows where in it an address is.
    fn kept(&self) -> Kept {
        if self.privacy.is_some() { Kept::Place } else { Kept::Bytes }
    }

    fn place<'a>(&'a self, shard: &'a str, record: &'a Record) -> Place<'a> {
        Place {
            shard,
            sequence_number: record.sequence.as_str(),
            arrival_ms: record.arrival_ms,
            region: &self.region,
            fallback_id: "",
        }
    }
}

/// What a run of records came to.
#[derive(Debug)]
pub struct Observed {
    /// Enriched records, for the records outlet.
    pub records: Lines,
    /// Rejects, for the quarantine.
    pub rejects: Lines,
    /// Counts by zone, for metrics and the status page.
    pub digest: Digest,
    /// Counts by zone and pane, if somebody computes windows.
    pub summary: Option<Summary<Tally>>,
    /// From the query's time to its record's arrival.
    pub arrival_delay: Delays,
    /// What was counted beside.
    pub counts: Counts,
}

/// Counters of a run of records.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Kinesis records.
    pub records: u64,
    /// Their bytes as read.
    pub bytes: u64,
    /// Their bytes inflated.
    pub inflated_bytes: u64,
    /// Sound queries.
    pub queries: u64,
    /// Control messages.
    pub controls: u64,
    /// Queries that were late at their record's arrival.
    pub late: u64,
    /// Rejects, by `Reason`'s place in `Reason::ALL`.
    pub rejects: Vec<u64>,
    /// Records left out, by `LeftOut`'s place in `LeftOut::ALL`.
    pub left_out: [u64; LeftOut::ALL.len()],
}

impl Counts {
    fn reject(&mut self, reason: Reason) {
        self.rejects.resize(Reason::ALL.len(), 0);
        self.rejects[reason as usize] += 1;
    }
}

/// What a digest holds for a zone of many names: the counts, a full sketch and the top names, of common length. Measured
/// rather than asked of the digest, which would have to look at every zone after every record.
const ZONE_BYTES: usize = 16 << 10;

impl Observed {
    /// Nothing yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            records: Lines::default(),
            rejects: Lines::default(),
            digest: Digest::new(detect::Limits::default(), settings.seed),
            summary: settings.windows.then(|| Summary::new(settings.constants)),
            arrival_delay: Delays::default(),
            counts: Counts::default(),
        }
    }

    /// Bytes that are held for delivery.
    pub fn bytes(&self) -> usize {
        self.records.len() + self.rejects.len()
    }

    /// All bytes that are held, for the budget, but for those of `summary`.
    pub fn held_bytes(&self) -> usize {
        self.bytes() + self.digest.zones().len() * ZONE_BYTES
    }
}

/// Delays as counts and sums by the histogram's buckets: exact in count, and nothing is shared or allocated for a query.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Delays {
    buckets: [(u64, i64); BOUNDS_SECS.len() + 1],
}

impl Delays {
    /// Counts one delay. Clocks of edges and stream differ, so it may be below zero; it then counts as zero.
    pub fn add(&mut self, delay_ms: i64) {
        let delay_ms = delay_ms.clamp(0, i64::from(u32::MAX));
        let seconds = delay_ms as f64 / 1000.0;
        let at = BOUNDS_SECS.partition_point(|&bound| bound < seconds);
        self.buckets[at].0 += 1;
        self.buckets[at].1 += delay_ms;
    }

    /// `(mean milliseconds, count)` of every bucket that is not empty: what a histogram has to be told. A mean lies in
    /// its own bucket.
    pub fn means(&self) -> impl Iterator<Item = (i64, u64)> {
        let counted = self.buckets.iter().filter(|(count, _)| *count > 0);
        counted.map(|&(count, sum_ms)| (sum_ms / count as i64, count))
    }
}

/// Runs the stage. It owns the buffers and caches that make a query cost no allocation; whoever has one may use it for
/// any shard.
pub struct Observer {
    settings: Arc<Settings>,
    decoder: Decoder,
    enricher: Enricher,
    writer: Option<Writer>,
    veil: Option<Veil>,
    reference: Arc<Reference>,
    fallback_id: String,
}

impl Observer {
    /// An observer over this reference data.
    pub fn new(settings: Arc<Settings>, reference: Arc<Reference>) -> Self {
        let decoder = Decoder::new(settings.limits);
        let enricher = Enricher::new(reference.clone(), settings.seed);
        let writer = settings.writer.clone();
        let veil = settings.privacy.map(Veil::new);
        Self { settings, decoder, enricher, writer, veil, reference, fallback_id: String::new() }
    }

    /// Takes new reference data, if it is other than the last.
    pub fn follow(&mut self, reference: &Arc<Reference>) {
        if !Arc::ptr_eq(&self.reference, reference) {
            self.reference = reference.clone();
            self.enricher.replace(reference.clone());
        }
    }

    /// Steps 2 to 4 for one record. It cannot fail: what can't be used becomes quarantine lines.
    pub fn observe(&mut self, shard: &str, record: &Record, observed: &mut Observed) {
        self.decode(shard, record, Arrival::Noted, observed);
    }

    /// The same for a record whose arrival nobody noted: each event arrives at the running maximum of event times, which
    /// is `record.arrival_ms` before and the answer after.
    pub fn observe_unstamped(&mut self, shard: &str, record: &Record, observed: &mut Observed) -> i64 {
        self.decode(shard, record, Arrival::RunningMaximum, observed)
    }

    /// Input that could not even become a record; `record.data` is what is left of it.
    pub fn reject(&mut self, shard: &str, record: &Record, reason: Reason, observed: &mut Observed) {
        observed.counts.reject(reason);
        observed.counts.bytes += record.data.len() as u64;
        let (bytes, form) = (record.data.as_ref(), BytesForm::Raw);
        let reject = Reject { reason, event_index: None, event_id: "", offset: 0, form, bytes };
        let (place, kept) = (self.settings.place(shard, record), self.settings.kept());
        quarantine::push(&mut observed.rejects, &Source::default(), &place, &reject, kept);
    }

    fn decode(&mut self, shard: &str, record: &Record, arrival: Arrival, observed: &mut Observed) -> i64 {
        let Self { settings, decoder, enricher, writer, veil, fallback_id, .. } = self;
        let place = settings.place(shard, record);
        let mut events = Events { settings, enricher, writer, veil, fallback_id, place, arrival, observed, index: 0 };
        let decoded = decoder.decode(&record.data, &mut events);
        let arrival_ms = events.place.arrival_ms;
        let counts = &mut observed.counts;
        counts.records += 1;
        counts.bytes += record.data.len() as u64;
        counts.inflated_bytes += decoded.inflated_bytes;
        arrival_ms
    }
}

/// When a record arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// When the stream says.
    Noted,
    /// At the latest event time so far.
    RunningMaximum,
}

/// Takes a record's events one by one while it is decoded.
struct Events<'a> {
    settings: &'a Settings,
    enricher: &'a mut Enricher,
    writer: &'a mut Option<Writer>,
    veil: &'a mut Option<Veil>,
    fallback_id: &'a mut String,
    place: Place<'a>,
    arrival: Arrival,
    observed: &'a mut Observed,
    /// Queries of this record so far: makes an id for events that have none.
    index: u32,
}

impl Visit for Events<'_> {
    fn query(&mut self, source: &Source<'_>, query: &Query<'_>) {
        let observed = &mut *self.observed;
        let facts = self.enricher.enrich(source, query);
        let original_bytes = query.original.as_bytes();
        // From here on nobody sees more of an address than is configured.
        let veiled = self.veil.as_mut().map(|veil| veil.over(query));
        let query = veiled.as_ref().unwrap_or(query);
        if self.arrival == Arrival::RunningMaximum {
            self.place.arrival_ms = self.place.arrival_ms.max(query.time_ms);
        }

        observed.counts.queries += 1;
        let delay_ms = self.place.arrival_ms - query.time_ms;
        observed.arrival_delay.add(delay_ms);
        observed.counts.late += u64::from(delay_ms > i64::from(self.settings.constants.lateness_ms));
        observed.digest.add(
            facts.zone_key,
            facts.zone,
            facts.name,
            query.query_type,
            query.response_code,
            query.time_ms,
        );
        if let Some(summary) = &mut observed.summary
            && let Some(tally) = summary.pane(facts.zone_key, query.time_ms, self.place.arrival_ms)
        {
            tally.add(&Asked::of(query, &facts));
        }

        let index = self.index;
        self.index += 1;
        let Some(writer) = self.writer.as_mut() else { return };
        if query.event_id.is_empty() {
            use std::fmt::Write;
            self.fallback_id.clear();
            write!(self.fallback_id, "{}/{}/{index}", self.place.shard, self.place.sequence_number)
                .expect("writing to a string does not fail");
        }
        let place = Place { fallback_id: self.fallback_id, ..self.place };
        let id = if query.event_id.is_empty() { place.fallback_id } else { query.event_id };
        if let Some(reason) = self.settings.filter.leaves_out(query, &facts, id) {
            observed.counts.left_out[reason as usize] += 1;
            return;
        }
        if observed.records.push_with(|out| writer.write(source, &place, query, &facts, out)).is_err() {
            // No destination takes it; the original can be replayed into one that does.
            let reject = Reject {
                reason: Reason::RecordTooLong,
                event_index: Some(index),
                event_id: query.event_id,
                offset: 0,
                form: BytesForm::Inflated,
                // Withheld if something is veiled; it is their number that must be right.
                bytes: original_bytes,
            };
            observed.counts.reject(reject.reason);
            quarantine::push(&mut observed.rejects, source, &self.place, &reject, self.settings.kept());
        }
    }

    fn reject(&mut self, source: &Source<'_>, reject: &Reject<'_>) {
        self.observed.counts.reject(reject.reason);
        quarantine::push(&mut self.observed.rejects, source, &self.place, reject, self.settings.kept());
    }

    fn control(&mut self, _source: &Source<'_>) {
        self.observed.counts.controls += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lease::SequenceNumber;

    const LINE: &str = "1.0 2017-12-13T08:16:02.130Z Z123412341234 www.example.com A NOERROR UDP FRA6 192.168.1.1 -";

    fn record(data: String) -> Record {
        let sequence = SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898").unwrap();
        Record { sequence, arrival_ms: 1_513_152_962_130 + 2_000, data: data.into() }
    }

    fn observe(config: &Config, data: String) -> Observed {
        let settings = Arc::new(Settings::new(config, "us-east-1", 1));
        let mut observed = Observed::new(&settings);
        Observer::new(settings, Arc::default()).observe("shardId-000000000000", &record(data), &mut observed);
        observed
    }

    #[test]
    fn a_record_becomes_lines_rejects_and_counts() {
        let observed = observe(&Config::default(), format!("{LINE}\nrubbish\n{LINE}\n"));
        assert_eq!((observed.records.count(), observed.rejects.count()), (2, 1));
        assert_eq!((observed.counts.queries, observed.counts.records, observed.counts.late), (2, 1, 0));
        assert_eq!(observed.counts.rejects.iter().sum::<u64>(), 1);
        assert_eq!(observed.arrival_delay.means().collect::<Vec<_>>(), [(2_000, 2)]);
        let text = String::from_utf8(observed.records.text()).unwrap();
        assert!(text.lines().all(|line| line.contains("www.example.com")), "{text}");
        let ids =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"]["id"].clone());
        let ids = ids.collect::<Vec<_>>();
        assert_ne!(ids[0], ids[1], "events without an id are told apart by their place");
    }

    #[test]
    fn the_filter_counts_what_it_leaves_out() {
        let mut config = Config::default();
        config.records.types = vec!["AAAA".into()];
        let observed = observe(&config, LINE.into());
        assert_eq!((observed.records.count(), observed.counts.queries), (0, 1));
        assert_eq!(observed.counts.left_out, [0, 1, 0, 0]);
        config.records.types = vec!["aaaa".into(), "a".into()];
        config.records.zones = vec!["Z123412341234".into()];
        assert_eq!(observe(&config, LINE.into()).records.count(), 1);
        config.records.response_codes = vec!["NXDOMAIN".into()];
        assert_eq!(observe(&config, LINE.into()).counts.left_out, [0, 0, 1, 0]);
    }

    #[test]
    fn a_record_that_is_too_long_is_rejected_with_its_length_whatever_is_veiled() {
        let answer = r#"{"Rdata":"192.0.2.1","Type":"A","Class":"IN"}"#;
        let resolver = format!(
            r#"{{"version":"1.100000","account_id":"111122223333","region":"us-east-1","vpc_id":"vpc-1","query_timestamp":"2026-11-22T10:00:00Z","query_name":"example.org.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{}],"srcaddr":"192.0.2.77","srcport":"36692","transport":"UDP","srcids":{{}}}}"#,
            vec![answer; 20_000].join(",")
        );
        let mut config = Config::default();
        for ipv4_prefix in [32, 24] {
            config.privacy.ipv4_prefix = ipv4_prefix;
            let observed = observe(&config, format!("{resolver}\n"));
            assert_eq!(observed.counts.rejects[Reason::RecordTooLong as usize], 1);
            let text = String::from_utf8(observed.rejects.text()).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<quarantine::Line<'_>>(line).unwrap());
            let lines: Vec<_> = lines.collect();
            let withheld: Vec<_> = lines.iter().map(|line| line.withheld_bytes).collect();
            match ipv4_prefix {
                24 => assert_eq!(withheld, [Some(resolver.len())]),
                _ => assert!(withheld.len() > 1 && withheld.iter().all(Option::is_none), "all of it: {withheld:?}"),
            }
        }
    }

    #[test]
    fn without_a_taker_nothing_is_written_but_all_is_counted() {
        let settings = Arc::new(Settings::new(&Config::default(), "us-east-1", 1).without_records());
        let mut observed = Observed::new(&settings);
        Observer::new(settings, Arc::default()).observe("s", &record(LINE.into()), &mut observed);
        assert_eq!((observed.records.count(), observed.counts.queries), (0, 1));
    }

    #[test]
    fn the_digest_counts_in_what_is_held() {
        let lines = (0..100_000).map(|at| {
            let (zone, name) = (at % 50, at / 50);
            LINE.replace("Z123412341234", &format!("Z{zone}")).replace("www", &format!("host-{name}.internal")) + "\n"
        });
        let observed = observe(&Config::default(), lines.collect());
        let (counted, heap) = (observed.held_bytes() - observed.bytes(), observed.digest.heap_bytes());
        assert!((heap..3 * heap).contains(&counted), "{counted} bytes counted for {heap}");
    }

    #[test]
    fn delays_keep_count_and_sum() {
        let mut delays = Delays::default();
        for delay_ms in [-5_000, 0, 99, 2_000, 2_400, 10_000_000] {
            delays.add(delay_ms);
        }
        let means = delays.means().collect::<Vec<_>>();
        assert_eq!(means, [(33, 3), (2_200, 2), (10_000_000, 1)]);
    }
}
