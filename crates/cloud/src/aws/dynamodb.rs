//! The lease table in DynamoDB, by the conditional writes that KCL 3 makes (`DynamoDBLeaseRefresher`).
//!
//! Each write is one request that the SDK does not repeat: a reply that is lost is an unknown fate, and the caller reads
//! the row. A refusal carries the row as it is.

use super::change::Change;
use super::failure::sort;
use super::row::{self, Item, text};
use crate::{Call, Create, Error, Scan, Unreadable, WriteError};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ReturnValue, ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableDescription, TableStatus,
};
use lease::{Lease, ShardId, WorkerId, Write};
use std::time::Duration;

const DESCRIBE: &str = "dynamodb:DescribeTable";
const CREATE: &str = "dynamodb:CreateTable";
const SCAN: &str = "dynamodb:Scan";
const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";
const UPDATE: &str = "dynamodb:UpdateItem";
/// KCL's index of leases by owner. We do not read it, but a KCL worker would wait for it, so a new table has it.
const OWNER_INDEX: &str = "LeaseOwnerToLeaseKeyIndex";
/// A table is there within seconds; after this something is wrong.
const CREATE_TIMEOUT: Duration = Duration::from_secs(120);
const CREATE_POLL: Duration = Duration::from_millis(500);

/// The lease table.
#[derive(Debug, Clone)]
pub struct LeaseTable {
    patient: Client,
    once: Client,
    name: String,
    arn: String,
}

impl LeaseTable {
    pub(super) fn new(patient: Client, once: Client, name: &str, arn: String) -> Self {
        Self { patient, once, name: name.to_owned(), arn }
    }

    fn invalid(&self, action: &'static str, message: String) -> Error {
        Error::Invalid { action, resource: self.arn.clone(), message }
    }

    /// The lease in an item that is known to be one.
    fn lease(&self, action: &'static str, item: &Item) -> Result<Lease, Error> {
        let parsed = row::parse(item).map_err(|message| self.invalid(action, message))?;
        parsed.ok_or_else(|| {
            self.invalid(action, "the row is not a lease; give the lease table a name of its own".into())
        })
    }

    async fn ensure_table(&self, create: Create) -> Result<(), Error> {
        let give_up = tokio::time::Instant::now() + CREATE_TIMEOUT;
        let mut asked = false;
        loop {
            match self.describe().await {
                Ok(table) => {
                    self.check_key(&table)?;
                    if table.table_status == Some(TableStatus::Active) {
                        return Ok(());
                    }
                }
                Err(Error::Missing { .. }) if create == Create::IfMissing && !asked => {
                    self.create().await?;
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

    async fn describe(&self) -> Result<TableDescription, Error> {
        let call = self.patient.describe_table().table_name(&self.name);
        let answer = call.send().await.map_err(|error| sort(DESCRIBE, &self.arn, &error))?;
        answer.table.ok_or_else(|| self.invalid(DESCRIBE, "the answer describes no table".into()))
    }

    fn check_key(&self, table: &TableDescription) -> Result<(), Error> {
        let key: Vec<_> = table.key_schema().iter().map(|part| (part.attribute_name(), part.key_type())).collect();
        let text_key = table.attribute_definitions().iter().any(|attribute| {
            attribute.attribute_name() == row::KEY && *attribute.attribute_type() == ScalarAttributeType::S
        });
        if key == [(row::KEY, &KeyType::Hash)] && text_key {
            return Ok(());
        }
        let names: Vec<_> = key.iter().map(|(name, _)| *name).collect();
        Err(self.invalid(
            DESCRIBE,
            format!(
                "the table's key is ({}), a lease table's is {} (a text) alone; name another table",
                names.join(", "),
                row::KEY
            ),
        ))
    }

    async fn create(&self) -> Result<(), Error> {
        let call = lease_table(self.patient.create_table().table_name(&self.name))
            .map_err(|error| self.invalid(CREATE, error.to_string()))?;
        match call.send().await {
            Ok(_) => Ok(()),
            // Another worker was faster.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => Ok(()),
            Err(error) => Err(sort(CREATE, &self.arn, &error)),
        }
    }

    async fn scan_pages(&self) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        let mut from = None;
        loop {
            // Consistent: who finds no row for a shard's parent believes that it is done with, and reads the child. A
            // scan of an old replica could show a child's row and not yet its parent's, which was made before.
            let call = self.patient.scan().table_name(&self.name).consistent_read(true).set_exclusive_start_key(from);
            let page = call.send().await.map_err(|error| sort(SCAN, &self.arn, &error))?;
            for item in page.items.unwrap_or_default() {
                match row::parse(&item) {
                    Ok(lease) => scan.leases.extend(lease),
                    Err(message) => {
                        let error = self.invalid(SCAN, message);
                        let Some(key) = row::key(&item) else { return Err(error) };
                        scan.unreadable.push(Unreadable { key, error });
                    }
                }
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(scan);
            }
        }
    }

    async fn get_item(&self, key: &ShardId) -> Result<Option<Lease>, Error> {
        let call = self.patient.get_item().table_name(&self.name).key(row::KEY, text(key.as_str()));
        let answer = call.consistent_read(true).send().await.map_err(|error| sort(GET, &self.arn, &error))?;
        answer.item.map(|item| self.lease(GET, &item)).transpose()
    }

    async fn send(&self, write: &Write) -> Result<Lease, WriteError> {
        match write {
            Write::Create(lease) => self.put(lease).await,
            Write::Take { key, counter, from, owner, start_ms, anew } => {
                let mut change = Change::take(*counter, from.as_ref(), owner, *start_ms);
                if *anew {
                    change.begin_anew();
                }
                self.update(key, change).await
            }
            Write::Renew { key, counter } => self.update(key, Change::renew(*counter)).await,
            Write::Commit { key, counter, commit } => self.update(key, Change::commit(*counter, commit)).await,
            Write::Reset { key, counter, to, start_ms } => {
                // No expression can put the greater of two checkpoints into an attribute, so the row is looked at first:
                // as long as its counter stands, so does its checkpoint.
                let row = self.get_item(key).await?;
                let Ok(after) = write.apply(row.as_ref()) else {
                    return Err(WriteError::Refused(row.map(Box::new)));
                };
                self.update(key, Change::reset(*counter, to, *start_ms, after.floor.as_ref())).await
            }
        }
    }

    async fn put(&self, lease: &Lease) -> Result<Lease, WriteError> {
        let answer = self
            .once
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row::item(lease)))
            .condition_expression("attribute_not_exists(#leaseKey)")
            .expression_attribute_names("#leaseKey", row::KEY)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(lease.clone()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Err(self.refused(PUT, refused.item.as_ref()))
                }
                _ => Err(sort(PUT, &self.arn, &error).into()),
            },
        }
    }

    async fn update(&self, key: &ShardId, change: Change) -> Result<Lease, WriteError> {
        let answer = self
            .once
            .update_item()
            .table_name(&self.name)
            .key(row::KEY, text(key.as_str()))
            .update_expression(change.update())
            .condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(self.lease(UPDATE, &answer.attributes.unwrap_or_default())?),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Err(self.refused(UPDATE, refused.item.as_ref()))
                }
                _ => Err(sort(UPDATE, &self.arn, &error).into()),
            },
        }
    }

    fn refused(&self, action: &'static str, item: Option<&Item>) -> WriteError {
        match item.filter(|item| !item.is_empty()).map(|item| self.lease(action, item)) {
            None => WriteError::Refused(None),
            Some(Ok(lease)) => WriteError::Refused(Some(Box::new(lease))),
            Some(Err(error)) => WriteError::Failed(error),
        }
    }
}

/// A lease table as KCL makes it, with its index from the start.
fn lease_table(call: CreateTableFluentBuilder) -> Result<CreateTableFluentBuilder, BuildError> {
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = GlobalSecondaryIndex::builder()
        .index_name(OWNER_INDEX)
        .key_schema(key(row::OWNER, KeyType::Hash)?)
        .key_schema(key(row::KEY, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    Ok(call
        .attribute_definitions(attribute(row::KEY)?)
        .attribute_definitions(attribute(row::OWNER)?)
        .key_schema(key(row::KEY, KeyType::Hash)?)
        .global_secondary_indexes(index)
        .billing_mode(BillingMode::PayPerRequest))
}

impl crate::LeaseTable for LeaseTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(self.ensure_table(create))
    }

    fn scan(&self) -> Call<'_, Result<Scan, Error>> {
        Box::pin(self.scan_pages())
    }

    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>> {
        Box::pin(async move {
            let rows = self.scan_pages().await?.leases;
            Ok(rows.into_iter().filter(|row| row.owner.as_ref() == Some(owner)).collect())
        })
    }

    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        Box::pin(self.get_item(key))
    }

    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        Box::pin(self.send(write))
    }
}
