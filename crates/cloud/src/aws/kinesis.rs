//! Kinesis Data Streams.

use super::failure::sort;
use crate::{Batch, Call, Consumer, Create, Cursor, Entry, Error, Record, Refused, Start, Subscription, limits};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{self, PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;
use lease::{HashRange, SequenceNumber, Shard, ShardId};
use std::time::Duration;

const DESCRIBE: &str = "kinesis:DescribeStreamSummary";
const CREATE: &str = "kinesis:CreateStream";
const LIST_SHARDS: &str = "kinesis:ListShards";
const GET_SHARD_ITERATOR: &str = "kinesis:GetShardIterator";
const GET_RECORDS: &str = "kinesis:GetRecords";
const PUT_RECORDS: &str = "kinesis:PutRecords";

/// A stream is made within half a minute.
const CREATE_TIMEOUT: Duration = Duration::from_secs(120);
const CREATE_POLL: Duration = Duration::from_millis(500);

/// A Kinesis stream.
#[derive(Debug, Clone)]
pub struct Stream {
    pub(super) patient: Client,
    pub(super) once: Client,
    /// As configured: a name or an ARN.
    name: String,
    pub(super) arn: String,
}

impl Stream {
    pub(super) fn new(patient: Client, once: Client, name: &str, arn: String) -> Self {
        Self { patient, once, name: name.to_owned(), arn }
    }

    /// The stream's name, where it was not given as an ARN.
    pub(super) fn stream_name(&self) -> Option<String> {
        (!self.name.starts_with("arn:")).then(|| self.name.clone())
    }

    pub(super) fn stream_arn(&self) -> Option<String> {
        self.name.starts_with("arn:").then(|| self.name.clone())
    }

    pub(super) fn unusable(&self, action: &'static str, what: &str) -> Error {
        Error::Invalid { action, resource: self.arn.clone(), message: format!("the answer cannot be used: {what}") }
    }

    async fn ready(&self, create: Create) -> Result<Duration, Error> {
        let give_up = tokio::time::Instant::now() + CREATE_TIMEOUT;
        let mut asked = false;
        loop {
            match self.retention().await {
                Ok(Some(retention)) => return Ok(retention),
                Ok(None) => {}
                Err(Error::Missing { .. }) if !asked && create == Create::IfMissing => {
                    self.create().await?;
                    asked = true;
                }
                // A new stream may not be seen for a moment.
                Err(Error::Missing { .. }) if asked => {}
                Err(error) => return Err(error),
            }
            if tokio::time::Instant::now() >= give_up {
                let message = format!("the stream is not ACTIVE after {} s", CREATE_TIMEOUT.as_secs());
                return Err(Error::Unavailable { action: DESCRIBE, resource: self.arn.clone(), message });
            }
            tokio::time::sleep(CREATE_POLL).await;
        }
    }

    /// How long the stream keeps records; `None` while it is being made.
    async fn retention(&self) -> Result<Option<Duration>, Error> {
        let call = self.patient.describe_stream_summary();
        let call = call.set_stream_name(self.stream_name()).set_stream_arn(self.stream_arn());
        let answer = call.send().await.map_err(|error| sort(DESCRIBE, &self.arn, &error))?;
        let summary = answer.stream_description_summary;
        let summary = summary.ok_or_else(|| self.unusable(DESCRIBE, "it describes nothing"))?;
        // A stream that is being resharded or deleted can still be read.
        let creating = summary.stream_status == types::StreamStatus::Creating;
        let hours = u64::try_from(summary.retention_period_hours).unwrap_or(0);
        Ok((!creating).then(|| Duration::from_secs(hours * 3600)))
    }

    async fn create(&self) -> Result<(), Error> {
        let Some(name) = self.stream_name() else {
            let message = "a stream that is named by its ARN is not made; create it, or give its name".to_owned();
            return Err(Error::Missing { action: CREATE, resource: self.arn.clone(), message });
        };
        let mode = types::StreamModeDetails::builder().stream_mode(types::StreamMode::Provisioned).build();
        let mode = mode.map_err(|error| self.unusable(CREATE, &error.to_string()))?;
        let call = self.patient.create_stream().stream_name(name).shard_count(1).stream_mode_details(mode);
        match call.send().await {
            Ok(_) => Ok(()),
            // Another worker was first.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(sort(CREATE, &self.arn, &error)),
        }
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, Error> {
        let mut shards = Vec::new();
        let mut page_token: Option<String> = None;
        loop {
            let call = self.patient.list_shards();
            // A page token stands for the stream; Kinesis refuses both.
            let call = match page_token {
                Some(token) => call.next_token(token),
                None => call.set_stream_name(self.stream_name()).set_stream_arn(self.stream_arn()),
            };
            let page = call.send().await.map_err(|error| sort(LIST_SHARDS, &self.arn, &error))?;
            for shard in page.shards.unwrap_or_default() {
                shards.push(self.listed(&shard)?);
            }
            page_token = page.next_token;
            if page_token.is_none() {
                return Ok(shards);
            }
        }
    }

    fn listed(&self, shard: &types::Shard) -> Result<Shard, Error> {
        let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
        let ending = shard.sequence_number_range().and_then(|range| range.ending_sequence_number());
        let ended_at = match ending {
            Some(text) => Some(self.sequence(LIST_SHARDS, text)?),
            None => None,
        };
        let starting = shard.sequence_number_range().map(|range| range.starting_sequence_number());
        Ok(Shard {
            id: ShardId::new(shard.shard_id()),
            parents: parents.into_iter().flatten().map(ShardId::new).collect(),
            hash_range: self.hash_range(LIST_SHARDS, shard.hash_key_range())?,
            starts_at: starting.and_then(SequenceNumber::parse),
            ended_at,
        })
    }

    pub(super) fn child(&self, action: &'static str, shard: &types::ChildShard) -> Result<Shard, Error> {
        Ok(Shard {
            id: ShardId::new(shard.shard_id()),
            parents: shard.parent_shards().iter().map(|parent| ShardId::new(parent)).collect(),
            hash_range: self.hash_range(action, shard.hash_key_range())?,
            starts_at: None,
            ended_at: None,
        })
    }

    fn hash_range(&self, action: &'static str, range: Option<&types::HashKeyRange>) -> Result<HashRange, Error> {
        range
            .and_then(|range| {
                Some(HashRange {
                    start: range.starting_hash_key().parse().ok()?,
                    end: range.ending_hash_key().parse().ok()?,
                })
            })
            .ok_or_else(|| self.unusable(action, "a shard without a hash key range"))
    }

    fn sequence(&self, action: &'static str, text: &str) -> Result<SequenceNumber, Error> {
        SequenceNumber::parse(text).ok_or_else(|| self.unusable(action, &format!("sequence number {text:?}")))
    }

    async fn iterator(&self, shard: &ShardId, start: &Start) -> Result<Cursor, Error> {
        let call = self
            .patient
            .get_shard_iterator()
            .set_stream_name(self.stream_name())
            .set_stream_arn(self.stream_arn())
            .shard_id(shard.as_str());
        let latest = call.clone().shard_iterator_type(ShardIteratorType::Latest);
        let call = match start {
            Start::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Start::Latest => latest.clone(),
            Start::AtTimestamp(time_ms) => call
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis((*time_ms).max(0))),
            Start::At(sequence) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(sequence.as_str()),
            Start::After(sequence) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence.as_str()),
        };
        let mut answer = call.send().await;
        if answer.as_ref().is_err_and(|error| is_in_future(start, error)) {
            answer = latest.send().await;
        }
        let answer = answer.map_err(|error| sort(GET_SHARD_ITERATOR, &self.arn, &error))?;
        answer.shard_iterator.map(Cursor).ok_or_else(|| self.unusable(GET_SHARD_ITERATOR, "no iterator"))
    }

    async fn get_records(&self, cursor: &Cursor, records_max: u32) -> Result<Batch, Error> {
        let limit = records_max.clamp(1, limits::READ_RECORDS_MAX) as i32;
        let answer = self
            .once
            .get_records()
            .shard_iterator(&cursor.0)
            .set_stream_arn(self.stream_arn())
            .limit(limit)
            .send()
            .await
            .map_err(|error| sort(GET_RECORDS, &self.arn, &error))?;
        let records = answer.records.into_iter().map(|record| self.record(GET_RECORDS, record));
        let records = records.collect::<Result<_, _>>()?;
        let next = answer.next_shard_iterator.map(Cursor);
        let children = match next {
            Some(_) => Vec::new(),
            None => answer
                .child_shards
                .unwrap_or_default()
                .iter()
                .map(|child| self.child(GET_RECORDS, child))
                .collect::<Result<_, _>>()?,
        };
        Ok(Batch { records, behind: behind(answer.millis_behind_latest.unwrap_or(0)), next, children })
    }

    pub(super) fn record(&self, action: &'static str, record: types::Record) -> Result<Record, Error> {
        let arrival_ms = record
            .approximate_arrival_timestamp
            .and_then(nearest_ms)
            .ok_or_else(|| self.unusable(action, "a record without an arrival time"))?;
        Ok(Record {
            sequence: self.sequence(action, &record.sequence_number)?,
            arrival_ms,
            data: Bytes::from(record.data.into_inner()),
        })
    }

    async fn put_records(&self, entries: &[Entry]) -> Result<Vec<Refused>, Error> {
        let invalid = |message: String| Error::Invalid { action: PUT_RECORDS, resource: self.arn.clone(), message };
        limits::check_put(entries).map_err(invalid)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let record = PutRecordsRequestEntry::builder()
                .partition_key(&entry.partition_key)
                .set_explicit_hash_key(entry.hash_key.map(|key| key.to_string()))
                .data(Blob::new(entry.data.clone()))
                .build()
                .map_err(|error| invalid(error.to_string()))?;
            records.push(record);
        }
        let answer = self
            .once
            .put_records()
            .set_stream_name(self.stream_name())
            .set_stream_arn(self.stream_arn())
            .set_records(Some(records))
            .send()
            .await
            .map_err(|error| sort(PUT_RECORDS, &self.arn, &error))?;
        if answer.records.len() != entries.len() {
            let message = format!("{} results for {} entries", answer.records.len(), entries.len());
            return Err(Error::Unavailable { action: PUT_RECORDS, resource: self.arn.clone(), message });
        }
        let results = answer.records.into_iter().enumerate();
        Ok(results.filter_map(|(index, result)| Some(Refused { index, code: result.error_code? })).collect())
    }
}

/// Kinesis refuses a time in its future. What comes next is then the same place, and Kinesis' clock is the one that arrival
/// times come from, so ours is not asked.
pub(super) fn is_in_future(start: &Start, error: &dyn ProvideErrorMetadata) -> bool {
    matches!(start, Start::AtTimestamp(_)) && error.code() == Some("InvalidArgumentException")
}

/// How far behind the tip Kinesis says that we are.
pub(super) fn behind(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Times travel as seconds with a fraction, which a double holds a little too low as often as too high.
fn nearest_ms(time: DateTime) -> Option<i64> {
    i64::try_from((time.as_nanos() + 500_000).div_euclid(1_000_000)).ok()
}

impl crate::Stream for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<Duration, Error>> {
        Box::pin(self.ready(create))
    }

    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>> {
        Box::pin(self.list_shards())
    }

    fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>> {
        Box::pin(self.iterator(shard, start))
    }

    fn read<'a>(&'a self, _shard: &'a ShardId, cursor: &'a Cursor, records_max: u32) -> Call<'a, Result<Batch, Error>> {
        Box::pin(self.get_records(cursor, records_max))
    }

    fn register<'a>(&'a self, consumer: &'a str) -> Call<'a, Result<Consumer, Error>> {
        Box::pin(self.registered(consumer))
    }

    fn subscribe<'a>(
        &'a self,
        consumer: &'a Consumer,
        shard: &'a ShardId,
        start: &'a Start,
    ) -> Call<'a, Result<Box<dyn Subscription>, Error>> {
        Box::pin(self.subscribed(consumer, shard, start))
    }

    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(self.put_records(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_a_double_holds_too_low_is_not_cut() {
        assert_eq!(nearest_ms(DateTime::from_secs_f64(1_795_344_255.953)), Some(1_795_344_255_953));
        assert!((0..1000).all(|ms| nearest_ms(DateTime::from_secs_f64(1e9 + f64::from(ms) / 1000.0))
            == Some(1_000_000_000_000 + i64::from(ms))));
    }
}
