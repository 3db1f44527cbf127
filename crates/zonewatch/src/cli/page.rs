//! `zonewatch page`: a static copy of the status page, with the documents as they are now, for a web server or a bucket.

use super::Failure;
use crate::http::assets;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One document may take so long, and be so large. A worker answers within seconds and in megabytes.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// What a file is called while it is written.
const PART: &str = "~part";
/// The longest name of a file that every file system takes is 255 bytes, also while it is written.
const FILE_NAME_BYTES_MAX: usize = 255 - PART.len();

const EXAMPLES: &str = "\
Documents are asked of a running worker or demo and become files below api/v1/ that end in .json. Any web server can serve the
folder, below any path; nothing in it changes until this command runs again.

Examples:
  zonewatch page site/
  zonewatch page site/ && aws s3 sync site/ s3://BUCKET/ --delete --cache-control max-age=60

Exit codes: 0 written, 1 the worker gave no answer or a file could not be written, 2 wrong arguments.";

/// Arguments of `page`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The folder; made if it is missing. Its other files are left alone
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The status page of a worker
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9465")]
    from: String,
    /// A file with the bearer token that the worker wants, if it wants one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What came of a copy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Copied {
    pages: usize,
    documents: usize,
    zones: usize,
    removed: usize,
    /// Zones whose names are longer than a file's may be.
    unnamed: usize,
}

/// Asks for everything first, so that a worker that does not answer leaves the last copy as it is.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.folder.exists() && !args.folder.is_dir() {
        return Err(Failure::usage(format!(
            "write the page to {}: it is a file; name a folder",
            args.folder.display()
        )));
    }
    let worker = Worker::of(&args.from, args.token_file.as_deref())?;
    let (documents, unnamed) = documents(&worker).map_err(Failure::run)?;
    let mut copied = write_all(&args.folder, &documents).map_err(Failure::run)?;
    copied.unnamed = unnamed;
    let mut text = format!(
        "wrote {} files of the page and {} documents, {} of zones, to {}",
        copied.pages,
        copied.documents,
        copied.zones,
        args.folder.display()
    );
    if copied.removed > 0 {
        let _ = write!(text, "; removed {} that there are no longer", copied.removed);
    }
    if copied.unnamed > 0 {
        let _ = write!(text, "; left out {} zones with names too long for a file", copied.unnamed);
    }
    // A closed pipe takes nothing back.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// A worker's people listener.
struct Worker {
    /// `127.0.0.1:9465`.
    authority: String,
    /// Without a slash at its end.
    path: String,
    token: Option<String>,
}

impl Worker {
    fn of(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let Some(rest) = url.strip_prefix("http://") else {
            let advice = "ask the worker itself, http://ADDRESS:PORT, on its machine or through a tunnel";
            return Err(Failure::usage(format!("--from {url}: only http:// is spoken; {advice}")));
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || !sound(authority) || !sound(path) {
            return Err(Failure::usage(format!("--from {url}: no address; it is http://ADDRESS:PORT")));
        }
        let port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
        let authority = if port { authority.to_owned() } else { format!("{authority}:80") };
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        let token = token_file.map(read_token).transpose()?;
        Ok(Self { authority, path, token })
    }

    /// A document; `None` if there is none.
    fn ask(&self, document: &str) -> Result<Option<Value>, String> {
        let url = format!("http://{}{}/api/v1/{document}", self.authority, self.path);
        let answer = self.get(&format!("{}/api/v1/{document}", self.path));
        let (status, body) =
            answer.map_err(|error| format!("ask {url}: {error}; is a worker or demo running there?"))?;
        match status.as_str() {
            "200" => {}
            "404" => return Ok(None),
            "401" | "403" => return Err(format!("ask {url}: the answer is {status}; name a token with --token-file")),
            _ => return Err(format!("ask {url}: the answer is {status}; look at the worker's log")),
        }
        let document: Value = serde_json::from_slice(&body).map_err(|error| format!("ask {url}: no JSON: {error}"))?;
        if document["version"] != 1 {
            return Err(format!("ask {url}: version {} of the document is not known here", document["version"]));
        }
        Ok(Some(document))
    }

    /// Status and body. HTTP/1.0 has no chunks and ends with the connection: all that is needed here.
    fn get(&self, target: &str) -> std::io::Result<(String, Vec<u8>)> {
        use std::io::{Error, ErrorKind::InvalidData};
        let mut stream = connect(&self.authority)?;
        let token = self.token.as_ref().map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!("GET {target} HTTP/1.0\r\nHost: {}\r\n{token}\r\n", self.authority);
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = head.ok_or_else(|| Error::new(InvalidData, "the answer is no HTTP"))?;
        let body = answer.split_off(head + 4);
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| length != body.len()) {
            return Err(Error::new(InvalidData, "the answer ended too early"));
        }
        Ok((head.split(' ').nth(1).unwrap_or_default().to_owned(), body))
    }
}

fn connect(authority: &str) -> std::io::Result<TcpStream> {
    use std::net::ToSocketAddrs as _;
    let mut last = std::io::Error::other("the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::usage(format!("read {}: {error}", path.display())))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!("read {}: a token is one word", path.display())));
    }
    Ok(token.to_owned())
}

/// Files of documents, by their path below the folder. `None` is a document that there is not.
type Documents = Vec<(String, Option<Value>)>;

/// Every document, and how many zones' can't be files.
fn documents(worker: &Worker) -> Result<(Documents, usize), String> {
    let mut documents = Documents::new();
    let mut unnamed = 0;
    for name in ["zones", "findings", "edges", "fleet"] {
        documents.push((format!("api/v1/{name}.json"), worker.ask(name)?));
    }
    let Some(zones) = documents[0].1.clone() else {
        return Err("ask for zones: there is no such document; is --from a worker's page?".to_owned());
    };
    // Without windows a worker has no documents of zones.
    let known = zones["scope"] == "fleet";
    for zone in zones["zones"].as_array().into_iter().flatten().filter(|_| known) {
        let key = zone["zone_id"].as_str().filter(|id| !id.is_empty()).or(zone["zone"].as_str()).unwrap_or_default();
        let file = format!("{}.json", filed(key));
        if file.len() > FILE_NAME_BYTES_MAX {
            unnamed += 1;
        } else if !key.is_empty() {
            documents.push((format!("api/v1/zones/{file}"), worker.ask(&format!("zones/{}", encoded(key, '%')))?));
        }
    }
    Ok((documents, unnamed))
}

/// The name of a zone's file, which is nobody's path: the page's script makes the same of it (`live.js`).
fn filed(zone: &str) -> String {
    encoded(zone, '~')
}

/// What is no letter, digit, `-`, `_` or `.` by its bytes in hexadecimal behind `sign`.
fn encoded(text: &str, sign: char) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "{sign}{byte:02X}");
        }
    }
    out
}

/// A page that knows that it is a copy: documents are files, and nobody tells of changes. It may be below any path, so what a
/// worker has at its root is beside the page.
fn marked(page: &str) -> String {
    let page =
        page.replacen("<html lang=\"en\">", "<html lang=\"en\" data-copy>", 1).replace("href=\"/\"", "href=\"./\"");
    ["zones", "findings", "edges", "fleet"]
        .iter()
        .fold(page, |page, name| page.replace(&format!("api/v1/{name}\""), &format!("api/v1/{name}.json\"")))
}

fn write_all(folder: &Path, documents: &Documents) -> Result<Copied, String> {
    let mut copied = Copied::default();
    // The documents first: a page that was just published finds what it asks for.
    for (path, document) in documents {
        let place = folder.join(path);
        match document {
            Some(document) => {
                write(&place, document.to_string().as_bytes())?;
                copied.documents += 1;
                copied.zones += usize::from(path.starts_with("api/v1/zones/"));
            }
            None if place.exists() => {
                fs::remove_file(&place).map_err(|error| format!("remove {}: {error}", place.display()))?;
                copied.removed += 1;
            }
            None => {}
        }
    }
    for asset in &assets::ALL {
        let place = folder.join(asset.path);
        match std::str::from_utf8(asset.bytes) {
            Ok(page) if asset.path.ends_with(".html") => write(&place, marked(page).as_bytes())?,
            _ => write(&place, asset.bytes)?,
        }
        copied.pages += 1;
    }
    copied.removed += remove_others(&folder.join("api/v1/zones"), documents)?;
    Ok(copied)
}

/// Removes documents of zones that the worker no longer has: they would stay as they are for ever.
fn remove_others(folder: &Path, documents: &Documents) -> Result<usize, String> {
    let kept: BTreeSet<&str> = documents.iter().filter_map(|(path, _)| path.strip_prefix("api/v1/zones/")).collect();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(0) };
    let mut removed = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(".json") && !kept.contains(name)) {
            fs::remove_file(entry.path()).map_err(|error| format!("remove {}: {error}", entry.path().display()))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Writes a file as a whole: whoever publishes at the same moment has the old or the new one.
fn write(place: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("write {}: {error}", place.display());
    fs::create_dir_all(place.parent().expect("every file is below the folder")).map_err(failed)?;
    let mut beside = place.as_os_str().to_owned();
    beside.push(PART);
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, place)).map_err(failed)
}

#[cfg(test)]
#[path = "page_test.rs"]
mod tests;
