//! The ports over the AWS SDK. The only place that names an SDK type.
//!
//! Endpoints, region and credentials come from where every AWS tool looks: the environment (`AWS_REGION`,
//! `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_KINESIS`, `AWS_ACCESS_KEY_ID`, …), profile files, web identity, the ECS and EC2
//! metadata services. Plain `http` endpoints work, for emulators.

mod change;
mod dynamodb;
mod failure;
mod fan_out;
mod firehose;
mod inspect;
mod kinesis;
mod logs;
mod member;
mod plain;
mod roots;
mod row;
mod s3;
mod state;
mod table;
mod watch;

pub use dynamodb::LeaseTable;
pub use firehose::DeliveryStream;
pub use inspect::{Allowed, Inspect, StreamSummary, TableSummary};
pub use kinesis::Stream;
pub use logs::{Logs, Subscription};
pub use roots::{Roots, roots};
pub use s3::Snapshots;
pub use state::StateTable;
pub use watch::{Clock, Seen, Watch};

use crate::Error;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, ProvideCredentials};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A full `GetRecords` of 10 MB takes 5 s at a shard's 2 MB/s.
const DATA_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// A lease lasts 10 s: an answer that takes longer than this leaves no time to try again before somebody else may own it.
const LEASE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// A service may close a connection at the very moment at which it is used again, and a lease write lost so has an unknown
/// fate. Whatever is in use is used every few seconds; the rest is closed by us, well before a service would.
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(20);
/// Metadata services answer within their own short time-outs; this only ends a chain that hangs.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(15);

/// What every client of one runtime shares: settings, credentials and one connection pool.
///
/// Connections are driven by the runtime they were opened on. A runtime that must not wait for another (coordination
/// beside data) loads its own set.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For reads without consequences: the SDK repeats what failed for a moment.
    patient: SdkConfig,
    /// For reading, putting and lease writes: the caller paces, counts and knows the fate of every call.
    once: SdkConfig,
    region: String,
}

impl Clients {
    /// Finds the settings and looks once whether there is a region and there are credentials.
    pub async fn from_env() -> Result<Self, Error> {
        Self::load(aws_config::defaults(BehaviorVersion::v2026_01_12()), None).await
    }

    /// The same, with `watch` looking at every answer.
    pub async fn from_env_watched(watch: &Watch) -> Result<Self, Error> {
        Self::load(aws_config::defaults(BehaviorVersion::v2026_01_12()), Some(watch)).await
    }

    /// Clients of an emulator: every service at one address, nothing from the environment.
    pub async fn for_emulator(endpoint_url: &str) -> Result<Self, Error> {
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(endpoint_url)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "emulator"));
        Self::load(loader, None).await
    }

    async fn load(loader: ConfigLoader, watch: Option<&Watch>) -> Result<Self, Error> {
        let http_client = match watch {
            Some(watch) => watch.around(connections()),
            None => connections(),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(DATA_ATTEMPT_TIMEOUT)
            .build();
        let patient = loader
            .http_client(http_client)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard())
            // Bodies are read whole within the attempt's time-out; watching their pace only costs CPU a call.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(AppName::new("zonewatch").expect("letters are a valid name"))
            .load()
            .await;
        let region = match patient.region() {
            Some(region) => region.as_ref().to_owned(),
            None => {
                return Err(not_set("look for a region", "none found; set AWS_REGION, or a region in the AWS profile"));
            }
        };
        find_credentials(&patient).await?;
        let once = patient.to_builder().retry_config(RetryConfig::disabled()).build();
        Ok(Self { patient, once, region })
    }

    /// The AWS Region that calls go to.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A stream by name or ARN.
    pub fn stream(&self, name: &str) -> Stream {
        let patient = aws_sdk_kinesis::Client::new(&self.patient);
        Stream::new(patient, aws_sdk_kinesis::Client::new(&self.once), name, self.arn("kinesis", "stream/", name))
    }

    /// A lease table by name.
    pub fn lease_table(&self, name: &str) -> LeaseTable {
        let [patient, once] = self.prompt();
        LeaseTable::new(patient, once, name, self.arn("dynamodb", "table/", name))
    }

    /// A table of workers by name.
    pub fn state_table(&self, name: &str) -> StateTable {
        let [patient, once] = self.prompt();
        StateTable::new(patient, once, name, self.arn("dynamodb", "table/", name))
    }

    /// Patient and once, of DynamoDB, whose answers are worth little when they are late.
    fn prompt(&self) -> [aws_sdk_dynamodb::Client; 2] {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(LEASE_ATTEMPT_TIMEOUT)
            .build();
        [&self.patient, &self.once].map(|settings| {
            aws_sdk_dynamodb::Client::new(&settings.to_builder().timeout_config(timeouts.clone()).build())
        })
    }

    /// A delivery stream by name or ARN.
    pub fn delivery_stream(&self, name: &str) -> DeliveryStream {
        let patient = aws_sdk_firehose::Client::new(&self.patient);
        let once = aws_sdk_firehose::Client::new(&self.once);
        DeliveryStream::new(patient, once, name, self.arn("firehose", "deliverystream/", name))
    }

    /// Snapshots in a bucket, under `prefix`, which ends with a slash.
    pub fn snapshots(&self, bucket: &str, prefix: &str) -> Result<Snapshots, Error> {
        Snapshots::new(self.once.clone(), bucket, prefix.to_owned(), &self.region, self.partition())
    }

    /// A look at the services, for people.
    pub fn inspect(&self) -> Inspect {
        Inspect::new(self.clone())
    }

    /// The resource as a policy would name it; the account is not known before a call succeeds, so `*` stands for it.
    fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        format!("arn:{}:{service}:{}:*:{kind}{name}", self.partition(), self.region)
    }

    fn partition(&self) -> &'static str {
        match self.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

/// A new, empty connection pool.
fn connections() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(IDLE_CONNECTION_LIFE)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

async fn find_credentials(config: &SdkConfig) -> Result<(), Error> {
    const ADVICE: &str =
        "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached";
    let provider = config.credentials_provider().expect("the default chain is always set");
    match tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            Err(not_set("look for credentials", &format!("none usable ({}); {ADVICE}", failure::chain(&error))))
        }
        Err(_) => Err(not_set(
            "look for credentials",
            &format!("no answer within {} s; {ADVICE}", CREDENTIALS_TIMEOUT.as_secs()),
        )),
    }
}

fn not_set(action: &'static str, message: &str) -> Error {
    Error::Invalid { action, resource: "this machine".into(), message: message.into() }
}
