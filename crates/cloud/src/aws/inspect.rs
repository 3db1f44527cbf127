//! What `doctor` asks of the services: what is there, and which actions are allowed. Nothing here changes anything.
//!
//! An action that writes is tried with a write that can't take effect. Answers are plain values; what they mean is not
//! judged here.

use super::failure::sort;
use super::row::text;
use super::{Clients, Logs};
use crate::Error;
use aws_sdk_dynamodb::types::{KeyType, KeysAndAttributes, TimeToLiveStatus};

const DESCRIBE_STREAM: &str = "kinesis:DescribeStreamSummary";
const DESCRIBE_TABLE: &str = "dynamodb:DescribeTable";
const DESCRIBE_EXPIRY: &str = "dynamodb:DescribeTimeToLive";
const PUT_ITEM: &str = "dynamodb:PutItem";
const UPDATE_ITEM: &str = "dynamodb:UpdateItem";
const DELETE_ITEM: &str = "dynamodb:DeleteItem";
const READ_BATCH: &str = "dynamodb:BatchGetItem";
const QUERY: &str = "dynamodb:Query";
const PUT_RECORDS: &str = "kinesis:PutRecords";
const PUT_BATCH: &str = "firehose:PutRecordBatch";
/// The key of the rows that are never written.
const PROBE: &str = "zonewatch-doctor";
/// No row fulfils it.
const NEVER: &str = "attribute_exists(#key) AND attribute_not_exists(#key)";

/// A Kinesis stream as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSummary {
    /// Its ARN.
    pub arn: String,
    /// `ACTIVE`, …
    pub status: String,
    /// `ON_DEMAND` or `PROVISIONED`.
    pub mode: String,
    /// How long records are kept.
    pub retention_hours: i32,
    /// Shards that take records.
    pub open_shards: i32,
    /// `KMS` or `NONE`.
    pub encryption: String,
}

/// A DynamoDB table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// `ACTIVE`, …
    pub status: String,
    /// The partition key's name.
    pub key: String,
    /// The sort key's name.
    pub sort_key: Option<String>,
    /// Secondary indexes: name and status.
    pub indexes: Vec<(String, String)>,
}

/// How an action that writes was found to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// The service went as far as it can without writing.
    Tried,
    /// The service refused the call for another reason than permission, which is told first by most services.
    Inferred(String),
}

/// The services, looked at.
#[derive(Debug, Clone)]
pub struct Inspect {
    clients: Clients,
    kinesis: aws_sdk_kinesis::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    firehose: aws_sdk_firehose::Client,
}

impl Inspect {
    pub(super) fn new(clients: Clients) -> Self {
        let config = &clients.patient;
        let kinesis = aws_sdk_kinesis::Client::new(config);
        let dynamodb = aws_sdk_dynamodb::Client::new(config);
        let firehose = aws_sdk_firehose::Client::new(config);
        Self { clients, kinesis, dynamodb, firehose }
    }

    /// CloudWatch Logs in a Region.
    pub fn logs(&self, region: &str) -> Logs {
        Logs::new(self.clients.patient.clone(), region, self.clients.partition())
    }

    /// A stream by name or ARN.
    pub async fn stream(&self, name: &str) -> Result<StreamSummary, Error> {
        let call = self.kinesis.describe_stream_summary();
        let call = if name.starts_with("arn:") { call.stream_arn(name) } else { call.stream_name(name) };
        let arn = self.clients.arn("kinesis", "stream/", name);
        let answer = call.send().await.map_err(|error| sort(DESCRIBE_STREAM, &arn, &error))?;
        let Some(summary) = answer.stream_description_summary else {
            return Err(nothing(DESCRIBE_STREAM, arn));
        };
        let mode =
            summary.stream_mode_details.map_or("PROVISIONED".into(), |mode| mode.stream_mode.as_str().to_owned());
        let encryption = summary.encryption_type.map_or("NONE".into(), |kind| kind.as_str().to_owned());
        Ok(StreamSummary {
            arn: summary.stream_arn,
            status: summary.stream_status.as_str().to_owned(),
            mode,
            retention_hours: summary.retention_period_hours,
            open_shards: summary.open_shard_count,
            encryption,
        })
    }

    /// A table by name.
    pub async fn table(&self, name: &str) -> Result<TableSummary, Error> {
        let arn = self.table_arn(name);
        let answer = self.dynamodb.describe_table().table_name(name).send().await;
        let answer = answer.map_err(|error| sort(DESCRIBE_TABLE, &arn, &error))?;
        let Some(table) = answer.table else { return Err(nothing(DESCRIBE_TABLE, arn)) };
        let key = |kind: &KeyType| {
            let parts = table.key_schema.iter().flatten();
            parts.clone().find(|part| part.key_type == *kind).map(|part| part.attribute_name.clone())
        };
        let index = |index: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
            let status = index.index_status.as_ref().map_or("unknown", |status| status.as_str());
            (index.index_name.clone().unwrap_or_default(), status.to_owned())
        };
        Ok(TableSummary {
            status: table.table_status.as_ref().map_or("unknown", |status| status.as_str()).to_owned(),
            key: key(&KeyType::Hash).unwrap_or_default(),
            sort_key: key(&KeyType::Range),
            indexes: table.global_secondary_indexes.iter().flatten().map(index).collect(),
        })
    }

    /// The attribute by which a table's rows expire; `None`: they do not.
    pub async fn expiry(&self, table: &str) -> Result<Option<String>, Error> {
        let answer = self.dynamodb.describe_time_to_live().table_name(table).send().await;
        let answer = answer.map_err(|error| sort(DESCRIBE_EXPIRY, &self.table_arn(table), &error))?;
        let expiry = answer.time_to_live_description.filter(|expiry| {
            matches!(expiry.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(expiry.and_then(|expiry| expiry.attribute_name))
    }

    /// Tries to put a row that can't be put.
    pub async fn try_put(&self, table: &str, key: &str) -> Result<Allowed, Error> {
        let call = self.dynamodb.put_item().table_name(table).item(key, text(PROBE)).condition_expression(NEVER);
        let answer = call.expression_attribute_names("#key", key).send().await;
        let refused = answer
            .as_ref()
            .err()
            .and_then(|error| error.as_service_error())
            .is_some_and(|error| error.is_conditional_check_failed_exception());
        self.tried(
            PUT_ITEM,
            table,
            refused,
            answer.map(|_| ()).map_err(|error| sort(PUT_ITEM, &self.table_arn(table), &error)),
        )
    }

    /// Tries to update a row that can't be there.
    pub async fn try_update(&self, table: &str, key: &str) -> Result<Allowed, Error> {
        let call = self.dynamodb.update_item().table_name(table).key(key, text(PROBE));
        let call = call.update_expression("SET #probe = :probe").condition_expression(NEVER);
        let call = call.expression_attribute_names("#key", key).expression_attribute_names("#probe", "probe");
        let answer = call.expression_attribute_values(":probe", text(PROBE)).send().await;
        let refused = answer
            .as_ref()
            .err()
            .and_then(|error| error.as_service_error())
            .is_some_and(|error| error.is_conditional_check_failed_exception());
        self.tried(
            UPDATE_ITEM,
            table,
            refused,
            answer.map(|_| ()).map_err(|error| sort(UPDATE_ITEM, &self.table_arn(table), &error)),
        )
    }

    /// Tries to delete a row that can't be there.
    pub async fn try_delete(&self, table: &str, key: &str) -> Result<Allowed, Error> {
        let call = self.dynamodb.delete_item().table_name(table).key(key, text(PROBE)).condition_expression(NEVER);
        let answer = call.expression_attribute_names("#key", key).send().await;
        let refused = answer
            .as_ref()
            .err()
            .and_then(|error| error.as_service_error())
            .is_some_and(|error| error.is_conditional_check_failed_exception());
        self.tried(
            DELETE_ITEM,
            table,
            refused,
            answer.map(|_| ()).map_err(|error| sort(DELETE_ITEM, &self.table_arn(table), &error)),
        )
    }

    /// Reads a batch of one row that is not there.
    pub async fn try_read_batch(&self, table: &str, key: &str) -> Result<Allowed, Error> {
        let probe = [(key.to_owned(), text(PROBE))].into();
        let keys = KeysAndAttributes::builder().keys(probe).build().expect("the keys are set");
        let answer = self.dynamodb.batch_get_item().request_items(table, keys).send().await;
        answer.map(|_| Allowed::Tried).map_err(|error| sort(READ_BATCH, &self.table_arn(table), &error))
    }

    /// Queries an index for rows whose key is one that no row has.
    pub async fn try_query(&self, table: &str, index: &str, key: &str) -> Result<Allowed, Error> {
        let call = self.dynamodb.query().table_name(table).index_name(index).key_condition_expression("#key = :key");
        let call = call.expression_attribute_names("#key", key).expression_attribute_values(":key", text(PROBE));
        let resource = format!("{}/index/{index}", self.table_arn(table));
        call.limit(1).send().await.map(|_| Allowed::Tried).map_err(|error| sort(QUERY, &resource, &error))
    }

    /// Tries to put a batch of nothing, which a delivery stream refuses.
    pub async fn try_deliver(&self, name: &str) -> Result<Allowed, Error> {
        let arn = self.clients.arn("firehose", "deliverystream/", name);
        let name = name.rsplit_once("deliverystream/").map_or(name, |(_, name)| name);
        let call = self.firehose.put_record_batch().delivery_stream_name(name).set_records(Some(Vec::new()));
        match call.send().await {
            Ok(_) => Ok(Allowed::Tried),
            Err(error) => inferred(sort(PUT_BATCH, &arn, &error)),
        }
    }

    /// Tries to put no records, which a stream refuses.
    pub async fn try_put_records(&self, stream: &str) -> Result<Allowed, Error> {
        let arn = self.clients.arn("kinesis", "stream/", stream);
        let call = self.kinesis.put_records().set_records(Some(Vec::new()));
        let call = if stream.starts_with("arn:") { call.stream_arn(stream) } else { call.stream_name(stream) };
        match call.send().await {
            Ok(_) => Ok(Allowed::Tried),
            Err(error) => inferred(sort(PUT_RECORDS, &arn, &error)),
        }
    }

    fn tried(
        &self,
        action: &'static str,
        table: &str,
        refused: bool,
        answer: Result<(), Error>,
    ) -> Result<Allowed, Error> {
        match answer {
            Err(_) if refused => Ok(Allowed::Tried),
            Err(error) => Err(error),
            Ok(()) => Err(Error::Invalid {
                action,
                resource: self.table_arn(table),
                message: format!("a condition that cannot hold was ignored; look for a row {PROBE} and delete it"),
            }),
        }
    }

    fn table_arn(&self, name: &str) -> String {
        self.clients.arn("dynamodb", "table/", name)
    }
}

/// What a refusal says of a call that could write nothing: only one that is allowed is looked at.
fn inferred(error: Error) -> Result<Allowed, Error> {
    match error {
        Error::Invalid { message, .. } => Ok(Allowed::Inferred(message)),
        error => Err(error),
    }
}

fn nothing(action: &'static str, resource: String) -> Error {
    Error::Invalid { action, resource, message: "the answer describes nothing".into() }
}
