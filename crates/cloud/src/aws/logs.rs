//! CloudWatch Logs: who subscribes to a log group.
//!
//! Two read-only calls, signed and sent here: the SDK's crate for this service is large, and `doctor` alone asks. Signing,
//! connections and time-outs are the SDK's own.

use super::failure::{Answer, chain, code};
use super::plain::{self, Signed};
use crate::Error;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use serde_json::{Value, json};
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
        let suffix = match (partition == "aws-cn", config.use_dual_stack() == Some(true)) {
            (false, false) => "amazonaws.com",
            (false, true) => "api.aws",
            (true, false) => "amazonaws.com.cn",
            (true, true) => "api.amazonwebservices.com.cn",
        };
        let endpoint =
            plain::configured(&config, "CloudWatch Logs").unwrap_or_else(|| format!("https://logs.{region}.{suffix}"));
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
        let credentials = plain::credentials(&self.config, action, resource).await?;
        let body = request.to_string();
        let signed = self.signed(action, body, credentials).map_err(|error| invalid(chain(error.as_ref())))?;
        let answer = plain::send(&self.config, "logs", action, resource, &self.endpoint, signed).await?;
        let (status, body) = (answer.status, answer.body);
        if status != 200 {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let message = said["message"].as_str().or(said["Message"].as_str()).unwrap_or("no message");
            return Err(Answer { code: &code(&body), message, status }.sort(action, resource.to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| unavailable(format!("the answer is no JSON: {error}")))
    }

    fn signed(&self, action: &str, body: String, credentials: Credentials) -> Result<Signed, BoxError> {
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
        Ok(Signed {
            method: "POST",
            path: "/".to_owned(),
            headers,
            body: body.into(),
            timeouts: TimeoutConfig::builder().build(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_for_the_service_and_region_with_all_its_headers() {
        let logs = Logs::new(SdkConfig::builder().build(), "us-east-1", "aws");
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let request = logs.signed(FILTERS, "{}".into(), credentials).unwrap().into_http().unwrap();
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
        let endpoint = |region, partition, dual_stack: bool| {
            Logs::new(SdkConfig::builder().use_dual_stack(dual_stack).build(), region, partition).endpoint
        };
        assert_eq!(endpoint("us-east-1", "aws", false), "https://logs.us-east-1.amazonaws.com");
        assert_eq!(endpoint("us-east-1", "aws", true), "https://logs.us-east-1.api.aws");
        assert_eq!(endpoint("cn-north-1", "aws-cn", false), "https://logs.cn-north-1.amazonaws.com.cn");
        assert_eq!(endpoint("cn-north-1", "aws-cn", true), "https://logs.cn-north-1.api.amazonwebservices.com.cn");
    }
}
