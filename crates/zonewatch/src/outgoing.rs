//! Lines that are told to one delivery stream: those that gather, and those on their way.
//!
//! Each stream has its own, so that one that refuses does not hold up the other.

use crate::config::{Compression, Packing};
use crate::lines::Lines;
use crate::outlet::Outlet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What is on its way for so long is not slow but refused.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// What is told to one delivery stream.
pub struct Outgoing {
    outlet: Option<Arc<Outlet>>,
    lines: Lines,
    delivery: Option<Delivery>,
}

struct Delivery {
    bytes: usize,
    begun: Duration,
    acknowledged: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Outgoing {
    /// To there; without an outlet nothing is kept.
    pub fn new(outlet: Option<Arc<Outlet>>) -> Self {
        Self { outlet, lines: Lines::default(), delivery: None }
    }

    /// Adds the lines that `write` makes.
    pub fn push(&mut self, write: impl FnOnce(&mut Lines)) {
        if self.outlet.is_some() {
            write(&mut self.lines);
        }
    }

    /// Sends what has gathered on its way, if nothing is.
    pub fn start(&mut self, now: Duration) {
        let (None, false, Some(outlet)) = (&self.delivery, self.lines.is_empty(), &self.outlet) else { return };
        let (outlet, lines) = (Arc::clone(outlet), std::mem::take(&mut self.lines));
        let bytes = lines.len();
        let acknowledged = Box::pin(async move {
            outlet.deliver(lines.into_entries(Packing::Lines, Compression::None), bytes).await;
        });
        self.delivery = Some(Delivery { bytes, begun: now, acknowledged });
    }

    /// Returns once what is on its way is acknowledged; never, if nothing is. A call that is dropped loses nothing.
    pub async fn proceed(&mut self) {
        match &mut self.delivery {
            Some(delivery) => delivery.acknowledged.as_mut().await,
            None => std::future::pending().await,
        }
        self.delivery = None;
    }

    /// All that was told is acknowledged.
    pub fn is_idle(&self) -> bool {
        self.delivery.is_none() && self.lines.is_empty()
    }

    /// What is on its way is refused, and may be for hours.
    pub fn is_stuck(&self, now: Duration) -> bool {
        self.delivery.as_ref().is_some_and(|delivery| now.saturating_sub(delivery.begun) > STUCK_AFTER)
    }

    /// Bytes that wait or are on their way.
    pub fn bytes(&self) -> usize {
        self.lines.len() + self.delivery.as_ref().map_or(0, |delivery| delivery.bytes)
    }
}
