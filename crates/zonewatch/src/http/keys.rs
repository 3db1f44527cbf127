//! Whether a caller has shown who they are.
//!
//! A right token, and a password that was right before from the same peer, always pass, so that whoever guesses beside them
//! keeps nobody out. Other passwords are slow to verify: one at a time, a few wait, the rest are sent away, and each peer may be
//! wrong only so often.

use super::attempts::{Attempt, Attempts};
use super::credentials::{Credentials, sha256};
use super::peer::Peer;
use super::refusal::Refusal;
use crate::minutely::Minutely;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

/// Logins that are remembered; the oldest is forgotten first, and is slow once more.
const KNOWN_MAX: usize = 64;
/// Logins that are verified or wait for it. At half a second each, the last one waits four.
const LOGINS_MAX: usize = 8;
/// bcrypt takes no more into account; a longer password would be right with any end.
const PASSWORD_BYTES_MAX: usize = 71;

/// The keys of one listener.
pub struct Keys {
    credentials: watch::Receiver<Arc<Credentials>>,
    attempts: Arc<Attempts>,
    known: Arc<Known>,
    logins: Arc<Semaphore>,
    /// Whose password is verified: one at a time, since the cores are there for the worker's own work.
    turn: Arc<Semaphore>,
    started: Instant,
    told: Minutely,
}

/// Why somebody is sent away, and how long to stay away.
pub type Refused = (Refusal, Option<Duration>);

impl Keys {
    /// Follows these credentials.
    pub fn new(credentials: watch::Receiver<Arc<Credentials>>) -> Self {
        Self {
            credentials,
            attempts: Arc::default(),
            known: Arc::default(),
            logins: Arc::new(Semaphore::new(LOGINS_MAX)),
            turn: Arc::new(Semaphore::new(1)),
            started: Instant::now(),
            told: Minutely::default(),
        }
    }

    /// The credentials of now.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.borrow())
    }

    /// Whether these headers show credentials.
    pub async fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Refused> {
        let credentials = self.credentials();
        // Nothing shown is how a browser begins; it is no attempt.
        if !headers.contains_key(header::AUTHORIZATION) {
            return Err((Refusal::Credentials, None));
        }
        let shown = Shown::of(headers);
        match &shown {
            Some(Shown::Token(token)) if credentials.has_token(token) => return Ok(()),
            Some(Shown::Password(name, password)) if self.is_known(&credentials, peer, name, password) => return Ok(()),
            _ => {}
        }
        let attempt = Attempt::take(&self.attempts, peer, self.started.elapsed()).map_err(|pause| {
            if self.told.is_due(self.started.elapsed()) {
                warn!(%peer, "wrong credentials are shown too often; those who are known still pass");
            }
            (Refusal::Attempts, Some(pause))
        })?;
        if let Some(Shown::Password(name, password)) = shown
            && password.len() <= PASSWORD_BYTES_MAX
            && let Some((hash, exists)) = credentials.password_of(&name)
        {
            let login = Login { peer, hash: hash.to_owned(), exists, password };
            return self.verify(login, attempt).await;
        }
        attempt.spend();
        Err((Refusal::Credentials, None))
    }

    fn is_known(&self, credentials: &Credentials, peer: Peer, name: &str, password: &str) -> bool {
        let hash = credentials.password_of(name).filter(|(_, exists)| bool::from(*exists));
        hash.is_some_and(|(hash, _)| self.known.has(peer, hash, password))
    }

    /// Spends the attempt if the password is wrong, and only then: whoever is sent away, or goes while they wait, was not
    /// told anything.
    async fn verify(&self, login: Login, attempt: Attempt) -> Result<(), Refused> {
        // Held to the end of the work, also if the caller goes away meanwhile: else a guess could be taken back.
        let place = Arc::clone(&self.logins).try_acquire_owned();
        let place = place.map_err(|_| (Refusal::Busy, Some(Duration::from_secs(5))))?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.expect("the semaphore is never closed");
        let known = Arc::clone(&self.known);
        // A page brings its files with it: the first one of them was verified meanwhile.
        if bool::from(login.exists) && known.has(login.peer, &login.hash, &login.password) {
            return Ok(());
        }
        let work = tokio::task::spawn_blocking(move || {
            let is_right = login.is_right();
            if is_right {
                known.add(login.peer, &login.hash, &login.password);
            } else {
                attempt.spend();
            }
            drop((place, turn));
            is_right
        });
        let is_right = work.await.expect("verifying does not panic");
        is_right.then_some(()).ok_or((Refusal::Credentials, None))
    }
}

/// A password to verify.
struct Login {
    peer: Peer,
    hash: String,
    /// Whether the hash is this user's; else it is another's, and the password is wrong whatever comes of it.
    exists: Choice,
    password: String,
}

impl Login {
    fn is_right(&self) -> bool {
        let is_right = bcrypt::verify(self.password.as_bytes(), &self.hash).unwrap_or(false);
        (Choice::from(u8::from(is_right)) & self.exists).into()
    }
}

/// What a caller shows.
enum Shown {
    Token(String),
    /// A user's name and password.
    Password(String, String),
}

impl Shown {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (all.next(), all.next()) else { return None };
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Token(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Self::Password(name.to_owned(), password.to_owned()))
    }
}

/// Passwords that were right, as salted hashes. The user's own hash is part of each: whoever is taken out of the file, or has
/// another password, is known no longer. So is the peer: else a guess without an attempt left would be answered if it is right.
struct Known {
    salt: [u8; 32],
    hashes: Mutex<VecDeque<[u8; 32]>>,
}

impl Default for Known {
    fn default() -> Self {
        let mut salt = [0; 32];
        for part in salt.chunks_exact_mut(8) {
            // The standard library's source of random numbers: keys of the system, mixed.
            part.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes());
        }
        Self { salt, hashes: Mutex::default() }
    }
}

impl Known {
    fn hash(&self, peer: Peer, hash: &str, password: &str) -> [u8; 32] {
        // A bcrypt hash always has 60 characters, so that the parts cannot run into each other.
        sha256(&[&self.salt[..], &peer.octets(), hash.as_bytes(), password.as_bytes()].concat())
    }

    fn has(&self, peer: Peer, hash: &str, password: &str) -> bool {
        let shown = self.hash(peer, hash, password);
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&shown)).into()
    }

    fn add(&self, peer: Peer, hash: &str, password: &str) {
        let shown = self.hash(peer, hash, password);
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() == KNOWN_MAX {
            hashes.pop_front();
        }
        hashes.push_back(shown);
    }
}
