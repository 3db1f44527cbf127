//! What the SDK says went wrong, sorted by what the caller does about it.

use crate::Error;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::event_stream::RawMessage;
use std::time::Duration;

/// Quotas of all three services are counted by the second.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);

/// Codes that say: not now, and nothing happened.
const THROTTLED: [&str; 14] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ResourceInUseException",
    "TransactionConflictException",
    "ReplicatedWriteConflictException",
    "SlowDown",
];

/// Codes that say: not you, or not with this key, until a person acts.
const DENIED: [&str; 20] = [
    "AccessDenied",
    "AccessDeniedException",
    "NotAuthorized",
    "UnauthorizedOperation",
    "OptInRequired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "KMSOptInRequired",
    "InvalidKMSResourceException",
];

/// Which [`Error`] an SDK call's failure is.
pub(super) fn sort<E>(action: &'static str, resource: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let resource = resource.to_owned();
    match error {
        SdkError::ServiceError(said) => {
            let answer = Answer {
                code: said.err().code().unwrap_or("no code"),
                message: said.err().message().unwrap_or("no message"),
                status: said.raw().status().as_u16(),
            };
            answer.sort(action, resource)
        }
        SdkError::ConstructionFailure(_) => Error::Invalid { action, resource, message: chain(error) },
        // Time-outs, broken connections, answers that make no sense.
        _ => Error::Unavailable { action, resource, message: chain(error) },
    }
}

/// Which [`Error`] a failure within an event stream is. What the service says there has its code beside it, not in it.
pub(super) fn sort_event<E>(
    action: &'static str,
    resource: &str,
    error: &SdkError<E, RawMessage>,
    code: impl FnOnce(&E) -> &'static str,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let resource = resource.to_owned();
    match error {
        SdkError::ServiceError(said) => {
            let (code, message) = (code(said.err()), said.err().message().unwrap_or("no message"));
            // What is not known by its code is a failure of the stream, not of the call that began it.
            Answer { code, message, status: 500 }.sort(action, resource)
        }
        _ => Error::Unavailable { action, resource, message: chain(error) },
    }
}

/// What the service answered.
pub(super) struct Answer<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) status: u16,
}

/// The error code in the body of a JSON service's refusal; empty if there is none.
pub(super) fn code(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["__type"].as_str().or(body["code"].as_str()).unwrap_or_default();
    // DynamoDB puts its name space before it.
    code.rsplit('#').next().unwrap_or_default().to_owned()
}

/// Whether a code says: not now, and nothing happened.
pub(super) fn is_throttled(code: &str) -> bool {
    THROTTLED.contains(&code)
}

impl Answer<'_> {
    pub(super) fn sort(&self, action: &'static str, resource: String) -> Error {
        let Self { code, message, status } = *self;
        let message = format!("{code}: {message}");
        // Firehose answers 500 or 503 with this code when a quota is spent; nothing was taken.
        let firehose_busy = code == "ServiceUnavailableException" && action.starts_with("firehose:");
        if is_throttled(code) || firehose_busy || status == 429 {
            Error::Throttled { action, resource, retry_after: THROTTLED_PAUSE }
        } else if code == "ExpiredIteratorException" {
            Error::Expired
        } else if code == "ResourceNotFoundException" {
            Error::Missing { action, resource, message }
        } else if DENIED.contains(&code) {
            Error::Denied { action, resource, message }
        } else if status >= 500 {
            Error::Unavailable { action, resource, message }
        } else {
            Error::Invalid { action, resource, message }
        }
    }
}

/// An error and what caused it, on one line, without the debug output that the SDK's own display adds.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(action: &'static str, code: &str, status: u16) -> Error {
        Answer { code, message: "said so", status }.sort(action, "arn".into())
    }

    #[test]
    fn every_answer_finds_its_reaction() {
        let read = "kinesis:GetRecords";
        assert!(matches!(sorted(read, "ProvisionedThroughputExceededException", 400), Error::Throttled { .. }));
        assert!(matches!(sorted(read, "LimitExceededException", 400), Error::Throttled { .. }));
        assert!(matches!(sorted(read, "KMSThrottlingException", 400), Error::Throttled { .. }));
        assert!(matches!(sorted(read, "ExpiredIteratorException", 400), Error::Expired));
        assert!(matches!(sorted(read, "ResourceNotFoundException", 400), Error::Missing { .. }));
        assert!(matches!(sorted(read, "AccessDeniedException", 400), Error::Denied { .. }));
        assert!(matches!(sorted(read, "InternalFailure", 500), Error::Unavailable { .. }));
        assert!(matches!(sorted(read, "ValidationException", 400), Error::Invalid { .. }));
    }

    #[test]
    fn codes_are_found_in_bodies() {
        let body = br#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
        assert_eq!(code(body), "ThrottlingException");
        assert_eq!(code(br#"{"__type":"AccessDeniedException"}"#), "AccessDeniedException");
        assert_eq!((code(b"{}"), code(b"<html>")), (String::new(), String::new()));
    }

    #[test]
    fn a_busy_firehose_is_a_throttle_and_a_busy_table_is_an_unknown_fate() {
        let code = "ServiceUnavailableException";
        assert!(matches!(sorted("firehose:PutRecordBatch", code, 503), Error::Throttled { .. }));
        assert!(matches!(sorted("dynamodb:UpdateItem", code, 503), Error::Unavailable { .. }));
    }
}
