//! Why a caller gets no answer to its question: a closed set, counted by listener.

use crate::telemetry;
use axum::http::StatusCode;

/// Which of the two listeners. The texts are a closed set: metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// `/metrics`, `/healthz`, `/readyz`.
    Operations,
    /// The status page and its API.
    People,
}

impl Listener {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Operations, Self::People];

    /// The listener as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::People => "people",
        }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $label:literal $($status:ident $text:literal)?;)+) => {
        /// Why a request or connection was refused. The labels are a closed set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Refusal { $($(#[$doc])* $variant),+ }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The refusal as a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// What the guard answers, in words that repeat nothing of the request; `None` where the connection ends.
            pub fn answer(self) -> Option<(StatusCode, &'static str)> {
                match self { $(Self::$variant => [$((StatusCode::$status, $text))?].first().copied()),+ }
            }
        }
    };
}

refusals! {
    /// A method other than GET and HEAD.
    Method = "method" METHOD_NOT_ALLOWED "nothing here can be changed: GET and HEAD only\n";
    /// A request with a body.
    Body = "body" PAYLOAD_TOO_LARGE "a request here has no body\n";
    /// A path and query over the limit.
    Uri = "uri" URI_TOO_LONG "the path and query are too long\n";
    /// Not exactly one Host.
    NoHost = "no_host" BAD_REQUEST "a request names one host\n";
    /// A Host that a foreign web page may have.
    ForeignHost = "foreign_host" MISDIRECTED_REQUEST
        "this page answers to localhost and to IP addresses only; a proxy has to set the Host header so\n";
    /// None, or wrong ones.
    Credentials = "credentials" UNAUTHORIZED "authentication is needed\n";
    /// Wrong ones too often.
    Attempts = "attempts" TOO_MANY_REQUESTS "too many wrong credentials from this address; try again later\n";
    /// More passwords to verify at once than are looked at.
    Busy = "busy" SERVICE_UNAVAILABLE "too many logins at once; try again\n";
    /// A head of too many bytes or headers, which hyper answers with 431.
    HeadTooLarge = "head_too_large";
    /// What is no HTTP/1, which hyper answers with 400.
    Malformed = "malformed";
    /// A head that does not come to its end.
    SlowHead = "slow_head";
    /// An answer that stands still, or is not taken by the end of its connection.
    SlowReader = "slow_reader";
    /// One connection more than a peer may have.
    PeerConnections = "peer_connections";
    /// All connections were in use, so that whoever came next, if anybody did, had to wait.
    Connections = "connections";
}

impl Refusal {
    /// Counts it.
    pub fn count(self, listener: Listener) {
        let labels = [("listener", listener.as_str()), ("reason", self.as_str())];
        metrics::counter!(telemetry::HTTP_REFUSALS_TOTAL, &labels).increment(1);
    }
}
