//! A delivery stream in memory: keeps what it gets, or hands it on.

use crate::{Call, Error, Refused, limits};
use bytes::Bytes;
use std::fmt;
use std::sync::Mutex;

/// Where entries go.
type Sink = Box<dyn Fn(&[Bytes]) + Send + Sync>;

/// A delivery stream in memory, with Firehose's limits.
pub struct DeliveryStream {
    name: String,
    sink: Option<Sink>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    entries: Vec<Bytes>,
    entries_total: u64,
    bytes_total: u64,
}

impl DeliveryStream {
    /// Keeps every entry: for tests.
    pub fn keeping(name: &str) -> Self {
        Self { name: name.to_owned(), sink: None, taken: Mutex::default() }
    }

    /// Shows every batch to `sink` and forgets it: for whatever runs long.
    pub fn handing_to(name: &str, sink: impl Fn(&[Bytes]) + Send + Sync + 'static) -> Self {
        Self { name: name.to_owned(), sink: Some(Box::new(sink)), taken: Mutex::default() }
    }

    /// What was kept, in the order of the puts.
    pub fn entries(&self) -> Vec<Bytes> {
        self.taken(|taken| taken.entries.clone())
    }

    /// How many entries were taken.
    pub fn entries_total(&self) -> u64 {
        self.taken(|taken| taken.entries_total)
    }

    /// How many bytes were taken.
    pub fn bytes_total(&self) -> u64 {
        self.taken(|taken| taken.bytes_total)
    }

    fn taken<T>(&self, look: impl FnOnce(&mut Taken) -> T) -> T {
        look(&mut self.taken.lock().expect("no holder of this lock panics"))
    }

    fn take(&self, entries: &[Bytes]) -> Result<Vec<Refused>, Error> {
        limits::check_delivery(entries).map_err(|message| Error::Invalid {
            action: "put",
            resource: format!("memory delivery stream {}", self.name),
            message,
        })?;
        if let Some(sink) = &self.sink {
            sink(entries);
        }
        self.taken(|taken| {
            taken.entries_total += entries.len() as u64;
            taken.bytes_total += entries.iter().map(|entry| entry.len() as u64).sum::<u64>();
            if self.sink.is_none() {
                taken.entries.extend_from_slice(entries);
            }
        });
        Ok(Vec::new())
    }
}

impl fmt::Debug for DeliveryStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DeliveryStream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl crate::DeliveryStream for DeliveryStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(async { self.take(entries) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeliveryStream as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn what_is_handed_on_is_counted_and_not_kept() {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = seen.clone();
        let delivery = DeliveryStream::handing_to("records", move |entries| {
            counter.fetch_add(entries.len(), Ordering::Relaxed);
        });
        delivery.put(&[Bytes::from_static(b"one"), Bytes::from_static(b"three")]).await.unwrap();
        assert_eq!((seen.load(Ordering::Relaxed), delivery.entries_total(), delivery.bytes_total()), (2, 2, 8));
        assert!(delivery.entries().is_empty());
        assert!(delivery.put(&vec![Bytes::new(); 501]).await.is_err());
        assert_eq!((seen.load(Ordering::Relaxed), delivery.entries_total()), (2, 2), "a refused put takes nothing");
    }
}
