//! A lease table in memory: `lease::Write::apply` behind a lock.

use crate::{Call, Create, Error, Scan, WriteError};
use lease::{Lease, ShardId, WorkerId, Write};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// A lease table in memory. As in AWS it is not there before somebody makes it: call
/// [`ensure`](crate::LeaseTable::ensure) first.
#[derive(Debug)]
pub struct LeaseTable {
    name: String,
    /// `None`: there is no such table.
    rows: Mutex<Option<BTreeMap<ShardId, Lease>>>,
    strangers: Mutex<BTreeMap<String, i64>>,
}

impl LeaseTable {
    /// A table that is still to be made.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rows: Mutex::new(None), strangers: Mutex::default() }
    }

    /// From now on scans show these workers of another consumer, with the times at which they said that they live.
    pub fn show_strangers(&self, strangers: BTreeMap<String, i64>) {
        *self.strangers() = strangers;
    }

    fn strangers(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.strangers.lock().expect("no holder of this lock panics")
    }

    fn rows(&self) -> MutexGuard<'_, Option<BTreeMap<ShardId, Lease>>> {
        self.rows.lock().expect("no holder of this lock panics")
    }

    /// What `look` finds in the table, if there is one.
    fn with<T>(&self, action: &'static str, look: impl FnOnce(&mut BTreeMap<ShardId, Lease>) -> T) -> Result<T, Error> {
        match self.rows().as_mut() {
            Some(rows) => Ok(look(rows)),
            None => Err(self.missing(action)),
        }
    }

    fn missing(&self, action: &'static str) -> Error {
        Error::Missing { action, resource: format!("memory table {}", self.name), message: "no such table".into() }
    }
}

impl crate::LeaseTable for LeaseTable {
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

    fn scan(&self) -> Call<'_, Result<Scan, Error>> {
        let all = |rows: &mut BTreeMap<ShardId, Lease>| rows.values().cloned().collect();
        Box::pin(async move {
            let leases = self.with("scan", all)?;
            Ok(Scan { leases, unreadable: Vec::new(), strangers: self.strangers().clone() })
        })
    }

    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>> {
        let owned = |row: &&Lease| row.owner.as_ref() == Some(owner);
        Box::pin(async move { self.with("owned", |rows| rows.values().filter(owned).cloned().collect()) })
    }

    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        Box::pin(async { self.with("get", |rows| rows.get(key).cloned()) })
    }

    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        Box::pin(async {
            self.with("write", |rows| {
                let row = rows.get(write.key());
                match write.apply(row) {
                    Ok(lease) => {
                        rows.insert(lease.key.clone(), lease.clone());
                        Ok(lease)
                    }
                    Err(_) => Err(WriteError::Refused(row.cloned().map(Box::new))),
                }
            })?
        })
    }
}
