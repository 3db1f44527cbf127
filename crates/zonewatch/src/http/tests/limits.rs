//! What clients may not do to each other, or to the worker: each limit over a real socket, and counted.

use super::access::{recorder, refusals};
use super::*;
use metrics_exporter_prometheus::PrometheusRecorder;
use std::time::Instant;

/// As in a worker, but nothing takes long.
const QUICK: server::Limits = server::Limits {
    connections_max: 6,
    peer_connections_max: 3,
    head_max: Duration::from_millis(400),
    standstill_max: Duration::from_millis(400),
    age_max: Duration::from_secs(20),
};

const GET: &[u8] = b"GET /assets/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn quick() -> Served {
    start_within(QUICK, Guard::open(), people(view(), None, nobody(), ready())).await
}

/// Whether a connection answers a request.
async fn answers(stream: &mut TcpStream) -> bool {
    let mut first = [0; 15];
    let _ = stream.write_all(GET).await;
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut first)).await;
    read.is_ok_and(|read| read.is_ok()) && &first == b"HTTP/1.1 200 OK"
}

/// How long it takes until the server ends a connection.
async fn ended(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await.expect("it ends");
    begun.elapsed()
}

/// Waits for a connection that ended to be counted.
async fn counted(recorder: &PrometheusRecorder, reason: &str) -> u64 {
    for _ in 0..500 {
        if refusals(recorder, reason) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    refusals(recorder, reason)
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = start(people(view(), None, nobody(), ready())).await;
    let answer = served.send(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let headers: String = (0..100).map(|at| format!("X{at}: x\r\n")).collect();
    let answer = served.send(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(refusals(&recorder, "head_too_large"), 2);
    let answer = served.send("\u{16}\u{3}\u{1} TLS?\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(refusals(&recorder, "malformed"), 1);
}

#[tokio::test]
async fn a_long_path_or_query_is_refused() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = start(people(view(), None, nobody(), ready())).await;
    for path in [format!("/{}", "x".repeat(5_000)), format!("/?{}", "x".repeat(5_000))] {
        let answer = served.ask(&format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.1 414 ") && !answer.contains("xxx"), "{answer}");
    }
    assert!(served.ask(&format!("GET /?{}", "x".repeat(4_000))).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(refusals(&recorder, "uri"), 2);
}

#[tokio::test]
async fn a_body_is_refused_and_nothing_behind_it_is_a_request() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = start(people(view(), None, nobody(), ready())).await;
    let smuggled = "GET /api/v1/zones HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        format!("Content-Length: {}", smuggled.len()),
        "Content-Length: 1000000000".into(),
        "Transfer-Encoding: chunked".into(),
        // Two servers that read these differently see different requests: whichever is right, the connection ends.
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", smuggled.len()),
        "Transfer-Encoding: chunked, identity".into(),
        "Transfer-Encoding : chunked".into(),
        "Content-Length: 0\r\nContent-Length: 5".into(),
        "Content-Length: +5".into(),
    ] {
        for method in ["GET", "POST"] {
            let head = format!("{method} /assets/icon.svg HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n0\r\n\r\n");
            let answer = served.send(&format!("{head}{smuggled}")).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
            assert!(answer.starts_with("HTTP/1.1 413 ") || answer.starts_with("HTTP/1.1 400 "), "{framing}: {answer}");
            assert!(!answer.contains("a.test"), "{framing}: {answer}");
        }
    }
    assert!(refusals(&recorder, "body") >= 6 && refusals(&recorder, "malformed") >= 2);
    assert!(served.ask("GET / HTTP/1.1\r\nContent-Length: 0\r\nX:").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn one_address_leaves_places_for_the_others() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let limits = server::Limits { head_max: Duration::from_secs(60), ..QUICK };
    let served = start_within(limits, Guard::open(), people(view(), None, nobody(), ready())).await;
    let mut greedy = Vec::new();
    for _ in 0..20 {
        greedy.push(served.connect_from("127.0.0.2").await);
    }
    let mut open = 0;
    for stream in &mut greedy {
        open += usize::from(answers(stream).await);
    }
    assert_eq!(open, 3, "of one address");
    assert!(answers(&mut served.connect_from("127.0.0.3").await).await, "another address is served");
    assert_eq!(refusals(&recorder, "peer_connections"), 17);
    drop(greedy);
    for _ in 0..20 {
        assert!(answers(&mut served.connect_from("127.0.0.2").await).await, "places are given back");
    }
}

#[tokio::test]
async fn when_all_places_are_taken_the_next_one_waits() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = start_within(QUICK, Guard::open(), people(view(), None, nobody(), ready())).await;
    let mut silent = Vec::new();
    for at in 0..6 {
        silent.push(served.connect_from(&format!("127.0.0.{}", 2 + at / 3)).await);
    }
    let begun = Instant::now();
    assert!(answers(&mut served.connect_from("127.0.0.9").await).await);
    // The silent ones are cut meanwhile.
    assert!(begun.elapsed() > Duration::from_millis(100), "{:?}", begun.elapsed());
    assert!(refusals(&recorder, "connections") >= 1);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_and_an_idle_connection_only_ends() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = quick().await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    assert!(answers(&mut idle).await);
    assert!(ended(&mut idle).await < Duration::from_secs(2));
    assert_eq!(refusals(&recorder, "slow_head"), 0);

    let (mut read, mut write) = TcpStream::connect(served.address).await.unwrap().into_split();
    let begun = Instant::now();
    let dribble = tokio::spawn(async move {
        for byte in GET.iter().cycle().take(2_000).filter(|byte| **byte != b'\n') {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let _ = read.read_to_end(&mut Vec::new()).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    dribble.abort();
    assert_eq!(counted(&recorder, "slow_head").await, 1);
}

#[tokio::test]
async fn a_reader_that_takes_a_byte_a_second_is_cut() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    // More than the system keeps for a connection.
    let large = Router::new().route("/", get(|| async { "x".repeat(32 << 20) }));
    let served = start_within(QUICK, Guard::open(), large).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut slow = socket.connect(served.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    // What has arrived at its end it may read for as long as it likes; the server is rid of it.
    while refusals(&recorder, "slow_reader") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still served");
        slow.read_exact(&mut [0]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut rest = Vec::new();
    let ended = slow.read_to_end(&mut rest).await.map_err(|error| error.kind());
    assert!(ended == Err(std::io::ErrorKind::ConnectionReset) && rest.len() < 1 << 20, "{ended:?} {}", rest.len());

    let mut quick = TcpStream::connect(served.address).await.unwrap();
    quick.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    quick.read_to_end(&mut all).await.unwrap();
    assert!(all.len() > 32 << 20, "who reads gets all of it");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn_and_not_ahead_of_the_reader() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = quick().await;
    let last = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = served.send(&format!("{0}{0}{last}", String::from_utf8_lossy(GET))).await;
    let statuses: Vec<&str> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);

    // Asks without end and never reads: the answers stand still, and so does what is asked.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut deaf = socket.connect(served.address).await.unwrap();
    let begun = Instant::now();
    while deaf.write_all(b"GET /assets/style.css HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still served");
    }
    assert_eq!(counted(&recorder, "slow_reader").await, 1);
}
