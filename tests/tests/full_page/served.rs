//! A small server on loopback: of a folder, as a bucket behind a CDN serves it, or of documents, as a worker would answer them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The policy that `deploy/terraform/modules/page` sets, and the worker too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is answered: a content type and a body, or 404.
type Answer = Arc<dyn Fn(&str) -> Option<(&'static str, Vec<u8>)> + Send + Sync>;

/// Serves for as long as the test runs; the address has no slash at its end.
fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the listener is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.expect("a connection"), Arc::clone(&answer));
            std::thread::spawn(move || {
                // A browser that goes away is its own business.
                let _ = answer_one(stream, &answer);
            });
        }
    });
    format!("http://{address}")
}

fn answer_one(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines();
    let first = head.next().transpose()?.unwrap_or_default();
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = match answer(path) {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain", b"nothing here\n".to_vec()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: {POLICY}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// A folder, below the path `/status`: pages must not mind where they are.
pub(crate) fn folder(folder: PathBuf) -> String {
    let served = serve(Arc::new(move |path| {
        let below = path.strip_prefix("/status/")?;
        let below =
            if below.is_empty() || below.ends_with('/') { format!("{below}index.html") } else { below.to_owned() };
        // Only what a test wrote is here; still nobody leaves the folder.
        let below = Path::new(&below);
        let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let body = inside.then(|| std::fs::read(folder.join(below)).ok())??;
        Some((content_type(below), body))
    }));
    format!("{served}/status/")
}

/// As the AWS CLI guesses it by the name.
fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Documents by their path below `/api/v1/`.
pub(crate) fn documents(documents: BTreeMap<String, serde_json::Value>) -> String {
    serve(Arc::new(move |path| {
        let document = documents.get(path.strip_prefix("/api/v1/")?)?;
        Some(("application/json", document.to_string().into_bytes()))
    }))
}
