//! What a login costs whom: who is known, for how long, and which attempts count.

use super::access::basic;
use super::*;
use crate::config::Http;
use crate::http::peer::Peer;
use axum::http::{HeaderMap, HeaderValue};
use futures_util::future::{FutureExt, join_all};
use std::sync::Arc;

/// `battery staple`, by the C library's crypt(3).
const ALICE_LATER: &str = "alice:$2y$10$abcdefghijklmnopqrstuu7TafERl.LoW8ZdGXwj1GJdO0M45b/5W";

/// What a file of users says.
fn users(text: &str) -> Arc<credentials::Credentials> {
    let variables = [(USERS_VARIABLE.to_owned(), text.to_owned())];
    Arc::new(Sources::new(&Http::default(), variables).load().unwrap())
}

/// Keys of this file, and what replaces it.
fn keys(text: &str) -> (Keys, watch::Sender<Arc<credentials::Credentials>>) {
    let (replace, followed) = watch::channel(users(text));
    (Keys::new(followed), replace)
}

fn peer(last: u8) -> Peer {
    Peer::of(SocketAddr::from(([192, 0, 2, last], 1)))
}

fn shows(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

/// What comes of a password of alice's: `None` if it is right.
async fn refusal(keys: &Keys, peer: Peer, password: &str) -> Option<Refusal> {
    keys.admit(peer, &shows(&basic("alice", password))).await.err().map(|(refusal, _)| refusal)
}

/// How many attempts this peer has left; they are used up.
async fn left(keys: &Keys, peer: Peer) -> usize {
    let mut left = 0;
    while keys.admit(peer, &shows("Bearer guess")).await.err().unwrap().0 != Refusal::Attempts {
        left += 1;
    }
    left
}

#[tokio::test]
async fn who_is_known_at_one_address_guesses_at_no_other() {
    let (keys, _replace) = keys(ALICE);
    let served = start_behind(Guard::keyed(keys), people(view(), None, nobody(), ready())).await;
    let right = basic("alice", "correct horse");
    assert!(served.ask_from("127.0.0.2", &right).await.starts_with("HTTP/1.1 200 "));
    for address in ["127.0.0.2", "127.0.0.3"] {
        for _ in 0..10 {
            assert!(served.ask_from(address, "Bearer guess").await.starts_with("HTTP/1.1 401 "), "{address}");
        }
    }
    let answer = served.ask_from("127.0.0.3", &right).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "which guess is right is told to nobody who guesses: {answer}");
    assert!(served.ask_from("127.0.0.2", &right).await.starts_with("HTTP/1.1 200 "), "who logged in is not kept out");
}

#[tokio::test]
async fn who_is_sent_away_since_others_log_in_has_lost_no_attempt() {
    let (keys, _replace) = keys(ALICE);
    let others = join_all((0..8).map(|last| refusal(&keys, peer(100 + last), "guess")));
    let sent_away = async {
        for _ in 0..30 {
            assert_eq!(refusal(&keys, peer(1), "correct horse").await, Some(Refusal::Busy));
        }
    };
    let (others, ()) = tokio::join!(others, sent_away);
    assert_eq!(others, vec![Some(Refusal::Credentials); 8]);
    assert_eq!(left(&keys, peer(1)).await, 10);
}

#[tokio::test]
async fn who_goes_away_has_lost_an_attempt_only_if_it_was_wrong() {
    let (keys, _replace) = keys(ALICE);
    let go_away = |last, password| {
        let login = refusal(&keys, peer(last), password).now_or_never();
        assert_eq!(login, None, "{password} is verified, or waits for it");
    };
    for round in 0..4 {
        go_away(10 + round, "correct horse");
        // Behind the one above, and never verified.
        go_away(1, "guess");
        // One at a time: when this one is verified, so are all before it.
        assert_eq!(refusal(&keys, peer(100), "guess").await, Some(Refusal::Credentials));
        go_away(2, "guess");
        assert_eq!(refusal(&keys, peer(100), "guess").await, Some(Refusal::Credentials));
    }
    for who_was_right in 10..14 {
        assert_eq!(left(&keys, peer(who_was_right)).await, 10);
    }
    assert_eq!(left(&keys, peer(1)).await, 10);
    assert_eq!(left(&keys, peer(2)).await, 6, "whoever could take guesses back would never run out of them");
}

#[tokio::test]
async fn who_is_taken_out_or_has_another_password_is_known_no_longer() {
    let bob = ALICE.replace("alice", "bob");
    let (keys, replace) = keys(ALICE);
    let served = start_behind(Guard::keyed(keys), people(view(), None, nobody(), ready())).await;
    let right = basic("alice", "correct horse");
    assert!(served.ask_from("127.0.0.2", &right).await.starts_with("HTTP/1.1 200 "));
    for (text, which) in [(ALICE_LATER, "another password"), (&bob, "taken out")] {
        replace.send(users(text)).unwrap();
        assert!(served.ask_from("127.0.0.2", &right).await.starts_with("HTTP/1.1 401 "), "{which}");
        replace.send(users(ALICE)).unwrap();
        assert!(served.ask_from("127.0.0.2", &right).await.starts_with("HTTP/1.1 200 "), "{which}, and back again");
    }
}

#[tokio::test]
async fn a_password_is_as_long_as_bcrypt_looks_and_no_longer() {
    // Hashes of the first 71 and 72 bytes, by crypt(3).
    let text = "correct horse battery staple ".repeat(3);
    let (keys, replace) = keys("alice:$2y$10$abcdefghijklmnopqrstuuqSlSv7AWhCWe43hjNQt7jNpqUhHVPmq");
    assert_eq!(refusal(&keys, peer(1), &text[..71]).await, None);
    replace.send(users("alice:$2y$10$abcdefghijklmnopqrstuuFbRN1dWiNk9JEaLLzkFVCPaDXzUZf9K")).unwrap();
    for too_long in [&text[..72], &text[..73], &format!("{}x", &text[..72])] {
        assert_eq!(refusal(&keys, peer(1), too_long).await, Some(Refusal::Credentials), "{too_long}");
    }
}
