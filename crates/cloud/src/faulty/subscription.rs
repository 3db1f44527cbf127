//! A subscription that breaks, or falls silent.

use super::Random;
use crate::{Batch, Call, Error, Subscription};

/// Spoils the events of another.
pub(super) struct Spoiled {
    subscription: Box<dyn Subscription>,
    stream: String,
    /// Shares of the events at which it breaks, and at which it falls silent.
    rates: (f64, f64),
    random: Random,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Sound,
    Broken,
    Silent,
}

impl Spoiled {
    pub(super) fn new(subscription: Box<dyn Subscription>, stream: &str, rates: (f64, f64), random: Random) -> Self {
        Self { subscription, stream: stream.to_owned(), rates, random, state: State::Sound }
    }
}

impl Subscription for Spoiled {
    fn next(&mut self) -> Call<'_, Option<Result<Batch, Error>>> {
        Box::pin(async move {
            if self.state == State::Sound {
                let said = self.subscription.next().await;
                // Drawn when there is an event, so that a call that was dropped draws nothing.
                let (broken, silent) = (self.random.unit() < self.rates.0, self.random.unit() < self.rates.1);
                self.state = match said {
                    Some(Ok(_)) if broken => State::Broken,
                    Some(Ok(_)) if silent => State::Silent,
                    said => return said,
                };
                if self.state == State::Broken {
                    let (resource, message) = (self.stream.clone(), "the subscription broke".to_owned());
                    return Some(Err(Error::Unavailable { action: "event", resource, message }));
                }
            }
            if self.state == State::Silent {
                std::future::pending::<()>().await;
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Faulty, Rates};
    use crate::{Entry, Error, Start, Stream as _, memory};
    use bytes::Bytes;
    use lease::ShardId;
    use std::sync::Arc;
    use std::time::Duration;

    async fn subscription(rates: Rates) -> Box<dyn crate::Subscription> {
        let stream = memory::Stream::new("queries", 1, Arc::new(|| 0));
        let entry = Entry { partition_key: "k".into(), hash_key: None, data: Bytes::from_static(b"x") };
        stream.put(&[entry]).await.unwrap();
        let faulty = Faulty::new(Arc::new(stream), rates, 7);
        let consumer = faulty.register("app").await.unwrap();
        let shard = ShardId::new("shardId-000000000000");
        faulty.subscribe(&consumer, &shard, &Start::TrimHorizon).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_subscription_loses_the_event_and_ends() {
        let mut subscription = subscription(Rates { broken: 1.0, ..Rates::none() }).await;
        assert!(matches!(subscription.next().await, Some(Err(Error::Unavailable { .. }))));
        assert!(subscription.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_subscription_says_nothing_for_ever() {
        let mut subscription = subscription(Rates { silent: 1.0, ..Rates::none() }).await;
        for _ in 0..2 {
            assert!(tokio::time::timeout(Duration::from_secs(3600), subscription.next()).await.is_err());
        }
    }
}
