//! What every answer says beside its content: whether the call was throttled, and what the service's clock shows.
//!
//! A look at the HTTP layer, below the SDK's own repetitions, so that a throttled call is seen although the one after it
//! succeeded. Only `doctor` asks for it: each refusal's body is read twice.

use super::failure;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A view of everything that the clients it was made with have seen so far.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

/// What has been seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests sent, repetitions included.
    pub calls: u64,
    /// Requests that were refused for now, by action (`kinesis:GetRecords`).
    pub throttled: BTreeMap<String, u64>,
    /// A service's clock beside this machine's.
    pub clock: Option<Clock>,
}

/// A service's clock beside this machine's, by the answer that came back soonest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How far the service's is ahead of this machine's, milliseconds. An answer tells whole seconds only.
    pub ahead_ms: i64,
    /// How long that answer took: the uncertainty.
    pub round_trip: Duration,
}

impl Watch {
    /// What has been seen so far.
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    pub(super) fn around(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Watched { client, watch: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no holder of this lock panics")
    }

    fn note(&self, action: &str, throttled: bool, clock: Option<Clock>) {
        let mut seen = self.lock();
        seen.calls += 1;
        if throttled {
            *seen.throttled.entry(action.to_owned()).or_default() += 1;
        }
        if let Some(clock) = clock
            && seen.clock.is_none_or(|known| clock.round_trip < known.round_trip)
        {
            seen.clock = Some(clock);
        }
    }
}

#[derive(Debug)]
struct Watched {
    client: SharedHttpClient,
    watch: Watch,
}

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(WatchedConnector { connector, watch: self.watch.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

#[derive(Debug)]
struct WatchedConnector {
    connector: SharedHttpConnector,
    watch: Watch,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = action(request.headers().get("x-amz-target").unwrap_or_default());
        let (sent, watch) = (Instant::now(), self.watch.clone());
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let clock = clock(answer.headers().get("date"), sent.elapsed());
            let throttled = is_throttled(&mut answer).await;
            watch.note(&action, throttled, clock);
            Ok(answer)
        })
    }
}

/// `kinesis:GetRecords` from `Kinesis_20131202.GetRecords`.
fn action(target: &str) -> String {
    let (service, name) = target.split_once('.').unwrap_or((target, ""));
    let service = service.split('_').next().unwrap_or_default().to_ascii_lowercase();
    format!("{service}:{name}")
}

fn clock(date: Option<&str>, round_trip: Duration) -> Option<Clock> {
    let date = DateTime::from_str(date?, Format::HttpDate).ok()?.to_millis().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    // The service wrote it about half-way, at some moment of that second.
    let written = i64::try_from(now).ok()? - round_trip.as_millis() as i64 / 2;
    Some(Clock { ahead_ms: date + 500 - written, round_trip })
}

/// Whether an answer says: not now. Its body is left as it was.
async fn is_throttled(answer: &mut HttpResponse) -> bool {
    let status = answer.status().as_u16();
    if status < 400 {
        return false;
    }
    let Ok(body) = ByteStream::new(answer.take_body()).collect().await else {
        // A refusal that broke off. Whoever reads it next finds nothing, and says that.
        return status == 429;
    };
    let body = body.into_bytes();
    let code = failure::code(&body);
    *answer.body_mut() = SdkBody::from(body);
    status == 429 || failure::is_throttled(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_spelled_as_policies_do() {
        assert_eq!(action("Kinesis_20131202.GetRecords"), "kinesis:GetRecords");
        assert_eq!(action("DynamoDB_20120810.Scan"), "dynamodb:Scan");
        assert_eq!(action(""), ":");
    }

    #[test]
    fn a_date_tells_how_far_the_clocks_are_apart() {
        let hour_ago = clock(Some("Thu, 01 Jan 1970 01:00:00 GMT"), Duration::ZERO).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        assert!((hour_ago.ahead_ms - (3_600_500 - now)).abs() < 1_000, "{hour_ago:?}");
        assert_eq!(clock(Some("yesterday"), Duration::ZERO), None);
        assert_eq!(clock(None, Duration::ZERO), None);
    }

    #[tokio::test]
    async fn a_refusal_for_now_is_seen_and_its_body_stays() {
        for (status, code, throttled) in [
            (400, "ThrottlingException", true),
            (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", true),
            (429, "", true),
            (400, "AccessDeniedException", false),
            (200, "ThrottlingException", false),
        ] {
            let body = format!(r#"{{"__type":"{code}"}}"#);
            let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.clone()));
            assert_eq!(is_throttled(&mut answer).await, throttled, "{status} {code}");
            assert_eq!(answer.body().bytes(), Some(body.as_bytes()), "{status} {code}");
        }
    }

    #[test]
    fn the_quickest_answer_is_believed() {
        let watch = Watch::default();
        let told = |ahead_ms, millis| Some(Clock { ahead_ms, round_trip: Duration::from_millis(millis) });
        for (throttled, clock) in [(true, told(5, 80)), (false, told(1, 10)), (true, told(9, 40)), (false, None)] {
            watch.note("kinesis:GetRecords", throttled, clock);
        }
        let seen = watch.seen();
        assert_eq!((seen.calls, seen.throttled["kinesis:GetRecords"]), (4, 2));
        assert_eq!(seen.clock, told(1, 10));
    }
}
