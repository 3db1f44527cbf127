//! The lease table in DynamoDB, by the conditional writes that KCL 3 makes (`DynamoDBLeaseRefresher`).
//!
//! Each write is one request that the SDK does not repeat: a reply that is lost is an unknown fate, and the caller reads
//! the row. A refusal carries the row as it is.

use super::change::Change;
use super::failure::sort;
use super::row::{self, Item, text};
use super::table::{Table, key, text_attribute};
use crate::{Call, Create, Error, Scan, Unreadable, WriteError};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    GlobalSecondaryIndex, KeyType, Projection, ProjectionType, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lease::{Lease, ShardId, WorkerId, Write};

const SCAN: &str = "dynamodb:Scan";
const QUERY: &str = "dynamodb:Query";
const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";
const UPDATE: &str = "dynamodb:UpdateItem";
/// KCL's index of leases by owner. A KCL worker would wait for it, so a new table has it.
const OWNER_INDEX: &str = "LeaseOwnerToLeaseKeyIndex";
/// Where KCL up to 3.4 keeps its workers' metrics, beside the lease table.
const LEGACY_SUFFIX: &str = "-WorkerMetricStats";

/// The lease table.
#[derive(Debug, Clone)]
pub struct LeaseTable {
    table: Table,
    once: Client,
    legacy: Table,
}

impl LeaseTable {
    pub(super) fn new(patient: Client, once: Client, name: &str, arn: String) -> Self {
        let table = Table { patient, name: name.to_owned(), arn, kind: "a lease table", key: row::KEY };
        let legacy = Table {
            name: format!("{name}{LEGACY_SUFFIX}"),
            arn: format!("{}{LEGACY_SUFFIX}", table.arn),
            kind: "KCL's table of worker metrics",
            key: row::LEGACY_WORKER,
            ..table.clone()
        };
        Self { table, once, legacy }
    }

    /// The lease in an item that is known to be one.
    fn lease(&self, action: &'static str, item: &Item) -> Result<Lease, Error> {
        let parsed = row::parse(item).map_err(|message| self.table.invalid(action, message))?;
        parsed.ok_or_else(|| {
            self.table.invalid(action, "the row is not a lease; give the lease table a name of its own".into())
        })
    }

    async fn scan_leases(&self) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        // Consistent: who finds no row for a shard's parent believes that it is done with, and reads the child. A scan of
        // an old replica could show a child's row and not yet its parent's, which was made before.
        let call = self.table.patient.scan().consistent_read(true);
        let each = |item: Item| {
            match row::parse(&item) {
                Ok(Some(lease)) => scan.leases.push(lease),
                Ok(None) => scan.strangers.extend(row::stranger(&item)),
                Err(message) => {
                    let error = self.table.invalid(SCAN, message);
                    let Some(key) = row::key(&item) else { return Err(error) };
                    scan.unreadable.push(Unreadable { key, error });
                }
            }
            Ok(())
        };
        self.table.scan(call, each).await?;
        Ok(scan)
    }

    async fn scan_all(&self) -> Result<Scan, Error> {
        let mut scan = self.scan_leases().await?;
        for (worker, seen) in self.legacy_strangers().await? {
            let known = scan.strangers.entry(worker).or_insert(seen);
            *known = seen.max(*known);
        }
        Ok(scan)
    }

    /// Strangers in KCL's own table of worker metrics.
    ///
    /// Few lease tables have that beside them, so a role need not be allowed to scan it, and its name may even be longer
    /// than names may be: whatever only a person could change means that there are none. What will pass fails the scan
    /// instead, since strangers that are taken for dead lose their leases.
    async fn legacy_strangers(&self) -> Result<Vec<(String, i64)>, Error> {
        let mut strangers = Vec::new();
        let each = |item: Item| {
            strangers.extend(row::legacy_stranger(&item));
            Ok(())
        };
        match self.legacy.scan(self.legacy.patient.scan(), each).await {
            Ok(()) => Ok(strangers),
            Err(error) if error.is_lasting() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn find_owned(&self, owner: &WorkerId) -> Result<Vec<Lease>, Error> {
        let rows = match self.owned_keys(owner).await? {
            Some(keys) => {
                let rows = self.table.rows(keys.iter().map(String::as_str)).await?;
                rows.iter().filter_map(|item| row::parse(item).ok().flatten()).collect()
            }
            None => self.scan_leases().await?.leases,
        };
        Ok(rows.into_iter().filter(|row| row.owner.as_ref() == Some(owner)).collect())
    }

    /// What the index says the worker owns; `None` if there is no index, or if it is still being filled (a KCL 3 that
    /// took a table over from KCL 2.x adds it).
    async fn owned_keys(&self, owner: &WorkerId) -> Result<Option<Vec<String>>, Error> {
        let call = self
            .table
            .patient
            .query()
            .table_name(&self.table.name)
            .index_name(OWNER_INDEX)
            .key_condition_expression("#leaseOwner = :leaseOwner")
            .expression_attribute_names("#leaseOwner", row::OWNER)
            .expression_attribute_values(":leaseOwner", text(owner.as_str()));
        let mut keys = Vec::new();
        let mut from = None;
        loop {
            let page = match call.clone().set_exclusive_start_key(from).send().await {
                Ok(page) => page,
                Err(error) if has_no_index(&error) => return Ok(None),
                Err(error) => return Err(sort(QUERY, &format!("{}/index/{OWNER_INDEX}", self.table.arn), &error)),
            };
            let items = page.items.unwrap_or_default();
            keys.extend(items.iter().filter_map(row::key).map(|key| key.as_str().to_owned()));
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(Some(keys));
            }
        }
    }

    async fn get_item(&self, key: &ShardId) -> Result<Option<Lease>, Error> {
        let call = self.table.patient.get_item().table_name(&self.table.name).key(row::KEY, text(key.as_str()));
        let answer = call.consistent_read(true).send().await.map_err(|error| sort(GET, &self.table.arn, &error))?;
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
            .table_name(&self.table.name)
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
                _ => Err(sort(PUT, &self.table.arn, &error).into()),
            },
        }
    }

    async fn update(&self, key: &ShardId, change: Change) -> Result<Lease, WriteError> {
        let answer = self
            .once
            .update_item()
            .table_name(&self.table.name)
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
                _ => Err(sort(UPDATE, &self.table.arn, &error).into()),
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

/// Whether a query failed for want of its index. DynamoDB has no code of its own for that.
fn has_no_index(error: &SdkError<QueryError, HttpResponse>) -> bool {
    let said = error.message().unwrap_or_default();
    let absent = said.contains("does not have the specified index");
    error.code() == Some("ValidationException") && (absent || said.contains("backfilling global secondary index"))
}

/// A lease table has KCL's index from the start.
fn owner_index(call: CreateTableFluentBuilder) -> Result<CreateTableFluentBuilder, BuildError> {
    let index = GlobalSecondaryIndex::builder()
        .index_name(OWNER_INDEX)
        .key_schema(key(row::OWNER, KeyType::Hash)?)
        .key_schema(key(row::KEY, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    Ok(call.attribute_definitions(text_attribute(row::OWNER)?).global_secondary_indexes(index))
}

impl crate::LeaseTable for LeaseTable {
    fn name(&self) -> &str {
        &self.table.name
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(async move { self.table.ensure(create, owner_index).await.map(|_| ()) })
    }

    fn scan(&self) -> Call<'_, Result<Scan, Error>> {
        Box::pin(self.scan_all())
    }

    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>> {
        Box::pin(self.find_owned(owner))
    }

    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        Box::pin(self.get_item(key))
    }

    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        Box::pin(self.send(write))
    }
}
