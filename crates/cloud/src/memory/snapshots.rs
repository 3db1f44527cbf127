//! Snapshots in memory.

use crate::{Call, Error};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Objects by name. Clones are one store.
#[derive(Debug, Clone, Default)]
pub struct Snapshots {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl Snapshots {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().expect("no holder of this lock panics")
    }
}

impl crate::Snapshots for Snapshots {
    fn name(&self) -> &str {
        "memory"
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn put<'a>(&'a self, name: &'a str, data: Bytes) -> Call<'a, Result<(), Error>> {
        Box::pin(async move {
            self.objects().insert(name.to_owned(), data);
            Ok(())
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Result<Option<Bytes>, Error>> {
        Box::pin(async move { Ok(self.objects().get(name).cloned()) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Call<'a, Result<(), Error>> {
        Box::pin(async move {
            self.objects().remove(name);
            Ok(())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Call<'a, Result<Vec<String>, Error>> {
        let begins = move |name: &&String| name.starts_with(prefix);
        Box::pin(async move { Ok(self.objects().keys().filter(begins).cloned().collect()) })
    }
}
