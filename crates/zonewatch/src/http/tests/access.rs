//! Who gets in, who does not, and what those are told.

use super::*;
use crate::config::Http;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use std::time::Instant;

const TOKEN: &str = "a-token-that-is-long-and-was-random";

async fn keyed() -> Served {
    let variables = [(TOKENS_VARIABLE, TOKEN), (USERS_VARIABLE, ALICE)];
    let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let credentials = Sources::new(&Http::default(), variables).follow(Duration::from_secs(60)).unwrap();
    start_behind(Guard::keyed(Keys::new(credentials)), people(view(), None, nobody(), ready())).await
}

pub(super) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{name}:{password}")))
}

impl Served {
    async fn ask_as(&self, path: &str, authorization: &str) -> String {
        self.ask_with(path, &format!("Authorization: {authorization}\r\n")).await
    }

    async fn ask_with(&self, path: &str, headers: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: zonewatch.example\r\n{headers}Connection: close\r\n\r\n"))
            .await
    }
}

/// A recorder of this test's thread, on which its server runs too.
pub(super) fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

pub(super) fn refusals(recorder: &PrometheusRecorder, reason: &str) -> u64 {
    let text = recorder.handle().render();
    let series = format!("zonewatch_http_refusals_total{{listener=\"people\",reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn every_path_wants_credentials_and_says_which() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = keyed().await;
    for path in
        ["/", "/assets/style.css", "/assets/live.js", "/api/v1/zones", "/api/v1/findings", "/nothing", "/metrics"]
    {
        let answer = served.ask_with(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        assert!(answer.contains("www-authenticate: Basic realm=\"zonewatch\", charset=\"UTF-8\"\r\n"), "{answer}");
        assert!(answer.contains("www-authenticate: Bearer realm=\"zonewatch\"\r\n"), "{answer}");
        assert_eq!(body(&answer), "authentication is needed\n");
    }
    assert_eq!(refusals(&recorder, "credentials"), 7);
    assert_eq!(refusals(&recorder, "attempts"), 0, "to ask without credentials is no attempt");
}

#[tokio::test]
async fn tokens_and_passwords_open_the_page_under_any_host() {
    let served = keyed().await;
    for right in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN}"), basic("alice", "correct horse")] {
        assert!(served.ask_as("/", &right).await.starts_with("HTTP/1.1 200 "), "{right}");
        assert!(served.ask_as("/api/v1/zones", &right).await.contains("a.test"), "{right}");
    }
    let two = format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert!(served.ask_with("/", &two).await.starts_with("HTTP/1.1 401 "), "which of two was checked?");
    for wrong in [
        "Bearer".into(),
        "Bearer wrong".into(),
        format!("Token {TOKEN}"),
        basic("alice", "wrong"),
        basic("bob", "correct horse"),
        "Basic !".into(),
    ] {
        assert!(served.ask_as("/", &wrong).await.starts_with("HTTP/1.1 401 "), "{wrong}");
    }
}

#[tokio::test]
async fn who_guesses_is_sent_away_and_who_is_known_is_not() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let served = keyed().await;
    assert!(served.ask_as("/", &basic("alice", "correct horse")).await.starts_with("HTTP/1.1 200 "));
    let begun = Instant::now();
    for guess in 0..10 {
        // Alternately, so that the test does not wait for ten passwords.
        let shown = if guess % 5 == 0 { basic("alice", "guess") } else { format!("Bearer guess-{guess}") };
        assert!(served.ask_as("/", &shown).await.starts_with("HTTP/1.1 401 "), "{guess}");
    }
    let (two_verified, begun) = (begun.elapsed(), Instant::now());
    for guess in 0..10 {
        let answer = served.ask_as("/", &basic("mallory", "guess")).await;
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: "), "{guess}: {answer}");
    }
    assert!(begun.elapsed() < two_verified, "of these ten none is verified: {:?}, {two_verified:?}", begun.elapsed());
    for known in [format!("Bearer {TOKEN}"), basic("alice", "correct horse")] {
        assert!(served.ask_as("/", &known).await.starts_with("HTTP/1.1 200 "), "the same address, and known");
    }
    assert_eq!((refusals(&recorder, "credentials"), refusals(&recorder, "attempts")), (10, 10));
}

#[tokio::test]
async fn a_password_costs_time_once() {
    let served = keyed().await;
    let right = basic("alice", "correct horse");
    let begun = Instant::now();
    assert!(served.ask_as("/", &right).await.starts_with("HTTP/1.1 200 "));
    let first = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..10 {
        assert!(served.ask_as("/", &right).await.starts_with("HTTP/1.1 200 "));
    }
    assert!(begun.elapsed() < first, "ten took {:?}, the first {first:?}", begun.elapsed());
}

#[tokio::test]
async fn many_logins_at_once_are_not_all_verified() {
    let served = Arc::new(keyed().await);
    let logins = (0..40).map(|at| {
        let served = Arc::clone(&served);
        // From addresses of their own, so that none is wrong too often.
        async move { served.ask_from(&format!("127.0.0.{}", at + 2), &basic("alice", "guess")).await }
    });
    let answers = futures_util::future::join_all(logins).await;
    let busy = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")).count();
    let wrong = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 401 ")).count();
    assert!(busy >= 30 && busy + wrong == 40, "{busy} were sent away and {wrong} were wrong");
}

impl Served {
    pub(super) async fn ask_from(&self, address: &str, authorization: &str) -> String {
        let mut stream = self.connect_from(address).await;
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn no_answer_repeats_what_was_asked_or_opens_it_to_other_origins() {
    let served = start(people(view(), None, nobody(), ready())).await;
    let evil = "evil%3Cscript%3E";
    for (line, headers) in [
        (format!("GET /{evil}"), ""),
        (format!("GET /api/v1/zones/{evil}"), ""),
        (format!("GET /../../etc/{evil}"), ""),
        (format!("GET /%2e%2e/%2e%2e/etc/{evil}"), ""),
        (format!("GET //{evil}/..;/"), ""),
        (format!("GET /?{evil}"), "Origin: https://evil.example\r\n"),
        (format!("POST /{evil}"), ""),
        (format!("OPTIONS /{evil}"), "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n"),
        (format!("GET /{evil}"), "X-Evil: evil\r\nUser-Agent: evil\r\nReferer: https://evil.example\r\n"),
        (format!("evil /{evil}"), ""),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
        let answer = served.send(&request).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 ") && !answer.contains("evil"), "{line}: {answer}");
        assert!(!answer.contains("access-control"), "{line}: {answer}");
        for header in [
            "content-security-policy: default-src 'none'",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: ",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            // The page's own files are kept, and asked about each time.
            if line.starts_with("GET /?") { "cache-control: no-cache" } else { "cache-control: no-store" },
        ] {
            assert!(answer.contains(&format!("\r\n{header}")), "{line}: {header} is missing: {answer}");
        }
    }
}

#[tokio::test]
async fn a_request_names_one_host_and_a_target_of_this_machine() {
    let served = start(people(view(), None, nobody(), ready())).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.0\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n", 421),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n", 200),
    ] {
        let answer = served.send(&format!("{request}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.starts_with("HTTP/1.0 200 "), "{answer}");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_and_nothing_else_is_a_method() {
    let served = start(people(view(), None, nobody(), ready())).await;
    let (get, head) = (served.ask("GET /assets/style.css").await, served.ask("HEAD /assets/style.css").await);
    assert!(head.starts_with("HTTP/1.1 200 ") && body(&head).is_empty() && !body(&get).is_empty());
    let length = format!("content-length: {}\r\n", body(&get).len());
    assert!(head.contains(&length), "{head}");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        for path in ["/", "/nothing"] {
            let answer = served.ask(&format!("{method} {path}")).await;
            assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
        }
    }
}
