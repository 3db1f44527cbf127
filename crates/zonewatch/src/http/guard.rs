//! What stands before every route of a listener: what a request may look like, who may ask, and the headers that keep
//! browsers strict. A route cannot forget it, since the server puts it in front.
//!
//! Nothing that is answered here repeats anything of the request.

use super::keys::Keys;
use super::peer::Peer;
use super::refusal::{Listener, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Path and query at most: the longest zone name with every byte escaped, and as much again.
const URI_BYTES_MAX: usize = 4 << 10;

/// Everything of the page is our own file; nothing runs inline and nothing is loaded from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// No page needs any of these, whatever is one day put into one.
const PERMISSIONS_POLICY: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
     magnetometer=(), microphone=(), payment=(), usb=()";

/// No `access-control-*` is among them: no other origin may read anything.
const HEADERS: [(header::HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    // What a page shows depends on who asks; `no-store` says so to caches that know it, and this to the others.
    (header::VARY, "authorization"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
];

/// See the module.
#[derive(Clone)]
pub struct Guard {
    listener: Listener,
    access: Access,
}

#[derive(Clone)]
enum Access {
    /// What everybody who reaches the listener may see.
    Everybody,
    /// The same, but not by the browser of somebody else: any web page can give a name of its own the address 127.0.0.1.
    OwnHosts,
    /// Who shows credentials. A foreign page has none for its own name, so any name will do.
    Keys(Arc<Keys>),
}

impl Guard {
    /// Of the operations listener: names of zones that are yours, and of nothing that somebody asked for.
    pub fn operations() -> Self {
        Self { listener: Listener::Operations, access: Access::Everybody }
    }

    /// Of the people's listener, without authentication.
    pub fn open() -> Self {
        Self { listener: Listener::People, access: Access::OwnHosts }
    }

    /// Of the people's listener.
    pub fn keyed(keys: Keys) -> Self {
        Self { listener: Listener::People, access: Access::Keys(Arc::new(keys)) }
    }

    /// Whose refusals are counted.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// Puts itself in front of every route.
    pub fn before(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, guarded))
    }

    async fn look_at(&self, request: &Parts) -> Result<(), (Refusal, Option<Duration>)> {
        if let Some(refusal) = shape(request) {
            return Err((refusal, None));
        }
        match &self.access {
            Access::Everybody => Ok(()),
            Access::OwnHosts if names_own_host(request) => Ok(()),
            Access::OwnHosts => Err((Refusal::ForeignHost, None)),
            Access::Keys(keys) => {
                let peer = request.extensions.get::<Peer>().expect("the server says who asks");
                keys.admit(*peer, &request.headers).await
            }
        }
    }

    fn refuse(&self, refusal: Refusal, pause: Option<Duration>) -> Response {
        refusal.count(self.listener);
        let (status, text) = refusal.answer().expect("what the guard refuses, it answers");
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        let mut response = (status, plain, Body::from(text)).into_response();
        let headers = response.headers_mut();
        if let Some(pause) = pause {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs() + 1));
        }
        match (refusal, &self.access) {
            (Refusal::Method, _) => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            // Whatever follows on this connection may be the body, so nothing that follows is a request.
            (Refusal::Body, _) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            (Refusal::Credentials, Access::Keys(keys)) => {
                for challenge in keys.credentials().challenges() {
                    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
            }
            _ => {}
        }
        response
    }
}

async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let mut response = match guard.look_at(&head).await {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err((refusal, pause)) => guard.refuse(refusal, pause),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // The page's own files are the same for everybody and say themselves how they may be kept; what is said of zones is kept
    // by nobody.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What is wrong with a request, whoever asks. A body comes first: it decides whether the connection may go on.
fn shape(request: &Parts) -> Option<Refusal> {
    let headers = &request.headers;
    if has_body(headers) {
        return Some(Refusal::Body);
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Some(Refusal::Method);
    }
    if request.uri.path_and_query().is_some_and(|asked| asked.as_str().len() > URI_BYTES_MAX) {
        return Some(Refusal::Uri);
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    let is_named = hosts == 1 || (hosts == 0 && request.version == Version::HTTP_10);
    (!is_named).then_some(Refusal::NoHost)
}

fn has_body(headers: &HeaderMap) -> bool {
    let says_more = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
    says_more || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether a request names this machine: in its Host, and in its target, if that is a whole address.
fn names_own_host(request: &Parts) -> bool {
    let host = request.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let target = request.uri.authority().map(|authority| authority.as_str());
    host.into_iter().chain(target).all(is_own)
}

/// Whether a host is one that no foreign web page can have: an address, or a name that is always this machine.
fn is_own(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}
