//! Enhanced fan-out: a registered consumer, and shards that push their records to it.

use super::failure::{sort, sort_event};
use super::kinesis::{Stream, behind, is_in_future};
use crate::{Batch, Call, Consumer, Cursor, Error, Start, Subscription};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::primitives::event_stream::EventReceiver;
use aws_sdk_kinesis::types::builders::StartingPositionBuilder;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{
    self, ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
    SubscribeToShardEventStream as Event,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lease::{Shard, ShardId};
use std::time::Duration;

const DESCRIBE_STREAM_SUMMARY: &str = "kinesis:DescribeStreamSummary";
const DESCRIBE_STREAM_CONSUMER: &str = "kinesis:DescribeStreamConsumer";
const REGISTER_STREAM_CONSUMER: &str = "kinesis:RegisterStreamConsumer";
const SUBSCRIBE_TO_SHARD: &str = "kinesis:SubscribeToShard";

/// Until Kinesis has answered with the first bytes of an event stream, its own beginning included.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// A new consumer is active within seconds. It may be asked for 20 times a second, by all of its workers together.
const CONSUMER_PERIOD: Duration = Duration::from_secs(1);
const CONSUMER_LOOKS: u32 = 30;

impl Stream {
    /// Looks before it registers: nearly always somebody has, and then the role needs no right to.
    pub(super) async fn registered(&self, name: &str) -> Result<Consumer, Error> {
        let stream_arn = self.found_arn().await?;
        for _ in 0..CONSUMER_LOOKS {
            match self.consumer(&stream_arn, name).await? {
                Some((consumer, ConsumerStatus::Active)) => return Ok(consumer),
                // Being made, or being removed.
                Some(_) => tokio::time::sleep(CONSUMER_PERIOD).await,
                None => self.make_consumer(&stream_arn, name).await?,
            }
        }
        let message = format!("consumer {name} is not active after {CONSUMER_LOOKS} looks");
        Err(Error::Unavailable { action: DESCRIBE_STREAM_CONSUMER, resource: stream_arn, message })
    }

    async fn consumer(&self, stream_arn: &str, name: &str) -> Result<Option<(Consumer, ConsumerStatus)>, Error> {
        let call = self.patient.describe_stream_consumer().stream_arn(stream_arn).consumer_name(name);
        match call.send().await {
            Ok(answer) => {
                Ok(answer.consumer_description.map(|found| (Consumer(found.consumer_arn), found.consumer_status)))
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(sort(DESCRIBE_STREAM_CONSUMER, stream_arn, &error)),
        }
    }

    async fn make_consumer(&self, stream_arn: &str, name: &str) -> Result<(), Error> {
        let call = self.once.register_stream_consumer().stream_arn(stream_arn).consumer_name(name);
        match call.send().await {
            Ok(_) => Ok(()),
            // Another worker was first.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(sort(REGISTER_STREAM_CONSUMER, stream_arn, &error)),
        }
    }

    /// The stream's ARN: consumers are not found by a stream's name.
    async fn found_arn(&self) -> Result<String, Error> {
        if let Some(arn) = self.stream_arn() {
            return Ok(arn);
        }
        let call = self.patient.describe_stream_summary().set_stream_name(self.stream_name());
        let answer = call.send().await.map_err(|error| sort(DESCRIBE_STREAM_SUMMARY, &self.arn, &error))?;
        let found = answer.stream_description_summary.map(|stream| stream.stream_arn);
        found.ok_or_else(|| self.unusable(DESCRIBE_STREAM_SUMMARY, "no stream"))
    }

    pub(super) async fn subscribed(
        &self,
        consumer: &Consumer,
        shard: &ShardId,
        start: &Start,
    ) -> Result<Box<dyn Subscription>, Error> {
        // A connection of its own: streams of one HTTP/2 connection share a window of 5 MB, and three that nobody reads
        // for want of room would keep all others from theirs.
        let settings = self.once.config().to_builder().http_client(super::connections());
        let client = Client::from_conf(settings.build());
        let call = client.subscribe_to_shard().consumer_arn(&consumer.0).shard_id(shard.as_str());
        let latest = call.clone().starting_position(position(&Start::Latest));
        let call = call.starting_position(position(start));
        // The client's own time-out ends with the answer's head, which is right for what follows it.
        let sent = tokio::time::timeout(SUBSCRIBE_TIMEOUT, async {
            match call.send().await {
                Err(error) if is_in_future(start, &error) => latest.send().await,
                answer => answer,
            }
        });
        let Ok(answer) = sent.await else {
            let message = format!("no answer within {} s", SUBSCRIBE_TIMEOUT.as_secs());
            return Err(Error::Unavailable { action: SUBSCRIBE_TO_SHARD, resource: consumer.0.clone(), message });
        };
        let answer = answer.map_err(|error| sort(SUBSCRIBE_TO_SHARD, &consumer.0, &error))?;
        let events = Some(answer.event_stream);
        Ok(Box::new(Subscribed { stream: self.clone(), _client: client, consumer: consumer.clone(), events }))
    }

    fn event(&self, event: SubscribeToShardEvent) -> Result<Batch, Error> {
        let action = SUBSCRIBE_TO_SHARD;
        let records = event.records.into_iter().map(|record| self.record(action, record));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let children = event.child_shards.unwrap_or_default();
        // Kinesis names the children in the last event, where nothing continues. Emulators name them as soon as the
        // shard is closed, with all that is still to come, and then end it with an event that has no record.
        let ended = event.continuation_sequence_number.is_empty() || (records.is_empty() && !children.is_empty());
        let children = if ended { children } else { Vec::new() };
        let children = children.iter().map(|child: &types::ChildShard| self.child(action, child));
        Ok(Batch {
            records,
            behind: behind(event.millis_behind_latest),
            next: (!ended).then_some(Cursor(event.continuation_sequence_number)),
            children: children.collect::<Result<Vec<Shard>, Error>>()?,
        })
    }
}

fn position(start: &Start) -> StartingPosition {
    let at = |kind| StartingPositionBuilder::default().r#type(kind);
    let position = match start {
        Start::TrimHorizon => at(ShardIteratorType::TrimHorizon),
        Start::Latest => at(ShardIteratorType::Latest),
        Start::AtTimestamp(time_ms) => {
            at(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis((*time_ms).max(0)))
        }
        Start::At(sequence) => at(ShardIteratorType::AtSequenceNumber).sequence_number(sequence.as_str()),
        Start::After(sequence) => at(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence.as_str()),
    };
    position.build().expect("its kind is set")
}

/// The code of an error that comes as an event.
fn code(error: &SubscribeToShardEventStreamError) -> &'static str {
    use SubscribeToShardEventStreamError as Said;
    match error {
        Said::ResourceNotFoundException(_) => "ResourceNotFoundException",
        Said::ResourceInUseException(_) => "ResourceInUseException",
        Said::KmsDisabledException(_) => "KMSDisabledException",
        Said::KmsInvalidStateException(_) => "KMSInvalidStateException",
        Said::KmsAccessDeniedException(_) => "KMSAccessDeniedException",
        Said::KmsNotFoundException(_) => "KMSNotFoundException",
        Said::KmsOptInRequired(_) => "KMSOptInRequired",
        Said::KmsThrottlingException(_) => "KMSThrottlingException",
        Said::InternalFailureException(_) => "InternalFailureException",
        _ => "no code",
    }
}

/// A subscription under way.
struct Subscribed {
    stream: Stream,
    /// Its connection lives as long as it does.
    _client: Client,
    consumer: Consumer,
    /// Gone after an error or the last event.
    events: Option<EventReceiver<Event, SubscribeToShardEventStreamError>>,
}

impl Subscribed {
    async fn receive(&mut self) -> Option<Result<Batch, Error>> {
        loop {
            let received = self.events.as_mut()?.recv().await;
            let said = match received {
                Ok(Some(Event::SubscribeToShardEvent(event))) => self.stream.event(event),
                // A kind of event that is newer than this program.
                Ok(Some(_)) => continue,
                Ok(None) => {
                    self.events = None;
                    return None;
                }
                Err(error) => Err(sort_event(SUBSCRIBE_TO_SHARD, &self.consumer.0, &error, code)),
            };
            if said.as_ref().is_ok_and(|batch| batch.next.is_some()) {
                return Some(said);
            }
            self.events = None;
            return Some(said);
        }
    }
}

impl Subscription for Subscribed {
    fn next(&mut self) -> Call<'_, Option<Result<Batch, Error>>> {
        Box::pin(self.receive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::error::{ResourceInUseException, ResourceNotFoundException};
    use aws_smithy_runtime_api::client::result::SdkError;
    use aws_smithy_types::event_stream::{Message, RawMessage};

    fn sorted(said: SubscribeToShardEventStreamError) -> Error {
        // As event streams carry them: the message has no code.
        let raw = RawMessage::Decoded(Message::new("{}"));
        sort_event(SUBSCRIBE_TO_SHARD, "arn", &SdkError::service_error(said, raw), code)
    }

    /// What an event with a record or none, with or without children and something to go on with, is read as: whether the
    /// shard goes on, and how many children it names.
    async fn read(record: bool, children: bool, goes_on: bool) -> (bool, usize) {
        let clients = super::super::Clients::for_emulator("http://127.0.0.1:1").await.unwrap();
        let mut event = SubscribeToShardEvent::builder().millis_behind_latest(0);
        event = event.set_records(Some(Vec::new())).continuation_sequence_number(if goes_on { "7" } else { "" });
        if record {
            let record = types::Record::builder().sequence_number("6").partition_key("k").data(Blob::new("x"));
            event = event.records(record.approximate_arrival_timestamp(DateTime::from_secs(1)).build().unwrap());
        }
        if children {
            let range = types::HashKeyRange::builder().starting_hash_key("0").ending_hash_key("9").build().unwrap();
            let child = types::ChildShard::builder().shard_id("child").parent_shards("parent").hash_key_range(range);
            event = event.child_shards(child.build().unwrap());
        }
        let batch = clients.stream("queries").event(event.build().unwrap()).unwrap();
        assert_eq!(batch.records.len(), usize::from(record));
        (batch.next.is_some(), batch.children.len())
    }

    #[tokio::test]
    async fn a_shard_ends_where_nothing_continues_and_not_at_its_childrens_names() {
        assert_eq!(read(false, false, true).await, (true, 0), "nothing came");
        assert_eq!(read(true, false, true).await, (true, 0));
        assert_eq!(read(true, true, false).await, (false, 1), "the last event of Kinesis");
        assert_eq!(read(false, true, false).await, (false, 1));
        assert_eq!(read(true, true, true).await, (true, 0), "closed, with more to come");
        assert_eq!(read(false, true, true).await, (false, 1), "closed, with no more to come");
    }

    #[test]
    fn an_error_that_comes_as_an_event_finds_its_reaction() {
        let taken_over = ResourceInUseException::builder().message("another one subscribed").build();
        let taken_over = sorted(SubscribeToShardEventStreamError::ResourceInUseException(taken_over));
        assert!(matches!(taken_over, Error::Throttled { .. }), "{taken_over:?}");
        let gone = ResourceNotFoundException::builder().message("no such consumer").build();
        let gone = sorted(SubscribeToShardEventStreamError::ResourceNotFoundException(gone));
        assert!(matches!(gone, Error::Missing { .. }), "{gone:?}");
        let unknown = sorted(SubscribeToShardEventStreamError::unhandled("a new one"));
        assert!(matches!(unknown, Error::Unavailable { .. }), "{unknown:?}");
    }
}
