//! Who may see the page: tokens for programs, users with passwords for browsers.
//!
//! They come from files of their own or from the environment, never from the configuration, and are kept as hashes. Nothing
//! here is ever printed: messages name the key and the line, not what stands there, nor a path that may be a token by mistake.

use crate::config::Http;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;
use tracing::warn;

/// Variables with what the files hold, for platforms that hand out secrets so.
pub const TOKENS_VARIABLE: &str = "ZONEWATCH_HTTP_TOKENS";
/// As above.
pub const USERS_VARIABLE: &str = "ZONEWATCH_HTTP_USERS";

/// 32 characters of hexadecimal digits are 128 random bits.
const TOKEN_CHARACTERS_MIN: usize = 32;
const TOKENS_MAX: usize = 100;
const USERS_MAX: usize = 1_000;
/// Work to verify a password, as a power of two: 10 takes 50 ms, 13 almost half a second.
const COSTS: std::ops::RangeInclusive<u32> = 10..=13;

/// Where credentials come from.
#[derive(Clone, Default)]
pub struct Sources {
    token_file: Option<PathBuf>,
    users_file: Option<PathBuf>,
    tokens: Option<String>,
    users: Option<String>,
}

/// What callers are compared with.
#[derive(Default)]
pub struct Credentials {
    /// A token is long and random, so that nobody can try them all, and a quick hash is as good as a slow one.
    tokens: Vec<[u8; 32]>,
    /// A password is neither, so that trying has to be slow: bcrypt.
    users: BTreeMap<String, String>,
    /// That of all users: a name that is none of theirs has to take as long as any.
    cost: Option<u32>,
}

impl Sources {
    /// Of the configuration and the environment.
    pub fn new(http: &Http, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let (token_file, users_file) = (http.token_file.clone(), http.users_file.clone());
        let mut sources = Self { token_file, users_file, ..Self::default() };
        for (name, text) in variables {
            match name.as_str() {
                TOKENS_VARIABLE => sources.tokens = Some(text),
                USERS_VARIABLE => sources.users = Some(text),
                _ => {}
            }
        }
        sources
    }

    /// Whether there are none: whoever reaches the listener sees the page.
    pub fn is_empty(&self) -> bool {
        self.files().next().is_none() && self.tokens.is_none() && self.users.is_none()
    }

    /// What is wrong with where the page listens, if nobody has to show who they are.
    pub fn fault(&self, http: &Http) -> Option<String> {
        let is_exposed = self.is_empty() && !http.people.ip().is_loopback();
        is_exposed.then(|| {
            format!(
                "http.people = \"{}\": everybody who reaches this address would read query names and addresses: set \
                 http.token_file or http.users_file, or {TOKENS_VARIABLE} or {USERS_VARIABLE} in the environment, or listen \
                 on loopback (127.0.0.1 or [::1]); --insecure shows it to everybody",
                http.people
            )
        })
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [("http.token_file", &self.token_file), ("http.users_file", &self.users_file)];
        files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?)))
    }

    /// Keys whose files others on this machine may read or change.
    pub fn too_open(&self) -> Vec<&'static str> {
        let mode = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        self.files().filter(|(_, path)| mode(path) & 0o027 != 0).map(|(key, _)| key).collect()
    }

    /// Reads everything now.
    pub fn load(&self) -> Result<Credentials, String> {
        let mut credentials = Credentials::default();
        for (place, text) in [("http.token_file", read("http.token_file", self.token_file.as_deref())?)]
            .into_iter()
            .chain([(TOKENS_VARIABLE, self.tokens.clone())])
        {
            credentials.add(place, text.as_deref(), Credentials::add_token)?;
        }
        for (place, text) in [("http.users_file", read("http.users_file", self.users_file.as_deref())?)]
            .into_iter()
            .chain([(USERS_VARIABLE, self.users.clone())])
        {
            credentials.add(place, text.as_deref(), Credentials::add_user)?;
        }
        Ok(credentials)
    }

    /// Reads everything, and again when a file is replaced; one that can't be used leaves what was loaded before.
    pub fn follow(self, period: Duration) -> Result<watch::Receiver<Arc<Credentials>>, String> {
        let paths = self.files().map(|(_, path)| path.to_owned()).collect();
        crate::follow::follow("credentials of the page", paths, period, move || {
            for key in self.too_open() {
                warn!(key, "others on this machine may read or change this file of secrets: chmod 0640, or 0600");
            }
            self.load()
        })
    }
}

fn read(key: &str, path: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path);
    text.map(Some).map_err(|error| format!("read the file of {key}: {error}; name a file that can be read"))
}

impl Credentials {
    /// Adds what the lines of a place say; one that is there says something.
    fn add(
        &mut self,
        place: &str,
        text: Option<&str>,
        add: fn(&mut Self, &str) -> Result<(), &'static str>,
    ) -> Result<(), String> {
        let Some(text) = text else { return Ok(()) };
        let before = self.tokens.len() + self.users.len();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                add(self, line).map_err(|what| format!("{place}, line {}: {what}", index + 1))?;
            }
        }
        if self.tokens.len() + self.users.len() == before {
            return Err(format!("{place}: there is nothing in it, and nobody could see the page"));
        }
        Ok(())
    }

    fn add_token(&mut self, line: &str) -> Result<(), &'static str> {
        let hash = match line.strip_prefix("sha256:") {
            Some(digits) => hash_of(digits).ok_or("must be sha256: and 64 hexadecimal digits")?,
            None if line.len() < TOKEN_CHARACTERS_MIN || !line.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err("a token has 32 characters or more, and no space: openssl rand -hex 32 makes one");
            }
            None => sha256(line.as_bytes()),
        };
        if self.tokens.len() == TOKENS_MAX {
            return Err("there are 100 tokens at most");
        }
        self.tokens.push(hash);
        Ok(())
    }

    fn add_user(&mut self, line: &str) -> Result<(), &'static str> {
        let advice = "must be a name, a colon and a bcrypt hash of cost 10 to 13: htpasswd -B -C 12 writes them";
        let (name, hash) = line.split_once(':').ok_or(advice)?;
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| advice)?;
        if name.is_empty() || !COSTS.contains(&parts.get_cost()) {
            return Err(advice);
        }
        if self.cost.replace(parts.get_cost()).is_some_and(|cost| cost != parts.get_cost()) {
            return Err(
                "all users need the same cost, or how long an answer takes tells who there is: htpasswd -B -C 12",
            );
        }
        if self.users.len() == USERS_MAX {
            return Err("there are 1,000 users at most");
        }
        match self.users.insert(name.to_owned(), hash.to_owned()) {
            None => Ok(()),
            Some(_) => Err("this user is named twice"),
        }
    }

    /// Whether this is one of the tokens. It takes as long whichever it is, and however much of one is right.
    pub fn has_token(&self, token: &str) -> bool {
        let shown = sha256(token.as_bytes());
        let found = self.tokens.iter().fold(Choice::from(0), |found, token| found | token.ct_eq(&shown));
        found.into()
    }

    /// The hash of this user's password, and whether there is such a user. For one that is not there it is another's, which
    /// has to be verified all the same: how long an answer takes must not tell who is there.
    pub fn password_of(&self, name: &str) -> Option<(&str, Choice)> {
        match self.users.get(name) {
            Some(hash) => Some((hash, Choice::from(1))),
            None => self.users.values().next().map(|hash| (hash.as_str(), Choice::from(0))),
        }
    }

    /// How a browser, or a program, is told what to show.
    pub fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let basic = (!self.users.is_empty()).then_some(r#"Basic realm="zonewatch", charset="UTF-8""#);
        let bearer = (!self.tokens.is_empty()).then_some(r#"Bearer realm="zonewatch""#);
        basic.into_iter().chain(bearer)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hash_of(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
