//! Calls whose requests are signed here and sent as they are, for services whose SDK crate costs a build more than they are
//! worth. Connections and time-outs are the SDK's own.

use super::failure::chain;
use crate::Error;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{Credentials, ProvideCredentials};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::stalled_stream_protection::StalledStreamProtectionInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use std::convert::Infallible;
use std::time::Duration;

/// A body that stands still for so long, in either direction, comes no more.
const STALL_MAX: Duration = Duration::from_secs(5);

/// A signed request, everything of it but where it goes.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) method: &'static str,
    /// With the query, if there is one.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// What it may take, where that is not what every call may.
    pub(super) timeouts: TimeoutConfig,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Signed {
    pub(super) fn into_http(self) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method(self.method)?;
        request.set_uri(self.path)?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

/// The credentials of a call.
pub(super) async fn credentials(
    config: &SdkConfig,
    action: &'static str,
    resource: &str,
) -> Result<Credentials, Error> {
    let provider = config.credentials_provider().expect("the default chain is always set");
    let found = provider.provide_credentials().await;
    found.map_err(|error| Error::Unavailable { action, resource: resource.to_owned(), message: chain(&error) })
}

/// The endpoint that the environment or a profile names for this service, or for all.
pub(super) fn configured(config: &SdkConfig, service_id: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let key = key.build().expect("all three parts are given");
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Sends a request to `endpoint` once.
pub(super) async fn send(
    config: &SdkConfig,
    service: &'static str,
    action: &'static str,
    resource: &str,
    endpoint: &str,
    request: Signed,
) -> Result<Answered, Error> {
    let client = config.http_client().expect("every set of clients is given one");
    let timeouts = config
        .timeout_config()
        .cloned()
        .unwrap_or_else(|| TimeoutConfig::builder().operation_attempt_timeout(super::DATA_ATTEMPT_TIMEOUT).build());
    let mut own = request.timeouts.clone();
    own.take_defaults_from(&timeouts);
    let operation = Operation::builder()
        .service_name(service)
        .operation_name(action)
        .http_client(client)
        .endpoint_url(endpoint)
        // Its signature is in it already.
        .no_auth()
        .no_retry()
        .timeout_config(own)
        // An object takes as long as it is large, and one that stands still must not.
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_MAX).build())
        .interceptor(StalledStreamProtectionInterceptor::default())
        .serializer(|request: Signed| request.into_http())
        .deserializer::<_, Infallible>(|answer: &HttpResponse| {
            let body = Bytes::copy_from_slice(answer.body().bytes().unwrap_or_default());
            Ok(Answered { status: answer.status().as_u16(), body })
        })
        .build();
    operation.invoke(request).await.map_err(|error| {
        let (resource, message) = (resource.to_owned(), chain(&error));
        match error {
            SdkError::ConstructionFailure(_) => Error::Invalid { action, resource, message },
            _ => Error::Unavailable { action, resource, message },
        }
    })
}
