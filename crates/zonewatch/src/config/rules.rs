//! Rules over several keys, and those that a range cannot say.

use super::{Compression, Config, Packing, Retrieval, StartPosition};
use crate::telemetry;

/// Kinesis' limit for a consumer's name.
const CONSUMER_CHARACTERS_MAX: usize = 128;

/// Keys whose values do not go together, each with what is wrong and what to do.
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut fault = |wrong: bool, key, message: &str| {
        if wrong {
            faults.push((key, message.to_owned()));
        }
    };
    let Config { records, quarantine, limits, http, .. } = config;
    reading(config, &mut fault);
    fault(
        records.packing == Packing::Single && records.compression == Compression::Gzip,
        "records.compression",
        "does not go with records.packing = \"single\": a destination that takes one document an entry does not inflate it",
    );
    let mut streams = records.delivery_streams.clone();
    streams.sort();
    streams.dedup();
    fault(
        streams.len() < records.delivery_streams.len(),
        "records.delivery_streams",
        "names a delivery stream twice: entries are spread over different ones",
    );
    fault(
        !quarantine.delivery_stream.is_empty() && quarantine.file.is_some(),
        "quarantine.file",
        "does not go with quarantine.delivery_stream: rejects are kept in one place",
    );
    fault(
        limits.epoch_bytes_max > limits.held_bytes_max / 2,
        "limits.epoch_bytes_max",
        "must be at most half of limits.held_bytes_max: one epoch is delivered while the next is read",
    );
    fault(
        http.operations == http.people && http.people.port() != 0,
        "http.people",
        "must be another address than http.operations",
    );
    if let Err(error) = telemetry::filter(&config.log.level) {
        faults.push(("log.level", format!("must be filter directives such as info or zonewatch=debug: {error}")));
    }
    faults
}

/// Where reading starts, and how shards are read.
fn reading(config: &Config, fault: &mut impl FnMut(bool, &'static str, &str)) {
    let Config { worker, source, .. } = config;
    let at_timestamp = source.start == StartPosition::AtTimestamp;
    fault(
        at_timestamp && source.start_at.is_empty(),
        "source.start_at",
        "is needed for source.start = \"AT_TIMESTAMP\": the time to start at",
    );
    fault(
        !at_timestamp && !source.start_at.is_empty(),
        "source.start_at",
        "says nothing unless source.start is \"AT_TIMESTAMP\": set that, or remove this",
    );
    let fan_out = source.retrieval == Retrieval::FanOut;
    fault(
        !fan_out && !source.consumer.is_empty(),
        "source.consumer",
        "says nothing unless source.retrieval is \"fan-out\": set that, or remove this",
    );
    fault(
        fan_out && source.consumer.is_empty() && worker.app.len() > CONSUMER_CHARACTERS_MAX,
        "source.consumer",
        "is needed: a consumer's name has at most 128 characters, and worker.app has more",
    );
    fault(
        source.idle_poll_ms < source.poll_ms,
        "source.idle_poll_ms",
        "must be at least source.poll_ms: an idle shard is not read more often than a busy one",
    );
}

/// What only `worker` needs.
pub fn worker_faults(config: &Config) -> Vec<String> {
    let stream = "source.stream (not set): is needed: the Kinesis stream with the query logs, a name or an ARN";
    let bucket = "detect.bucket (not set): is needed for detect.enabled: the S3 bucket for snapshots";
    let faults =
        [(config.source.stream.is_empty(), stream), (config.detect.enabled && config.detect.bucket.is_empty(), bucket)];
    faults.into_iter().filter(|(wrong, _)| *wrong).map(|(_, fault)| fault.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn faulty_keys(variables: &[(&str, &str)]) -> Vec<String> {
        let owned = variables.iter().map(|(name, text)| (format!("ZONEWATCH_{name}"), (*text).to_owned()));
        load(None, owned).err().map_or(Vec::new(), |faults| faults.0)
    }

    #[test]
    fn keys_that_do_not_go_together_are_faults() {
        for (variables, part) in [
            (vec![("SOURCE__START_AT", "2026-01-31T06:00:00Z")], "says nothing unless"),
            (vec![("SOURCE__POLL_MS", "2000")], "source.idle_poll_ms (not set): must be at least source.poll_ms"),
            (vec![("SOURCE__CONSUMER", "second")], "says nothing unless source.retrieval"),
            (
                vec![("SOURCE__RETRIEVAL", "fan-out"), ("WORKER__APP", "a".repeat(129).leak())],
                "source.consumer (not set): is needed",
            ),
            (
                vec![("RECORDS__PACKING", "single"), ("RECORDS__COMPRESSION", "gzip")],
                "does not go with records.packing",
            ),
            (vec![("RECORDS__DELIVERY_STREAMS", "a,b,a")], "names a delivery stream twice"),
            (vec![("QUARANTINE__FILE", "q"), ("QUARANTINE__DELIVERY_STREAM", "q")], "kept in one place"),
            (vec![("LIMITS__HELD_BYTES_MAX", "33554432"), ("LIMITS__EPOCH_BYTES_MAX", "33554432")], "at most half"),
            (vec![("HTTP__PEOPLE", "127.0.0.1:9464")], "another address"),
            (vec![("LOG__LEVEL", "zonewatch=loud")], "filter directives"),
        ] {
            let faults = faulty_keys(&variables);
            assert!(faults.len() == 1 && faults[0].contains(part), "{variables:?}: {faults:?}");
        }
        assert_eq!(
            faulty_keys(&[("SOURCE__START", "AT_TIMESTAMP"), ("SOURCE__START_AT", "2026-01-31T06:00:00Z")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_worker_needs_a_stream() {
        let mut config = Config::default();
        assert!(worker_faults(&config)[0].starts_with("source.stream (not set): "));
        config.source.stream = "logs".into();
        assert_eq!(worker_faults(&config), Vec::<String>::new());
        config.detect.enabled = true;
        assert!(worker_faults(&config)[0].starts_with("detect.bucket (not set): "));
    }
}
