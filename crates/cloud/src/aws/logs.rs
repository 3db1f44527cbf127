//! CloudWatch Logs: who subscribes to a log group.
//!
//! Two read-only calls, signed and sent here: the SDK's crate for this service is large, and `doctor` alone asks. Signing,
//! connections and time-outs are the SDK's own.

use super::failure::{Answer, chain, code};
use crate::Error;
use aws_config::SdkConfig;
use aws_sdk_kinesis::config::{Credentials, ProvideCredentials};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_types::service_config::ServiceConfigKey;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::SystemTime;

const FILTERS: &str = "logs:DescribeSubscriptionFilters";
const GROUPS: &str = "logs:DescribeLogGroups";
/// Both calls answer at most so many items a page.
const PAGE_ITEMS_MAX: usize = 50;
/// A log group has two filters at most; pages beyond this are a service that answers nonsense.
const PAGES_MAX: usize = 10;

/// A log group's subscription filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Where its events go: a stream's ARN, or that of a destination in front of one.
    pub destination: String,
    /// What passes it; empty: everything.
    pub pattern: String,
}

/// CloudWatch Logs in one Region.
#[derive(Debug, Clone)]
pub struct Logs {
    config: SdkConfig,
    region: String,
    endpoint: String,
    arn_start: String,
}

impl Logs {
    pub(super) fn new(config: SdkConfig, region: &str, partition: &str) -> Self {
        let suffix = if partition == "aws-cn" { ".cn" } else { "" };
        let endpoint = configured(&config).unwrap_or_else(|| format!("https://logs.{region}.amazonaws.com{suffix}"));
        let arn_start = format!("arn:{partition}:logs:{region}:*:log-group:");
        Self { config, region: region.to_owned(), endpoint: endpoint.trim_end_matches('/').to_owned(), arn_start }
    }

    /// Its Region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The subscription filters of a log group.
    pub async fn subscriptions(&self, group: &str) -> Result<Vec<Subscription>, Error> {
        let items = self.pages(FILTERS, group, &json!({ "logGroupName": group }), "subscriptionFilters").await?;
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let filter = |item: &Value| Subscription {
            name: text(item, "filterName"),
            destination: text(item, "destinationArn"),
            pattern: text(item, "filterPattern"),
        };
        Ok(items.iter().map(filter).collect())
    }

    /// The names of log groups that begin so, the first 500.
    pub async fn groups(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let request = json!({ "logGroupNamePrefix": prefix, "limit": PAGE_ITEMS_MAX });
        let items = self.pages(GROUPS, &format!("{prefix}*"), &request, "logGroups").await?;
        Ok(items.iter().filter_map(|item| item["logGroupName"].as_str().map(str::to_owned)).collect())
    }

    async fn pages(
        &self,
        action: &'static str,
        resource: &str,
        request: &Value,
        items: &str,
    ) -> Result<Vec<Value>, Error> {
        let (resource, mut request) = (format!("{}{resource}", self.arn_start), request.clone());
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut answer = self.call(action, &resource, &request).await?;
            if let Value::Array(page) = answer[items].take() {
                found.extend(page);
            }
            match answer["nextToken"].take() {
                token @ Value::String(_) => request["nextToken"] = token,
                _ => break,
            }
        }
        Ok(found)
    }

    async fn call(&self, action: &'static str, resource: &str, request: &Value) -> Result<Value, Error> {
        let unavailable = |message| Error::Unavailable { action, resource: resource.to_owned(), message };
        let invalid = |message| Error::Invalid { action, resource: resource.to_owned(), message };
        let provider = self.config.credentials_provider().expect("the default chain is always set");
        let credentials = provider.provide_credentials().await.map_err(|error| unavailable(chain(&error)))?;
        let body = request.to_string();
        let signed = self.signed(action, &body, credentials).map_err(|error| invalid(chain(error.as_ref())))?;
        let client = self.config.http_client().expect("every set of clients is given one");
        let operation = Operation::builder()
            .service_name("logs")
            .operation_name(action)
            .http_client(client)
            .endpoint_url(&self.endpoint)
            // Its signature is in it already.
            .no_auth()
            .no_retry()
            .timeout_config(self.config.timeout_config().cloned().unwrap_or_else(|| {
                aws_config::timeout::TimeoutConfig::builder()
                    .operation_attempt_timeout(super::DATA_ATTEMPT_TIMEOUT)
                    .build()
            }))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .serializer(|request: Signed| request.into_http())
            .deserializer::<_, Infallible>(|answer: &HttpResponse| {
                Ok((answer.status().as_u16(), answer.body().bytes().unwrap_or_default().to_vec()))
            })
            .build();
        let (status, body) = operation.invoke(signed).await.map_err(|error| match error {
            SdkError::ConstructionFailure(_) => invalid(chain(&error)),
            _ => unavailable(chain(&error)),
        })?;
        if status != 200 {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let message = said["message"].as_str().or(said["Message"].as_str()).unwrap_or("no message");
            return Err(Answer { code: &code(&body), message, status }.sort(action, resource.to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| unavailable(format!("the answer is no JSON: {error}")))
    }

    fn signed(&self, action: &str, body: &str, credentials: Credentials) -> Result<Signed, BoxError> {
        let target = format!("Logs_20140328.{}", action.trim_start_matches("logs:"));
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("logs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let url = format!("{}/", self.endpoint);
        let request = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
        let (signature, _) = sign(request, &params)?.into_parts();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let headers = headers.into_iter().chain(signature.headers()).map(owned).collect();
        Ok(Signed { headers, body: body.to_owned() })
    }
}

/// Everything of a request but where it goes.
#[derive(Debug)]
struct Signed {
    headers: Vec<(String, String)>,
    body: String,
}

impl Signed {
    fn into_http(self) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method("POST")?;
        request.set_uri("/")?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

/// The endpoint that the environment or a profile names for this service, or for all.
fn configured(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("CloudWatch Logs").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let key = key.build().expect("all three parts are given");
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_for_the_service_and_region_with_all_its_headers() {
        let logs = Logs::new(SdkConfig::builder().build(), "us-east-1", "aws");
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let request = logs.signed(FILTERS, "{}", credentials).unwrap().into_http().unwrap();
        let header = |name: &str| request.headers().get(name).unwrap_or_default();
        assert_eq!(header("x-amz-target"), "Logs_20140328.DescribeSubscriptionFilters");
        assert_eq!(header("x-amz-security-token"), "token");
        let authorization = header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("/us-east-1/logs/aws4_request, "), "{authorization}");
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, ";
        assert!(authorization.contains(signed), "{authorization}");
        assert!(!header("x-amz-date").is_empty());
    }

    #[test]
    fn the_endpoint_is_the_partitions() {
        let endpoint = |region, partition| Logs::new(SdkConfig::builder().build(), region, partition).endpoint;
        assert_eq!(endpoint("us-east-1", "aws"), "https://logs.us-east-1.amazonaws.com");
        assert_eq!(endpoint("cn-north-1", "aws-cn"), "https://logs.cn-north-1.amazonaws.com.cn");
    }
}
