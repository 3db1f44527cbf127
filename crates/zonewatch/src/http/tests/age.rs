//! How a connection ends that has lived for long enough, whatever is asked on it.

use super::access::{recorder, refusals};
use super::*;
use futures_util::future::join_all;
use std::time::Instant;

/// Nothing but age ends a connection.
fn aging(age_max: Duration) -> server::Limits {
    let long = Duration::from_secs(60);
    server::Limits { head_max: long, standstill_max: long, age_max, ..server::Limits::default() }
}

const ICON: &[u8] = b"GET /assets/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n";
const EVENTS: &[u8] = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_connection_ends_however_often_it_is_asked_on() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let age_max = Duration::from_millis(300);
    let served = start_within(aging(age_max), Guard::open(), people(view(), None, nobody(), ready())).await;
    let (begun, mut answers) = (Instant::now(), 0);
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    let mut bytes = [0; 64 << 10];
    while busy.write_all(ICON).await.is_ok() && busy.read(&mut bytes).await.is_ok_and(|count| count > 0) {
        answers += 1;
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still served");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() >= age_max && answers > 1, "{answers} answers in {:?}", begun.elapsed());
    assert_eq!(refusals(&recorder, "slow_reader"), 0, "it took all of its answers");
}

#[tokio::test]
async fn an_answer_that_is_not_taken_by_the_end_is_cut_and_counted() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    // More than the system keeps for a connection.
    let large = Router::new().route("/", get(|| async { "x".repeat(32 << 20) }));
    let served = start_within(aging(Duration::from_millis(300)), Guard::open(), large).await;
    let mut deaf = TcpStream::connect(served.address).await.unwrap();
    deaf.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    while refusals(&recorder, "slow_reader") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still served, or counted nowhere");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refusals(&recorder, "slow_reader"), 1);
}

#[tokio::test]
async fn events_end_well_before_their_connection_is_cut() {
    let age_max = Duration::from_millis(2_500);
    let served = start_within(aging(age_max), Guard::open(), people(view(), None, nobody(), ready())).await;
    // On a new connection, on one that was used before, and on one that is nearly too old.
    let pages = [0, 700, 2_100].map(|used_ms| {
        let address = served.address;
        async move {
            let begun = Instant::now();
            let mut page = TcpStream::connect(address).await.unwrap();
            page.write_all(ICON).await.unwrap();
            page.read_exact(&mut [0; 15]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(used_ms)).await;
            page.write_all(EVENTS).await.unwrap();
            let mut said = Vec::new();
            page.read_to_end(&mut said).await.unwrap();
            (used_ms, begun.elapsed(), String::from_utf8(said).unwrap())
        }
    });
    for (used_ms, lived, said) in join_all(pages).await {
        assert!(said.contains("event: changed"), "{used_ms}: it was told: {said}");
        assert!(said.ends_with("\r\n0\r\n\r\n"), "{used_ms}: the answer has an end: {said}");
        assert!(said.contains("connection: close\r\n"), "{used_ms}: the next one comes on another connection: {said}");
        assert!(said.contains("cache-control: no-store\r\n"), "{used_ms}: {said}");
        assert!(lived < age_max, "{used_ms}: {lived:?}");
    }
}
