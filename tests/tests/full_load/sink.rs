//! A Firehose that looks into what it takes: every entry is inflated and its event ids are kept.
//!
//! It stands where ministack stands in other tests, since ministack takes far less a second than a worker delivers, and
//! can't be slow on demand.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The server. It lives as long as the test process.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    /// Its address.
    pub(crate) url: String,
    taken: Arc<Mutex<Taken>>,
}

/// What it has taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Event ids, each once.
    pub(crate) ids: HashSet<String>,
    /// Lines, repetitions included.
    pub(crate) lines: usize,
    /// Bytes of the entries as they came.
    pub(crate) bytes: usize,
}

impl Sink {
    /// Starts a server that lets every put wait so long for its answer.
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let sink = Self { url, taken: Arc::default() };
        let shared = sink.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sink = shared.clone();
                std::thread::spawn(move || sink.serve(stream, delay));
            }
        });
        sink
    }

    /// What it has taken so far.
    pub(crate) fn taken<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.taken.lock().expect("no request panics while it counts"))
    }

    /// Answers one connection's requests until it closes.
    fn serve(&self, stream: TcpStream, delay: Duration) {
        let mut answers = stream.try_clone().expect("a second handle");
        let mut requests = BufReader::new(stream);
        while let Some((target, body)) = request(&mut requests) {
            let answer = match target.as_str() {
                "Firehose_20150804.DescribeDeliveryStream" => description(&body),
                "Firehose_20150804.PutRecordBatch" => {
                    let answer = self.take(&body);
                    std::thread::sleep(delay);
                    answer
                }
                other => panic!("{other} is not called by a worker"),
            };
            let body = answer.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // A worker that was killed hears nothing.
            if answers.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &Value) -> Value {
        let records = body["Records"].as_array().expect("records");
        let entries = records.iter().map(|record| record["Data"].as_str().expect("data is base64"));
        let entries: Vec<Vec<u8>> = entries.map(|data| BASE64_STANDARD.decode(data).expect("data is base64")).collect();
        let texts: Vec<String> = entries.iter().map(|entry| inflated(entry)).collect();
        let mut taken = self.taken.lock().expect("no request panics while it counts");
        taken.bytes += entries.iter().map(Vec::len).sum::<usize>();
        for line in texts.iter().flat_map(|text| text.lines()) {
            taken.lines += 1;
            let id = line.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
            taken.ids.insert(id.unwrap_or_else(|| panic!("no event id in {line}")).to_owned());
        }
        let responses: Vec<Value> = records.iter().map(|_| json!({ "RecordId": "1" })).collect();
        json!({ "FailedPutCount": 0, "RequestResponses": responses })
    }
}

fn description(body: &Value) -> Value {
    json!({ "DeliveryStreamDescription": {
        "DeliveryStreamName": body["DeliveryStreamName"], "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamARN": "arn:aws:firehose:us-east-1:123456789012:deliverystream/records",
        "DeliveryStreamType": "DirectPut", "VersionId": "1", "Destinations": [], "HasMoreDestinations": false,
    }})
}

fn inflated(entry: &[u8]) -> String {
    let mut text = String::new();
    if entry.starts_with(GZIP) {
        MultiGzDecoder::new(entry).read_to_string(&mut text).expect("a sound entry");
    } else {
        text.push_str(std::str::from_utf8(entry).expect("records are UTF-8"));
    }
    text
}

/// The next request's target and body; none when the connection has closed.
fn request(connection: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => target = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).ok()?;
    Some((target, serde_json::from_slice(&body).ok()?))
}
