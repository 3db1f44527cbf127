//! A DynamoDB table as ours are: made once, with one text as its key, read by the page or by the batch.
//!
//! It knows no row. What it sends may be sent again, so the SDK does; writes are not here.

use super::failure::sort;
use super::row::{Item, text};
use crate::{Create, Error, limits};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes, ScalarAttributeType,
    TableDescription, TableStatus,
};
use std::collections::BTreeSet;
use std::time::Duration;

const DESCRIBE: &str = "dynamodb:DescribeTable";
const CREATE: &str = "dynamodb:CreateTable";
const SCAN: &str = "dynamodb:Scan";
const READ: &str = "dynamodb:BatchGetItem";
/// A table is there within seconds; after this something is wrong.
const CREATE_TIMEOUT: Duration = Duration::from_secs(120);
const CREATE_POLL: Duration = Duration::from_millis(500);
/// The pause before keys are asked for again that a batch left out; doubled as long as it answers none of them, ...
const UNPROCESSED_PAUSE: Duration = Duration::from_millis(50);
/// ... and beyond this the table has no capacity for us: the caller decides.
const UNPROCESSED_PAUSE_MAX: Duration = Duration::from_millis(400);

/// What is more than a key about a new table (an index).
pub(super) type Addition = fn(CreateTableFluentBuilder) -> Result<CreateTableFluentBuilder, BuildError>;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) patient: Client,
    pub(super) name: String,
    pub(super) arn: String,
    /// What kind it is, for messages: `a lease table`.
    pub(super) kind: &'static str,
    /// The attribute that is its key.
    pub(super) key: &'static str,
}

impl Table {
    /// Makes sure that the table is there and has the right key; whether this call made it.
    pub(super) async fn ensure(&self, create: Create, addition: Addition) -> Result<bool, Error> {
        let give_up = tokio::time::Instant::now() + CREATE_TIMEOUT;
        let mut asked = false;
        loop {
            match self.describe().await {
                Ok(table) => {
                    self.check_key(&table)?;
                    if table.table_status == Some(TableStatus::Active) {
                        return Ok(asked);
                    }
                }
                Err(Error::Missing { .. }) if create == Create::IfMissing && !asked => {
                    self.create(addition).await?;
                    asked = true;
                    continue;
                }
                // A new table may not be seen for a moment.
                Err(Error::Missing { .. }) if asked => {}
                Err(error) => return Err(error),
            }
            if tokio::time::Instant::now() >= give_up {
                let message = format!("the table is not ACTIVE after {} s", CREATE_TIMEOUT.as_secs());
                return Err(Error::Unavailable { action: DESCRIBE, resource: self.arn.clone(), message });
            }
            tokio::time::sleep(CREATE_POLL).await;
        }
    }

    /// Shows every item of every page to `each`, until it fails. `call` says how to scan.
    pub(super) async fn scan(
        &self,
        call: ScanFluentBuilder,
        mut each: impl FnMut(Item) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let call = call.table_name(&self.name);
        let mut from = None;
        loop {
            let page = call.clone().set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| sort(SCAN, &self.arn, &error))?;
            page.items.unwrap_or_default().into_iter().try_for_each(&mut each)?;
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// The items with these keys, consistently and in any order; those that are not there are left out.
    pub(super) async fn rows(&self, keys: impl IntoIterator<Item = &str>) -> Result<Vec<Item>, Error> {
        // A batch may name a key only once.
        let keys: Vec<&str> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = Vec::new();
        for batch in keys.chunks(limits::READ_MEMBERS_MAX) {
            self.read_batch(batch, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_batch(&self, keys: &[&str], found: &mut Vec<Item>) -> Result<(), Error> {
        let mut left: Vec<Item> = keys.iter().map(|key| [(self.key.to_owned(), text(key))].into()).collect();
        let mut pause = UNPROCESSED_PAUSE;
        loop {
            let asked = left.len();
            let keys = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let keys = keys.expect("the keys are set");
            let answer = self.patient.batch_get_item().request_items(&self.name, keys).send().await;
            let answer = answer.map_err(|error| sort(READ, &self.arn, &error))?;
            // One table was asked for, so whatever its name is in the answer, all of it is of that.
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, rows)| rows));
            left = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, left)| left.keys).collect();
            if left.is_empty() {
                return Ok(());
            }
            pause = if left.len() < asked { UNPROCESSED_PAUSE } else { pause * 2 };
            if pause > UNPROCESSED_PAUSE_MAX {
                return Err(Error::Throttled { action: READ, resource: self.arn.clone(), retry_after: pause });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// An error that says what is wrong with the table or its answer.
    pub(super) fn invalid(&self, action: &'static str, message: String) -> Error {
        Error::Invalid { action, resource: self.arn.clone(), message }
    }

    async fn describe(&self) -> Result<TableDescription, Error> {
        let call = self.patient.describe_table().table_name(&self.name);
        let answer = call.send().await.map_err(|error| sort(DESCRIBE, &self.arn, &error))?;
        answer.table.ok_or_else(|| self.invalid(DESCRIBE, "the answer describes no table".into()))
    }

    fn check_key(&self, table: &TableDescription) -> Result<(), Error> {
        let key: Vec<_> = table.key_schema().iter().map(|part| (part.attribute_name(), part.key_type())).collect();
        let text_key = table.attribute_definitions().iter().any(|attribute| {
            attribute.attribute_name() == self.key && *attribute.attribute_type() == ScalarAttributeType::S
        });
        if key == [(self.key, &KeyType::Hash)] && text_key {
            return Ok(());
        }
        let names: Vec<_> = key.iter().map(|(name, _)| *name).collect();
        Err(self.invalid(
            DESCRIBE,
            format!(
                "the table's key is ({}), {} has {} (a text) alone; name another table",
                names.join(", "),
                self.kind,
                self.key
            ),
        ))
    }

    async fn create(&self, addition: Addition) -> Result<(), Error> {
        let wrong = |error: BuildError| self.invalid(CREATE, error.to_string());
        let call = self.patient.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        let call = call.attribute_definitions(text_attribute(self.key).map_err(wrong)?);
        let call = call.key_schema(key(self.key, KeyType::Hash).map_err(wrong)?);
        match addition(call).map_err(wrong)?.send().await {
            Ok(_) => Ok(()),
            // Another worker was faster.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => Ok(()),
            Err(error) => Err(sort(CREATE, &self.arn, &error)),
        }
    }
}

/// The definition of an attribute of type S.
pub(super) fn text_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
}

/// A part of a key.
pub(super) fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}
