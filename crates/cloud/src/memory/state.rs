//! A table of workers in memory.

use crate::{Call, Create, Error, limits};
use lease::{Beaten, Member, ShardId, Standing, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// A table of workers in memory. As in AWS it is not there before somebody makes it.
#[derive(Debug)]
pub struct StateTable {
    name: String,
    /// `None`: there is no such table.
    rows: Mutex<Option<Rows>>,
}

type Rows = BTreeMap<WorkerId, (Member, BTreeSet<ShardId>)>;

impl StateTable {
    /// A table that is still to be made.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rows: Mutex::new(None) }
    }

    fn rows(&self) -> MutexGuard<'_, Option<Rows>> {
        self.rows.lock().expect("no holder of this lock panics")
    }

    fn with<T>(&self, action: &'static str, look: impl FnOnce(&mut Rows) -> T) -> Result<T, Error> {
        let resource = || format!("memory table {}", self.name);
        let missing = || Error::Missing { action, resource: resource(), message: "no such table".into() };
        self.rows().as_mut().map(look).ok_or_else(missing)
    }
}

impl crate::StateTable for StateTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        Box::pin(async move {
            if create == Create::IfMissing {
                self.rows().get_or_insert_default();
            }
            self.with("ensure", |_| ())
        })
    }

    fn beat<'a>(&'a self, member: &'a Member, heard: &'a [ShardId], _expires: i64) -> Call<'a, Result<Beaten, Error>> {
        Box::pin(async move {
            self.with("beat", |rows| {
                let row = rows.entry(member.id.clone()).or_insert_with(|| (member.clone(), BTreeSet::new()));
                row.0 = member.clone();
                row.1.retain(|shard| !heard.contains(shard));
                Beaten { coming: row.1.iter().cloned().collect() }
            })
        })
    }

    fn read<'a>(&'a self, ids: &'a [WorkerId]) -> Call<'a, Result<Vec<Member>, Error>> {
        Box::pin(async move {
            let resource = || format!("memory table {}", self.name);
            let wrong = |message| Error::Invalid { action: "read", resource: resource(), message };
            limits::check_members(ids).map_err(wrong)?;
            let ids: BTreeSet<&WorkerId> = ids.iter().collect();
            self.with("read", |rows| ids.into_iter().filter_map(|id| rows.get(id)).map(|row| row.0.clone()).collect())
        })
    }

    fn scan(&self) -> Call<'_, Result<Vec<Member>, Error>> {
        Box::pin(async move { self.with("scan", |rows| rows.values().map(|row| row.0.clone()).collect()) })
    }

    fn announce<'a>(&'a self, to: &'a WorkerId, shards: &'a [ShardId]) -> Call<'a, Result<bool, Error>> {
        Box::pin(async move {
            self.with("announce", |rows| match rows.get_mut(to) {
                Some(row) if row.0.standing == Standing::Active => {
                    row.1.extend(shards.iter().cloned());
                    true
                }
                _ => false,
            })
        })
    }

    fn remove<'a>(&'a self, id: &'a WorkerId, beat: u64) -> Call<'a, Result<bool, Error>> {
        Box::pin(async move {
            self.with("remove", |rows| {
                let is_it = rows.get(id).is_some_and(|row| row.0.beat == beat);
                is_it && rows.remove(id).is_some()
            })
        })
    }
}
