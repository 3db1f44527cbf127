//! The table of workers in DynamoDB: a row for each, which only it beats and to which others add.
//!
//! Rows go away by themselves in the end: workers remove what is dead, and if nobody is there to do so, the table's time
//! to live does. Each write is one request that the SDK does not repeat.

use super::failure::sort;
use super::member::{self, BEAT, COMING, EXPIRES, KEY};
use super::row::{Item, number, shard_set, text};
use super::table::Table;
use crate::{Call, Create, Error, limits};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, TimeToLiveSpecification};
use lease::{Beaten, Member, ShardId, Standing, WorkerId};

const UPDATE: &str = "dynamodb:UpdateItem";
const DELETE: &str = "dynamodb:DeleteItem";
const READ: &str = "dynamodb:BatchGetItem";

/// The table of workers.
#[derive(Debug, Clone)]
pub struct StateTable {
    table: Table,
    once: Client,
}

impl StateTable {
    pub(super) fn new(patient: Client, once: Client, name: &str, arn: String) -> Self {
        Self { table: Table { patient, name: name.to_owned(), arn, kind: "a table of workers", key: KEY }, once }
    }

    async fn ensure_table(&self, create: Create) -> Result<(), Error> {
        let made = self.table.ensure(create, Ok).await?;
        if made {
            self.let_rows_expire().await;
        }
        Ok(())
    }

    /// Turns the time to live on. That it was refused (the role may not, or another worker was faster) is ignored: it
    /// only tidies up after the last worker, which is the one whose row no other removes, and no worker may be kept from
    /// working by that. Nobody is told, for there is nothing to do about a few hundred bytes.
    async fn let_rows_expire(&self) {
        let expire = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES).build();
        let expire = expire.expect("both of its fields are set");
        let call = self.table.patient.update_time_to_live().table_name(&self.table.name);
        let _refusal = call.time_to_live_specification(expire).send().await;
    }

    async fn write_beat(&self, member: &Member, heard: &[ShardId], expires: i64) -> Result<Beaten, Error> {
        let mut call = self.once.update_item().table_name(&self.table.name).key(KEY, text(member.id.as_str()));
        let attributes = member::attributes(member, expires);
        let set: Vec<_> = attributes.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        let mut update = format!("SET {}", set.join(", "));
        for (name, value) in attributes {
            call = call.expression_attribute_names(format!("#{name}"), name);
            call = call.expression_attribute_values(format!(":{name}"), value);
        }
        if let Some(heard) = shard_set(heard) {
            update.push_str(" DELETE #coming :coming");
            call = call.expression_attribute_names("#coming", COMING).expression_attribute_values(":coming", heard);
        }
        let answer = call.update_expression(update).return_values(ReturnValue::AllNew).send().await;
        let row = answer.map_err(|error| sort(UPDATE, &self.table.arn, &error))?.attributes.unwrap_or_default();
        let coming = member::coming(&row).map_err(|wrong| {
            let message = format!("row {:?}: {wrong}; delete the row", member.id.as_str());
            self.table.invalid(UPDATE, message)
        })?;
        Ok(Beaten { coming })
    }

    async fn read_rows(&self, ids: &[WorkerId]) -> Result<Vec<Member>, Error> {
        limits::check_members(ids).map_err(|message| self.table.invalid(READ, message))?;
        let rows = self.table.rows(ids.iter().map(WorkerId::as_str)).await?;
        Ok(rows.iter().filter_map(member::parse).collect())
    }

    async fn scan_rows(&self) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        // Not consistent, at half the price: what it shows is a moment old anyway once it is judged.
        let call = self.table.patient.scan();
        let each = |item: Item| {
            members.extend(member::parse(&item));
            Ok(())
        };
        self.table.scan(call, each).await?;
        Ok(members)
    }

    async fn add_coming(&self, to: &WorkerId, shards: &[ShardId]) -> Result<bool, Error> {
        let mut call = self
            .once
            .update_item()
            .table_name(&self.table.name)
            .key(KEY, text(to.as_str()))
            // A row without a worker's beat would tell nobody; one that is leaving takes nothing any more.
            .condition_expression("#standing = :active")
            .expression_attribute_names("#standing", member::STANDING)
            .expression_attribute_values(":active", text(Standing::Active.as_str()));
        if let Some(shards) = shard_set(shards) {
            call = call.update_expression("ADD #coming :coming");
            call = call.expression_attribute_names("#coming", COMING).expression_attribute_values(":coming", shards);
        }
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(sort(UPDATE, &self.table.arn, &error)),
        }
    }

    async fn remove_row(&self, id: &WorkerId, beat: u64) -> Result<bool, Error> {
        let call = self
            .once
            .delete_item()
            .table_name(&self.table.name)
            .key(KEY, text(id.as_str()))
            .condition_expression("#beat = :beat")
            .expression_attribute_names("#beat", BEAT)
            .expression_attribute_values(":beat", number(beat));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(sort(DELETE, &self.table.arn, &error)),
        }
    }
}

impl crate::StateTable for StateTable {
    fn name(&self) -> &str {
        &self.table.name
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(self.ensure_table(create))
    }

    fn beat<'a>(&'a self, member: &'a Member, heard: &'a [ShardId], expires: i64) -> Call<'a, Result<Beaten, Error>> {
        Box::pin(self.write_beat(member, heard, expires))
    }

    fn read<'a>(&'a self, ids: &'a [WorkerId]) -> Call<'a, Result<Vec<Member>, Error>> {
        Box::pin(self.read_rows(ids))
    }

    fn scan(&self) -> Call<'_, Result<Vec<Member>, Error>> {
        Box::pin(self.scan_rows())
    }

    fn announce<'a>(&'a self, to: &'a WorkerId, shards: &'a [ShardId]) -> Call<'a, Result<bool, Error>> {
        Box::pin(self.add_coming(to, shards))
    }

    fn remove<'a>(&'a self, id: &'a WorkerId, beat: u64) -> Call<'a, Result<bool, Error>> {
        Box::pin(self.remove_row(id, beat))
    }
}
