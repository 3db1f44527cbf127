//! Emulators of a test's own, which it may stop and make refuse: the ones of a run are everybody's.

use crate::emulators::{Emulator, wait_for};
use crate::fleet::{PATIENCE, free_ports, with_credentials};
use crate::http;
use crate::program::{Folder, Process};
use crate::tidy;
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[path = "../../xtask/src/python.rs"]
mod python;

/// A DynamoDB that may be stopped. Dropping kills it.
#[derive(Debug)]
pub struct DynamoDb {
    /// Its process.
    pub process: Process,
    /// Its address.
    pub emulator: Emulator,
    _scratch: Folder,
}

impl DynamoDb {
    /// Starts one as `cargo xtask` does and waits until it answers.
    pub fn start() -> Self {
        let [port] = free_ports();
        let scratch = Folder::create();
        let mut command = python::ministack(&tidy::root(), &tools(), scratch.path(), port);
        with_credentials(&mut command).stdin(Stdio::piped());
        let mut process = Process::start(&mut command, &scratch.file("ministack.log"));
        let emulator = Emulator::at(format!("http://127.0.0.1:{port}"));
        wait_for("a DynamoDB that answers", PATIENCE, || {
            process.must_live();
            http::get(emulator.url()).ok()
        });
        Self { process, emulator, _scratch: scratch }
    }
}

/// The folder of the test tools, as `cargo xtask` says.
pub(crate) fn tools() -> PathBuf {
    std::env::var_os("ZONEWATCH_TOOLS")
        .expect(
            "ZONEWATCH_TOOLS is not set: run the tests with `cargo xtask test` or `cargo xtask emulators -- COMMAND`",
        )
        .into()
}

/// The run's DynamoDB behind a proxy, which refuses every call about one table while it is told to.
#[derive(Debug)]
pub struct Refusing {
    /// Its address.
    pub emulator: Emulator,
    shared: Arc<Shared>,
    port: u16,
}

#[derive(Debug)]
struct Shared {
    upstream: Emulator,
    /// The table as a request has it: a JSON string.
    table: String,
    refuses: AtomicBool,
    refused: AtomicUsize,
    ended: AtomicBool,
}

impl Refusing {
    /// A proxy before `upstream` that passes everything on until it is told to refuse calls about `table`.
    pub fn start(upstream: Emulator, table: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            upstream,
            table: format!("\"{table}\""),
            refuses: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // An error is the end of this connection; the client makes another.
                std::thread::spawn(move || shared.serve(&connection));
            }
        });
        Self { emulator: Emulator::at(format!("http://127.0.0.1:{port}")), shared, port }
    }

    /// From now on calls about the table are refused.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }

    /// From now on they are passed on again.
    pub fn allow(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
    }

    /// How many calls have been refused.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        let mut writer = connection;
        while let Some(request) = Request::read(&mut reader)? {
            let (status, body) = self.answer(&request)?;
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            writer.write_all(&[head.as_bytes(), &body].concat())?;
            if request.is_last {
                break;
            }
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> io::Result<(u16, Vec<u8>)> {
        let body = String::from_utf8_lossy(&request.body);
        if self.refuses.load(Ordering::SeqCst) && body.contains(&self.table) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            // As DynamoDB says that a table's throughput is spent.
            let refusal = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}"#;
            return Ok((400, refusal.into()));
        }
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let url = format!("{}{}", self.upstream.url(), request.path);
        let answer = http::send(&request.method, &url, &headers, &request.body)?;
        Ok((answer.status, answer.body))
    }
}

/// One HTTP/1.1 request with the headers that are not about its connection.
#[derive(Debug, PartialEq)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The client wants the connection closed after it.
    is_last: bool,
}

impl Request {
    /// The next request of a connection; `None` once the client has closed it.
    fn read(reader: &mut impl io::BufRead) -> io::Result<Option<Self>> {
        let first = line(reader)?;
        let mut words = first.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
        let (headers, body) = (Vec::new(), Vec::new());
        let mut request = Self { method: method.into(), path: path.into(), headers, body, is_last: false };
        let mut length = 0;
        loop {
            let header = line(reader)?;
            let Some((name, value)) = header.split_once(':') else { break };
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            match name.as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "connection" => request.is_last = value.eq_ignore_ascii_case("close"),
                "host" => {}
                _ => request.headers.push((name, value)),
            }
        }
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        Ok(Some(request))
    }
}

fn line(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_to_its_end_and_no_further() {
        let mut bytes: &[u8] =
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: T\r\nContent-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\n\r\n";
        let first = Request::read(&mut bytes).unwrap().unwrap();
        assert_eq!(
            (first.method.as_str(), first.path.as_str(), first.body.as_slice()),
            ("POST", "/", b"{}".as_slice())
        );
        assert_eq!(first.headers, [("x-amz-target".to_owned(), "T".to_owned())]);
        assert_eq!(Request::read(&mut bytes).unwrap().unwrap().path, "/b");
        assert_eq!(Request::read(&mut bytes).unwrap(), None);
    }

    #[test]
    fn only_calls_about_the_table_are_refused_and_only_while_told() {
        let [nobodys] = free_ports();
        let proxy = Refusing::start(Emulator::at(format!("http://127.0.0.1:{nobodys}")), "app-state");
        let ask = |table: &str| {
            let body = format!("{{\"TableName\":\"{table}\"}}");
            http::send("POST", &format!("{}/", proxy.emulator.url()), &[], body.as_bytes())
        };
        let passed_on = |table: &str| ask(table).is_err();
        assert!(passed_on("app-state"), "there is nobody behind it");
        proxy.refuse();
        assert_eq!(ask("app-state").unwrap().status, 400);
        assert!(passed_on("app"));
        proxy.allow();
        assert!(passed_on("app-state"));
        assert_eq!(proxy.refused(), 1);
    }
}
