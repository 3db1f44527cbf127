//! Traffic put to a Kinesis stream when it would arrive.

use super::{Done, Failure, Run};
use crate::clock::Clock;
use bytes::Bytes;
use cloud::aws::Clients;
use cloud::{Entry, Error, Stream, limits};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;
use traffic::Payload;

/// How often what is due is put, and the event time of a step that does not wait.
const STEP: Duration = Duration::from_millis(200);
const UNPACED_STEP_MS: i64 = 10_000;
/// Pauses before a refused put is tried again: from the first, doubled up to the last.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Tries without any progress before it is given up: over two minutes.
const TRIES_MAX: u32 = 32;
/// Tries without any progress before it is said why nothing happens: a few seconds, longer than a limit bites.
const TRIES_IN_SILENCE: u32 = 6;

/// Puts the run to the stream of this name.
pub fn to_stream(name: &str, speed: f64, run: Run) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::run(format!("start the runtime: {error}")))?;
    let done = runtime.block_on(async {
        let clients = Clients::from_env().await?;
        put_all(&clients.stream(name), speed, run, &mut |error| {
            // Nobody reads it if standard error is closed.
            let _ = writeln!(std::io::stderr(), "zonewatch: {error}; trying again for two minutes");
        })
        .await
    });
    done.map_err(|error| Failure::run(error.to_string()))
}

/// `tell` hears of an error that lasts, while it is still tried.
async fn put_all(stream: &dyn Stream, speed: f64, mut run: Run, tell: &mut dyn FnMut(&Error)) -> Result<Done, Error> {
    let mut done = Done::default();
    let clock = Clock::scaled(run.start_ms(), speed);
    let mut now_ms = run.start_ms();
    while !run.is_over(now_ms) {
        if speed > 0.0 {
            tokio::time::sleep(STEP).await;
            now_ms = clock.now_ms();
        } else {
            now_ms += UNPACED_STEP_MS;
        }
        put_payloads(stream, &run.payloads(now_ms), &mut done, tell).await?;
    }
    put_payloads(stream, &run.rest(), &mut done, tell).await?;
    Ok(done)
}

async fn put_payloads(
    stream: &dyn Stream,
    payloads: &[Payload],
    done: &mut Done,
    tell: &mut dyn FnMut(&Error),
) -> Result<(), Error> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for payload in payloads {
        let entry = Entry {
            partition_key: payload.partition_key.clone(),
            hash_key: None,
            data: Bytes::copy_from_slice(&payload.data),
        };
        let entry_bytes = entry.data.len() + entry.partition_key.len();
        if batch.len() == limits::PUT_ENTRIES_MAX || bytes + entry_bytes > limits::PUT_BYTES_MAX {
            put_batch(stream, std::mem::take(&mut batch), tell).await?;
            bytes = 0;
        }
        bytes += entry_bytes;
        batch.push(entry);
        done.count(payload);
    }
    put_batch(stream, batch, tell).await
}

/// Puts a batch until every entry is taken. Only what was refused is put again; after a lost answer all of it is, so a
/// record may be there twice, as CloudWatch's own may.
async fn put_batch(stream: &dyn Stream, mut batch: Vec<Entry>, tell: &mut dyn FnMut(&Error)) -> Result<(), Error> {
    let (mut pause, mut tries) = (PAUSE_MIN, 0);
    while !batch.is_empty() {
        let length = batch.len();
        let (mut error, mut wait) = (None, pause);
        match stream.put(&batch).await {
            Ok(refused) => {
                let refused: BTreeSet<usize> = refused.iter().map(|refused| refused.index).collect();
                let entries = std::mem::take(&mut batch).into_iter().enumerate();
                batch = entries.filter(|(index, _)| refused.contains(index)).map(|(_, entry)| entry).collect();
            }
            Err(lasting) if lasting.is_lasting() => return Err(lasting),
            Err(passing) => {
                if let Error::Throttled { retry_after, .. } = &passing {
                    wait = wait.max(*retry_after);
                }
                error = Some(passing);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        (pause, tries) = if batch.len() < length { (PAUSE_MIN, 0) } else { ((pause * 2).min(PAUSE_MAX), tries + 1) };
        let error = error.unwrap_or_else(|| Error::Throttled {
            action: "kinesis:PutRecords",
            resource: stream.name().to_owned(),
            retry_after: PAUSE_MAX,
        });
        if tries == TRIES_IN_SILENCE {
            tell(&error);
        }
        if tries >= TRIES_MAX {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::traffic::tests::run_of;
    use cloud::faulty::{Faulty, Rates};
    use cloud::{Start, memory};
    use std::collections::HashSet;
    use std::sync::Arc;

    async fn data_of(stream: &dyn Stream) -> HashSet<Vec<u8>> {
        let mut found = HashSet::new();
        for shard in stream.shards().await.unwrap() {
            let cursor = stream.cursor(&shard.id, &Start::TrimHorizon).await.unwrap();
            let batch = stream.read(&shard.id, &cursor, 10_000).await.unwrap();
            found.extend(batch.records.into_iter().map(|record| record.data.to_vec()));
        }
        found
    }

    #[tokio::test(start_paused = true)]
    async fn every_record_is_put_whatever_is_refused_or_lost() {
        let mut expected = run_of("--seconds 120 --rate 300");
        let until_ms = expected.start_ms() + 120_000;
        let mut payloads = expected.payloads(until_ms);
        payloads.extend(expected.rest());
        assert!(payloads.len() > 1_000, "{}", payloads.len());

        let stream = Arc::new(memory::Stream::new("dns-logs", 2, Arc::new(|| 0)));
        let rates = Rates { lost_call: 0.2, lost_reply: 0.1, throttled: 0.2, refused_entry: 0.3, ..Rates::none() };
        let faulty = Faulty::new(Arc::clone(&stream), rates, 4);
        let done = put_all(&faulty, 0.0, run_of("--seconds 120 --rate 300"), &mut |_| ()).await.unwrap();
        assert_eq!(done.records, payloads.len() as u64);
        let put = data_of(&*stream).await;
        assert!(payloads.iter().all(|payload| put.contains(&payload.data)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_always_refuses_is_given_up() {
        let stream = Arc::new(memory::Stream::new("dns-logs", 1, Arc::new(|| 0)));
        let faulty = Faulty::new(stream, Rates { refused_entry: 1.0, ..Rates::none() }, 4);
        let mut told = Vec::new();
        let started = tokio::time::Instant::now();
        let mut tell = |error: &Error| told.push((error.to_string(), started.elapsed() < Duration::from_secs(10)));
        let error = put_all(&faulty, 0.0, run_of("--seconds 10"), &mut tell).await.unwrap_err();
        assert_eq!(told, [(error.to_string(), true)], "said once, and soon");
        assert!(matches!(error, Error::Throttled { action: "kinesis:PutRecords", .. }), "{error}");
    }
}
