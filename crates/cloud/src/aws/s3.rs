//! Amazon S3: snapshots, an object each.
//!
//! Five small calls. `rusty-s3` makes and signs their addresses; it was measured at a third of the build of S3's SDK crate.

use super::failure::Answer;
use super::plain::{self, Answered, Signed};
use crate::{Call, Error};
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use bytes::Bytes;
use rusty_s3::actions::{ListObjectsV2, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::time::Duration;

/// HeadBucket and ListObjectsV2 are allowed by the same name.
const LIST: &str = "s3:ListBucket";
const PUT: &str = "s3:PutObject";
const GET: &str = "s3:GetObject";
const DELETE: &str = "s3:DeleteObject";
/// An address is used at once; this allows for clocks that differ.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// A listing of more pages is of a bucket that is not ours.
const PAGES_MAX: usize = 100;

/// Snapshots in a bucket, all under one prefix.
#[derive(Debug, Clone)]
pub struct Snapshots {
    config: SdkConfig,
    bucket: Bucket,
    endpoint: String,
    prefix: String,
    arn: String,
}

impl Snapshots {
    /// `prefix` ends with a slash. Fails on an endpoint that is none.
    pub(super) fn new(
        config: SdkConfig,
        bucket: &str,
        prefix: String,
        region: &str,
        partition: &str,
    ) -> Result<Self, Error> {
        let arn = format!("arn:{partition}:s3:::{bucket}");
        let suffix = if partition == "aws-cn" { ".cn" } else { "" };
        let own = plain::configured(&config, "S3");
        // A dot in the bucket's name would not fit the certificate; an emulator has no names of its own for buckets.
        let style = if own.is_some() || bucket.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let service = if config.use_dual_stack() == Some(true) { "s3.dualstack" } else { "s3" };
        let endpoint = own.unwrap_or_else(|| format!("https://{service}.{region}.amazonaws.com{suffix}"));
        let invalid = |message: String| Error::Invalid { action: LIST, resource: arn.clone(), message };
        let address = endpoint.parse().map_err(|error| invalid(format!("its endpoint {endpoint:?}: {error}")))?;
        let bucket = Bucket::new(address, style, bucket.to_owned(), region.to_owned());
        let bucket = bucket.map_err(|error| invalid(format!("its endpoint {endpoint:?}: {error}")))?;
        let endpoint = bucket.base_url().origin().ascii_serialization();
        Ok(Self { config, bucket, endpoint, prefix, arn })
    }

    async fn credentials(&self, action: &'static str) -> Result<Credentials, Error> {
        let found = plain::credentials(&self.config, action, &self.arn).await?;
        let (key, secret) = (found.access_key_id(), found.secret_access_key());
        Ok(match found.session_token() {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        })
    }

    /// Sends what `action` describes; what came back, if it was answered well or the object is not there.
    async fn send<'a, A: S3Action<'a>>(
        &self,
        name: &'static str,
        method: &'static str,
        action: A,
        body: Bytes,
    ) -> Result<Answered, Error> {
        let url = action.sign(SIGNED_FOR);
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let timeouts = if name == GET { download() } else { upload(body.len()) };
        let request = Signed { method, path, headers: Vec::new(), body, timeouts };
        let answer = plain::send(&self.config, "s3", name, &self.arn, &self.endpoint, request).await?;
        sort(answer, name, &self.arn)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn head(&self) -> Result<(), Error> {
        let credentials = self.credentials(LIST).await?;
        self.send(LIST, "HEAD", self.bucket.head_bucket(Some(&credentials)), Bytes::new()).await.map(drop)
    }

    async fn put_object(&self, name: &str, data: Bytes) -> Result<(), Error> {
        let (credentials, key) = (self.credentials(PUT).await?, self.key(name));
        self.send(PUT, "PUT", self.bucket.put_object(Some(&credentials), &key), data).await.map(drop)
    }

    async fn get_object(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let (credentials, key) = (self.credentials(GET).await?, self.key(name));
        let answer = self.send(GET, "GET", self.bucket.get_object(Some(&credentials), &key), Bytes::new()).await?;
        Ok((answer.status != 404).then_some(answer.body))
    }

    async fn delete_object(&self, name: &str) -> Result<(), Error> {
        let (credentials, key) = (self.credentials(DELETE).await?, self.key(name));
        self.send(DELETE, "DELETE", self.bucket.delete_object(Some(&credentials), &key), Bytes::new()).await.map(drop)
    }

    async fn list_objects(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let (credentials, prefix) = (self.credentials(LIST).await?, self.key(prefix));
        let unusable = |message| Error::Invalid { action: LIST, resource: self.arn.clone(), message };
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut action = ListObjectsV2::new(&self.bucket, Some(&credentials));
            action.with_prefix(prefix.as_str());
            if let Some(token) = token.take() {
                action.with_continuation_token(token);
            }
            let answer = self.send(LIST, "GET", action, Bytes::new()).await?;
            let page = ListObjectsV2::parse_response(&String::from_utf8_lossy(&answer.body))
                .map_err(|error| unusable(format!("the answer cannot be used: {error}")))?;
            let own = page.contents.iter().filter_map(|object| object.key.strip_prefix(&self.prefix));
            names.extend(own.map(str::to_owned));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(names);
            }
        }
        Err(unusable(format!("more than {PAGES_MAX} pages begin with {prefix}")))
    }
}

/// A put of so many bytes may take a call's time, and a second for each 4 MiB.
fn upload(bytes: usize) -> TimeoutConfig {
    let lasts = super::DATA_ATTEMPT_TIMEOUT + Duration::from_secs((bytes >> 22) as u64);
    TimeoutConfig::builder().operation_attempt_timeout(lasts).build()
}

/// How large an object is, its answer says, which has to begin within a call's time.
fn download() -> TimeoutConfig {
    let timeouts = TimeoutConfig::builder().read_timeout(super::DATA_ATTEMPT_TIMEOUT);
    timeouts.operation_attempt_timeout(SIGNED_FOR).build()
}

impl crate::Snapshots for Snapshots {
    fn name(&self) -> &str {
        self.bucket.name()
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(self.head())
    }

    fn put<'a>(&'a self, name: &'a str, data: Bytes) -> Call<'a, Result<(), Error>> {
        Box::pin(self.put_object(name, data))
    }

    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Result<Option<Bytes>, Error>> {
        Box::pin(self.get_object(name))
    }

    fn delete<'a>(&'a self, name: &'a str) -> Call<'a, Result<(), Error>> {
        Box::pin(self.delete_object(name))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Call<'a, Result<Vec<String>, Error>> {
        Box::pin(self.list_objects(prefix))
    }
}

/// What an answer says; that an object is not there is no failure.
fn sort(answer: Answered, action: &'static str, arn: &str) -> Result<Answered, Error> {
    let text = String::from_utf8_lossy(&answer.body);
    let code = element(&text, "Code").unwrap_or_default();
    let (resource, said) = (arn.to_owned(), element(&text, "Message").unwrap_or("no message"));
    Err(match answer.status {
        200..=299 => return Ok(answer),
        404 if code != "NoSuchBucket" && action != LIST => return Ok(answer),
        404 => {
            let message = "no such bucket; create it, or name another in detect.bucket".to_owned();
            Error::Missing { action, resource, message }
        }
        301 => {
            let message =
                "the bucket is in another Region; name one of this worker's Region in detect.bucket".to_owned();
            Error::Invalid { action, resource, message }
        }
        // Of a new bucket, until its name is known everywhere.
        307 => Error::Unavailable { action, resource, message: "the bucket is not yet to be reached here".to_owned() },
        // The answer to HEAD has no body.
        400 if code.is_empty() => {
            let message = "refused without a reason: the credentials have expired, or the bucket is in another Region";
            Error::Invalid { action, resource, message: message.to_owned() }
        }
        403 if code.is_empty() => Error::Denied { action, resource, message: said.to_owned() },
        status => Answer { code, message: said, status }.sort(action, resource),
    })
}

/// The text of the first element of this name; errors of S3 are flat.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(region: &str, partition: &str, bucket: &str) -> String {
        address_by(SdkConfig::builder().build(), region, partition, bucket)
    }

    fn address_by(config: SdkConfig, region: &str, partition: &str, bucket: &str) -> String {
        let snapshots = Snapshots::new(config, bucket, "app/".into(), region, partition).unwrap();
        snapshots.bucket.object_url(&snapshots.key("s/1-0")).to_string()
    }

    #[test]
    fn a_large_object_has_its_time() {
        let secs = |timeouts: TimeoutConfig| timeouts.operation_attempt_timeout().unwrap().as_secs();
        assert_eq!([upload(1_000), upload(400 << 20), download()].map(secs), [10, 110, 300]);
        assert_eq!(
            download().read_timeout(),
            Some(super::super::DATA_ATTEMPT_TIMEOUT),
            "the first byte is not waited for"
        );
    }

    #[test]
    fn an_object_is_addressed_where_its_bucket_is() {
        assert_eq!(address("eu-west-1", "aws", "b"), "https://b.s3.eu-west-1.amazonaws.com/app/s/1-0");
        assert_eq!(address("eu-west-1", "aws", "b.c"), "https://s3.eu-west-1.amazonaws.com/b.c/app/s/1-0");
        assert_eq!(address("cn-north-1", "aws-cn", "b"), "https://b.s3.cn-north-1.amazonaws.com.cn/app/s/1-0");
    }

    #[test]
    fn an_object_has_an_address_of_both_kinds_if_it_shall() {
        let dual_stack = |used: bool| SdkConfig::builder().use_dual_stack(used).build();
        let address = |config, bucket| address_by(config, "eu-west-1", "aws", bucket);
        assert_eq!(address(dual_stack(false), "b"), "https://b.s3.eu-west-1.amazonaws.com/app/s/1-0");
        assert_eq!(address(dual_stack(true), "b"), "https://b.s3.dualstack.eu-west-1.amazonaws.com/app/s/1-0");
        assert_eq!(address(dual_stack(true), "b.c"), "https://s3.dualstack.eu-west-1.amazonaws.com/b.c/app/s/1-0");
    }

    #[test]
    fn every_answer_finds_its_reaction() {
        let sorted = |action, status, code: &str| {
            let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
            sort(Answered { status, body: body.into() }, action, "arn:aws:s3:::b")
        };
        assert!(matches!(sorted(PUT, 200, ""), Ok(answer) if answer.status == 200));
        assert!(matches!(sorted(GET, 404, "NoSuchKey"), Ok(answer) if answer.status == 404));
        assert!(matches!(sorted(GET, 404, "NoSuchBucket"), Err(Error::Missing { .. })));
        assert!(matches!(sorted(LIST, 404, ""), Err(Error::Missing { .. })));
        assert!(matches!(sorted(LIST, 403, ""), Err(Error::Denied { .. })));
        assert!(matches!(sorted(PUT, 403, "AccessDenied"), Err(Error::Denied { .. })));
        assert!(matches!(sorted(PUT, 503, "SlowDown"), Err(Error::Throttled { .. })));
        assert!(matches!(sorted(PUT, 500, "InternalError"), Err(Error::Unavailable { .. })));
        assert!(matches!(sorted(LIST, 307, "TemporaryRedirect"), Err(Error::Unavailable { .. })));
        for (status, code) in [(301, ""), (301, "PermanentRedirect"), (400, "")] {
            let Err(elsewhere) = sorted(LIST, status, code) else { panic!("{status} is a failure") };
            assert!(elsewhere.is_lasting() && elsewhere.to_string().contains("another Region"), "{elsewhere}");
        }
    }

    #[test]
    fn what_an_error_says_is_found() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Reduce it.</Message></Error>";
        assert_eq!((element(xml, "Code"), element(xml, "Message")), (Some("SlowDown"), Some("Reduce it.")));
        assert_eq!(element("", "Code"), None);
    }
}
