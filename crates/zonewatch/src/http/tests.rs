//! Both listeners, asked over real sockets.

mod access;
mod age;
mod limits;
mod logins;

use super::*;
use crate::clock::Clock;
use crate::telemetry;
use detect::Digest;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// `correct horse`, by the C library's crypt(3).
pub(super) const ALICE: &str = "alice:$2y$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu";

pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) stop: watch::Sender<bool>,
    pub(super) task: tokio::task::JoinHandle<()>,
}

pub(super) async fn start(router: Router) -> Served {
    start_behind(Guard::open(), router).await
}

async fn start_behind(guard: Guard, router: Router) -> Served {
    start_within(server::Limits::default(), guard, router).await
}

async fn start_within(limits: server::Limits, guard: Guard, router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    Served { address, stop, task: tokio::spawn(server::serve_within(limits, listener, router, guard, stopped)) }
}

impl Served {
    /// The whole answer to a request of one line.
    pub(super) async fn ask(&self, line: &str) -> String {
        self.send(&format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)).await
    }

    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A refused request may be answered by a reset behind the answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

pub(super) fn ready() -> Ready {
    Arc::new(|| Ok(()))
}

/// A fleet whose tables nobody looks at.
pub(super) fn nobody() -> Arc<FleetWorkers> {
    let title = Title { app: "app".into(), worker: "w<1>".into(), stream: "logs".into() };
    Arc::new(FleetWorkers::new(title, Vec::new(), Clock::real()))
}

pub(super) fn view() -> Arc<View> {
    let view = View::new(1, Clock::real(), Duration::from_secs(10));
    let mut digest = Digest::new(detect::Limits::default(), 1);
    let (a, nx) = (dnslog::QueryType::A, dnslog::ResponseCode::NxDomain);
    digest.add("Z1", "a.test", "<script>alert(1)</script>.a.test", a, nx, 0);
    digest.add("Z1", "a.test", "\u{202e}www.a.test", dnslog::QueryType::Aaaa, dnslog::ResponseCode::NoError, 0);
    let mut rejects = vec![0; dnslog::Reason::ALL.len()];
    rejects[dnslog::Reason::TruncatedGzip as usize] = 3;
    view.observed(&digest, &rejects);
    Arc::new(view)
}

pub(super) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn operations_answer_what_prometheus_and_the_orchestrator_ask() {
    let exposition = Exposition::isolated(|| {
        metrics::counter!(telemetry::QUERIES_TOTAL, "zone" => "a.test", "rcode" => "NOERROR").increment(7);
    });
    let reason = Arc::new(std::sync::Mutex::new(None::<String>));
    let answer = Arc::clone(&reason);
    let ready: Ready = Arc::new(move || answer.lock().unwrap().clone().map_or(Ok(()), Err));
    let served = start_behind(Guard::operations(), operations(exposition, ready)).await;

    let metrics = served.ask("GET /metrics").await;
    assert!(
        metrics.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{metrics}"
    );
    assert!(metrics.contains("zonewatch_queries_total{zone=\"a.test\",rcode=\"NOERROR\"} 7\n"), "{metrics}");
    assert!(served.ask("GET /healthz").await.ends_with("alive\n"));
    assert!(served.ask("GET /readyz").await.starts_with("HTTP/1.1 200 "));
    *reason.lock().unwrap() = Some("the lease table does not answer".into());
    let unready = served.ask("GET /readyz").await;
    assert!(unready.starts_with("HTTP/1.1 503 ") && unready.ends_with("not ready: the lease table does not answer\n"));
    assert!(served.ask("GET /healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(served.ask("POST /metrics").await.starts_with("HTTP/1.1 405 "));
    assert!(served.ask("GET /").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn the_page_is_our_own_files_under_a_strict_policy() {
    let served = start(people(view(), None, nobody(), ready())).await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/zones/", "text/html"),
        ("/zones", "text/html"),
        ("/findings/", "text/html"),
        ("/map/", "text/html"),
        ("/fleet/", "text/html"),
        ("/assets/style.css", "text/css"),
        ("/assets/overview.js", "text/javascript"),
        ("/assets/land.svg", "image/svg+xml"),
    ] {
        let answer = served.ask(&format!("GET {path}")).await;
        let lower = answer.to_ascii_lowercase();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && lower.contains(&format!("content-type: {kind}")),
            "{path}"
        );
        assert!(lower.contains("content-security-policy: default-src 'none';") && lower.contains("nosniff"), "{path}");
        assert!(lower.contains("cache-control: no-cache\r\n") && lower.contains("etag: \""), "{path}: {answer}");
    }
    let answer = served.ask("GET /api/v1/zones").await.to_ascii_lowercase();
    assert!(answer.contains("cache-control: no-store\r\n"), "what is said of zones is kept by nobody: {answer}");
    let lost = served.ask("GET /nothing").await;
    for page in ["/", "/zones/", "/findings/", "/map/", "/fleet/"] {
        assert!(lost.contains(&format!(" {page},")), "who is lost is told of {page}: {lost}");
    }
    for elsewhere in ["/assets/../mod.rs", "/assets/nothing.js", "/page.js", "/zones/example.com"] {
        assert!(served.ask(&format!("GET {elsewhere}")).await.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    }
}

#[tokio::test]
async fn the_api_says_the_same_as_json() {
    let served = start(people(view(), None, nobody(), Arc::new(|| Err("draining".into())))).await;
    let answer = served.ask("GET /api/v1/zones").await;
    let zones: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    let zone = &zones["zones"][0];
    assert_eq!((&zones["version"], &zone["zone"], &zone["zone_id"]), (&1.into(), &"a.test".into(), &"Z1".into()));
    assert_eq!(zone["response_codes"], json!({"NOERROR": 1, "NXDOMAIN": 1}));
    assert_eq!(zone["types"], json!({"A": 1, "AAAA": 1}));
    assert_eq!((&zone["queries"], &zone["distinct_names"]), (&2.into(), &2.into()));
    assert_eq!(
        (&zones["scope"], &zones["windows_until"], &zones["slot_ms"]),
        (&"worker".into(), &json!(null), &10_000.into())
    );
    assert_eq!((&zone["nxdomain_share"], &zone["score"], &zone["findings"]), (&0.5.into(), &json!(null), &0.into()));
    let minutes = zone["minutes"].as_array().unwrap();
    assert_eq!((minutes.len(), &minutes[0][1]), (1, &2.into()), "the worker has lived in one slot");
    assert!((0..10_000).contains(&(zones["time_ms"].as_i64().unwrap() - minutes[0][0].as_i64().unwrap())), "{zones}");
    assert!(zone["top_names"].to_string().contains(r"\\u{202e}www"), "{zone}");
    let answer = served.ask("GET /api/v1/fleet").await;
    let fleet: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    let worker = &fleet["workers"][0];
    assert_eq!((&worker["ready"], &worker["not_ready_because"]), (&false.into(), &"draining".into()));
    assert_eq!(worker["rejects"], json!({"truncated_gzip": 3}));
}

#[tokio::test]
async fn a_page_of_a_foreign_name_gets_nothing() {
    let served = start(people(view(), None, nobody(), ready())).await;
    for (host, status) in [
        ("localhost:9465", 200),
        ("127.0.0.1", 200),
        ("[::1]:9465", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:9465", 421),
        ("", 421),
    ] {
        let answer =
            served.send(&format!("GET /api/v1/zones HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        assert_eq!(answer.contains("a.test"), status == 200, "{host}");
    }
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_the_listener() {
    let served = start(people(view(), None, nobody(), ready())).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /assets/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    served.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(1), served.task).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_says_which_key_chose_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let message = bind(taken.local_addr().unwrap(), "http.people").await.unwrap_err();
    assert!(message.contains("(http.people)") && message.contains("choose another"), "{message}");
}
