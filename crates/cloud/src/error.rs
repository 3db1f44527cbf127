//! Why a call failed, sorted by what its caller does about it.

use lease::Lease;
use std::fmt;
use std::time::Duration;

/// Why a call failed. One variant per reaction of the caller; each says which action on which resource.
///
/// Actions are spelled as IAM does (`kinesis:GetRecords`) and resources are ARNs where the adapter knows the region, so
/// that a message can be pasted into a policy. An account that is not known is `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Refused for now, before it took effect. The same call is right after this pause.
    Throttled {
        /// What was called.
        action: &'static str,
        /// On what.
        resource: String,
        /// The shortest sensible pause; a caller that is refused again waits longer.
        retry_after: Duration,
    },
    /// No answer, or one that says nothing. A write may have taken effect.
    Unavailable {
        /// What was called.
        action: &'static str,
        /// On what.
        resource: String,
        /// What was seen.
        message: String,
    },
    /// The caller may not do this. Nothing will change until a person acts: name the action and the resource.
    Denied {
        /// What was called.
        action: &'static str,
        /// On what.
        resource: String,
        /// What the service said.
        message: String,
    },
    /// The stream, table or shard is not there.
    Missing {
        /// What was called.
        action: &'static str,
        /// On what.
        resource: String,
        /// What the service said.
        message: String,
    },
    /// The iterator is too old; make a new one from the last position.
    Expired,
    /// The call itself is wrong, or its answer cannot be used. Sending it again is pointless.
    Invalid {
        /// What was called.
        action: &'static str,
        /// On what.
        resource: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl Error {
    /// Whether a person must act before the same call can succeed.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Missing { .. } | Self::Invalid { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled { action, resource, retry_after } => write!(
                formatter,
                "{action} on {resource}: throttled, call again after {} ms; raise the limit if this lasts",
                retry_after.as_millis()
            ),
            Self::Unavailable { action, resource, message } => {
                write!(formatter, "{action} on {resource}: no usable answer ({message}); it is safe to look again")
            }
            Self::Denied { action, resource, message } => write!(
                formatter,
                "{action} on {resource}: access denied ({message}); allow this action on this resource for the role in use"
            ),
            Self::Missing { action, resource, message } => write!(
                formatter,
                "{action} on {resource}: not found ({message}); check the name, the region and the account, or create it"
            ),
            Self::Expired => formatter
                .write_str("kinesis:GetRecords: the shard iterator is too old; make one from the last position"),
            Self::Invalid { action, resource, message } => write!(formatter, "{action} on {resource}: {message}"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a lease write did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The condition does not hold. The row as it is (`None`: there is none).
    Refused(Option<Box<Lease>>),
    /// Not written, or nobody knows: see the error. [`Error::Unavailable`] means unknown: read the row and believe it.
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(None) => formatter.write_str("write lease: refused, there is no such row; create it first"),
            Self::Refused(Some(row)) => {
                let owner = row.owner.as_ref().map_or("nobody", |owner| owner.as_str());
                write!(
                    formatter,
                    "write lease {}: refused, the row is {owner}'s at counter {}; go on from that row",
                    row.key, row.counter
                )
            }
            Self::Failed(error) => write!(formatter, "write lease: {error}"),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_action_and_the_arn() {
        let error = Error::Denied {
            action: "kinesis:GetRecords",
            resource: "arn:aws:kinesis:eu-west-1:*:stream/queries".into(),
            message: "no policy allows it".into(),
        };
        let text = error.to_string();
        assert!(
            text.starts_with("kinesis:GetRecords on arn:aws:kinesis:eu-west-1:*:stream/queries: access denied"),
            "{text}"
        );
        assert!(!text.ends_with('.'));
    }
}
