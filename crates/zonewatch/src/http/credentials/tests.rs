//! Files and variables of secrets, sound and unsound.

use super::*;
use crate::http::tests::ALICE;
use std::fs::Permissions;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// `printf %s 0123456789abcdef0123456789abcdef | sha256sum`.
const DIGITS: &str = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

/// A file of secrets that is removed with it.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("zonewatch-secrets-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn of_variables(tokens: Option<&str>, users: Option<&str>) -> Sources {
    let variables = [(TOKENS_VARIABLE, tokens), (USERS_VARIABLE, users)];
    let set = variables.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.to_owned())));
    Sources::new(&Http::default(), set)
}

#[test]
fn tokens_are_lines_and_users_are_htpasswds() {
    let text = format!("# Prometheus\n  {TOKEN}  \n\n");
    let credentials = of_variables(Some(&text), Some(ALICE)).load().unwrap();
    assert!(credentials.has_token(TOKEN));
    for wrong in ["", "0123456789abcdef", &TOKEN[1..], &format!("{TOKEN}0"), &TOKEN.to_uppercase()] {
        assert!(!credentials.has_token(wrong), "{wrong}");
    }
    let (hash, exists) = credentials.password_of("alice").unwrap();
    assert!(bool::from(exists) && bcrypt::verify("correct horse", hash).unwrap());
    let (_, exists) = credentials.password_of("mallory").unwrap();
    assert!(!bool::from(exists), "verified against another's hash, and wrong whatever comes of it");
    assert_eq!(credentials.challenges().count(), 2);
}

#[test]
fn a_hashed_token_is_the_hash_of_the_token() {
    let digits: String = sha256(TOKEN.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digits, DIGITS);
    let credentials = of_variables(Some(&format!("sha256:{DIGITS}")), None).load().unwrap();
    assert!(credentials.has_token(TOKEN) && !credentials.has_token(DIGITS));
    assert_eq!(credentials.challenges().collect::<Vec<_>>(), ["Bearer realm=\"zonewatch\""]);
}

#[test]
fn what_is_wrong_is_told_by_place_and_never_repeated() {
    let cheap = ALICE.replace("$10$", "$05$");
    let dear = ALICE.replace("$10$", "$14$");
    let twice = format!("{ALICE}\n{ALICE}");
    let mixed = format!("{ALICE}\n{}", ALICE.replace("alice", "bob").replace("$10$", "$12$"));
    for (tokens, users, says) in [
        (Some("hunter2hunter2"), None, "ZONEWATCH_HTTP_TOKENS, line 1: a token has 32 characters or more"),
        (Some("#\nhunter2 hunter2 hunter2 hunter2 hunter2"), None, "line 2: a token has 32"),
        (Some("sha256:hunter2"), None, "line 1: must be sha256: and 64 hexadecimal"),
        (Some("\n# none\n"), None, "ZONEWATCH_HTTP_TOKENS: there is nothing in it"),
        (None, Some(""), "ZONEWATCH_HTTP_USERS: there is nothing in it"),
        (None, Some("alice:hunter2"), "ZONEWATCH_HTTP_USERS, line 1: must be a name, a colon and a bcrypt hash"),
        (None, Some("alice:{SHA}hunter2"), "htpasswd -B -C 12"),
        (None, Some(&ALICE[5..]), "must be a name"),
        (None, Some(&cheap), "of cost 10 to 13"),
        (None, Some(&dear), "of cost 10 to 13"),
        (None, Some(&twice), "line 2: this user is named twice"),
        (None, Some(&mixed), "line 2: all users need the same cost"),
    ] {
        let fault = of_variables(tokens, users).load().err().unwrap_or_else(|| panic!("{tokens:?} {users:?}"));
        assert!(fault.contains(says), "{fault}");
        assert!(!fault.contains("hunter2") && !fault.contains("abcdefghi"), "{fault}");
    }
    let http = Http { token_file: Some("/nowhere/hunter2".into()), ..Http::default() };
    let fault = Sources::new(&http, []).load().err().unwrap();
    assert!(fault.starts_with("read the file of http.token_file: ") && !fault.contains("hunter2"), "{fault}");
}

#[test]
fn beyond_loopback_somebody_has_to_show_who_they_are() {
    let at = |people: &str| Http { people: people.parse().unwrap(), ..Http::default() };
    let open = of_variables(None, None);
    assert!(open.is_empty());
    for loopback in ["127.0.0.1:9465", "127.1.2.3:9465", "[::1]:9465"] {
        assert_eq!(open.fault(&at(loopback)), None, "{loopback}");
    }
    for beyond in ["0.0.0.0:9465", "[::]:9465", "192.0.2.1:9465", "[2001:db8::1]:9465", "[::ffff:192.0.2.1]:9465"] {
        let fault = open.fault(&at(beyond)).expect("everybody would read it");
        assert!(fault.starts_with(&format!("http.people = \"{beyond}\": ")) && fault.contains("--insecure"), "{fault}");
        assert_eq!(of_variables(Some(TOKEN), None).fault(&at(beyond)), None);
        assert_eq!(of_variables(None, Some(ALICE)).fault(&at(beyond)), None);
        let file = Http { users_file: Some("users".into()), ..at(beyond) };
        assert_eq!(Sources::new(&file, []).fault(&file), None);
    }
}

#[test]
fn a_file_that_others_may_read_or_change_is_noticed() {
    for (mode, is_open) in [(0o600, false), (0o640, false), (0o400, false), (0o644, true), (0o660, true), (0o604, true)]
    {
        let file = File::new(&format!("{mode:o}"), TOKEN, mode);
        let http = Http { token_file: Some(file.0.clone()), ..Http::default() };
        assert_eq!(!Sources::new(&http, []).too_open().is_empty(), is_open, "{mode:o}");
    }
}

#[test]
fn a_file_and_a_variable_have_users_of_one_cost() {
    let bob = ALICE.replace("alice", "bob");
    let file = File::new("costs", &bob.replace("$10$", "$12$"), 0o600);
    let http = Http { users_file: Some(file.0.clone()), ..Http::default() };
    let load = |users: &str| Sources::new(&http, [(USERS_VARIABLE.to_owned(), users.to_owned())]).load();
    let fault = load(ALICE).err().expect("how long an answer takes would tell who is there");
    assert!(fault.starts_with("ZONEWATCH_HTTP_USERS, line 1: ") && fault.ends_with("htpasswd -B -C 12"), "{fault}");
    assert!(load(&ALICE.replace("$10$", "$12$")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_file_is_taken_and_a_broken_one_is_not() {
    let file = File::new("followed", TOKEN, 0o600);
    let http = Http { token_file: Some(file.0.clone()), ..Http::default() };
    let mut credentials = Sources::new(&http, []).follow(Duration::from_secs(1)).unwrap();
    assert!(credentials.borrow_and_update().has_token(TOKEN));

    let other = TOKEN.replace('0', "f");
    std::fs::write(&file.0, "short").unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(5), credentials.changed()).await.is_err());
    assert!(credentials.borrow().has_token(TOKEN));
    std::fs::write(&file.0, &other).unwrap();
    tokio::time::timeout(Duration::from_secs(5), credentials.changed()).await.expect("taken").unwrap();
    assert!(credentials.borrow().has_token(&other) && !credentials.borrow().has_token(TOKEN));
}
