//! Traffic as files, in the forms `replay` reads.

use super::{Done, Failure, Run};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use traffic::Payload;

/// Event time made at once: little memory, and steps that cost more than the calls.
const STEP_MS: i64 = 60_000;

/// How traffic is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Gzip members, one a record.
    Payloads,
    /// Kinesis records as JSON lines.
    Captured,
    /// The query-log lines alone, in order of event time.
    Lines,
}

/// Where traffic is written.
pub struct Target {
    format: Format,
    /// One for all shards, or one for each.
    files: Vec<Output>,
    /// Records of each shard so far.
    shards: Vec<u64>,
}

struct Output {
    /// For messages.
    path: String,
    out: Box<dyn Write>,
}

/// A record as captures write it.
#[derive(Serialize)]
struct Captured<'a> {
    stream: &'a str,
    shard: &'a str,
    sequence_number: &'a str,
    arrival: i64,
    data: &'a str,
}

impl Target {
    /// Opens the files: one a shard in a directory, which is made if the path ends in a slash, else one for all.
    pub fn new(path: &Path, format: Format, shards: usize) -> Result<Self, Failure> {
        let is_directory = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let files = if path.as_os_str() == "-" {
            vec![Output { path: "standard output".to_owned(), out: Box::new(BufWriter::new(io::stdout().lock())) }]
        } else if is_directory {
            std::fs::create_dir_all(path).map_err(|error| failed("make the directory", path, &error))?;
            let extension = match format {
                Format::Payloads => "gz",
                Format::Captured => "ndjson",
                Format::Lines => "log",
            };
            let open = |index| create(&path.join(format!("{}.{extension}", shard_id(index))));
            (0..shards).map(open).collect::<Result<_, _>>()?
        } else {
            vec![create(path)?]
        };
        Ok(Self { format, files, shards: vec![0; shards] })
    }

    fn put(&mut self, payload: &Payload) -> Result<(), Stop> {
        let shard = shard_of(&payload.partition_key, self.shards.len());
        let serial = self.shards[shard];
        self.shards[shard] += 1;
        if self.format == Format::Payloads {
            return self.write(shard, &payload.data);
        }
        let captured = Captured {
            stream: "traffic",
            shard: &shard_id(shard),
            // As long as Kinesis's, and rising.
            sequence_number: &format!("49{shard:016}{serial:038}"),
            arrival: payload.arrival_ms,
            data: &BASE64.encode(&payload.data),
        };
        let mut line = serde_json::to_vec(&captured).expect("a capture is text and numbers");
        line.push(b'\n');
        self.write(shard, &line)
    }

    fn write(&mut self, shard: usize, bytes: &[u8]) -> Result<(), Stop> {
        let files = self.files.len();
        let output = &mut self.files[shard % files];
        output.out.write_all(bytes).map_err(|error| output.stop(&error))
    }
}

impl Output {
    fn stop(&self, error: &io::Error) -> Stop {
        if error.kind() == ErrorKind::BrokenPipe {
            return Stop::Closed;
        }
        Stop::Failed(failed("write traffic", Path::new(&self.path), error))
    }
}

/// Why writing ended early.
enum Stop {
    /// Nobody reads any more.
    Closed,
    Failed(Failure),
}

/// Writes the whole run. `None` if the reader went away.
pub fn write(run: &mut Run, mut target: Target) -> Result<Option<Done>, Failure> {
    match write_all(run, &mut target) {
        Ok(done) => Ok(Some(done)),
        Err(Stop::Closed) => Ok(None),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn write_all(run: &mut Run, target: &mut Target) -> Result<Done, Stop> {
    let mut done = Done::default();
    let mut now_ms = run.start_ms();
    while !run.is_over(now_ms) {
        now_ms += STEP_MS;
        if target.format == Format::Lines {
            for event in run.events(now_ms) {
                let shard = (done.events % target.shards.len() as u64) as usize;
                target.write(shard, format!("{}\n", event.message).as_bytes())?;
                done.events += 1;
                done.records += 1;
            }
        } else {
            let payloads = run.payloads(now_ms);
            write_payloads(&payloads, target, &mut done)?;
        }
    }
    write_payloads(&run.rest(), target, &mut done)?;
    for output in &mut target.files {
        output.out.flush().map_err(|error| output.stop(&error))?;
    }
    Ok(done)
}

fn write_payloads(payloads: &[Payload], target: &mut Target, done: &mut Done) -> Result<(), Stop> {
    if target.format == Format::Lines {
        return Ok(());
    }
    for payload in payloads {
        target.put(payload)?;
        done.count(payload);
    }
    Ok(())
}

fn create(path: &Path) -> Result<Output, Failure> {
    let file = File::create(path).map_err(|error| failed("write traffic", path, &error))?;
    Ok(Output { path: path.display().to_string(), out: Box::new(BufWriter::new(file)) })
}

/// What an error of the file system is to whoever gave the path.
pub fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::run(format!("{what} to {path}: {error}; name a place that can be written"))
}

fn shard_id(index: usize) -> String {
    format!("shardId-{index:012}")
}

/// Evenly by the key's first 64 bits: it is made of chance.
fn shard_of(partition_key: &str, shards: usize) -> usize {
    let bits = partition_key.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    ((u128::from(bits) * shards as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cli::traffic::tests::run_of;
    use flate2::read::MultiGzDecoder;
    use std::collections::HashSet;
    use std::io::Read;
    use std::path::PathBuf;

    /// A directory that is removed with this value.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("zonewatch-traffic-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).expect("the temporary directory can be written");
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// What one run writes into a directory of its own, file by file.
    fn written(name: &str, format: Format, shards: usize) -> (Done, Vec<Vec<u8>>) {
        let directory = Directory::new(name);
        let target = Target::new(&directory.0, format, shards).unwrap();
        let done = write(&mut run_of("--seconds 30 --rate 200"), target).unwrap().unwrap();
        let names = (0..shards).map(|index| format!("{}.{}", shard_id(index), EXTENSIONS[format as usize]));
        (done, names.map(|name| std::fs::read(directory.0.join(name)).unwrap()).collect())
    }

    const EXTENSIONS: [&str; 3] = ["gz", "ndjson", "log"];

    #[test]
    fn every_form_holds_the_same_queries() {
        let (lines, logs) = written("lines", Format::Lines, 2);
        let logs: Vec<String> = logs.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        let messages: HashSet<&str> = logs.iter().flat_map(|log| log.lines()).collect();
        assert!(messages.len() > 1_000 && lines.events >= messages.len() as u64, "{lines:?}");

        let (payloads, members) = written("payloads", Format::Payloads, 3);
        let (captured, captures) = written("captured", Format::Captured, 3);
        assert_eq!(payloads, captured);
        for (members, captures) in members.iter().zip(&captures) {
            let mut joined = Vec::new();
            let mut last = String::new();
            for line in captures.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                joined.extend(BASE64.decode(line["data"].as_str().unwrap()).unwrap());
                let sequence = line["sequence_number"].as_str().unwrap().to_owned();
                assert!(lease::SequenceNumber::parse(&sequence).is_some() && sequence > last);
                last = sequence;
            }
            assert_eq!(&joined, members, "a capture wraps the bytes that payload files hold");
            let mut text = String::new();
            MultiGzDecoder::new(&members[..]).read_to_string(&mut text).unwrap();
            let found = text.split("\"message\":\"").skip(1).filter_map(|rest| rest.split('"').next());
            for message in found.filter(|message| !message.starts_with("CWL CONTROL")) {
                assert!(messages.contains(message.replace("\\\\", "\\").as_str()), "{message}");
            }
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let failure = Target::new(Path::new("/dev/null/day.gz"), Format::Payloads, 1).err().unwrap();
        assert!(failure.message.contains("/dev/null/day.gz"), "{}", failure.message);
    }

    #[test]
    fn keys_are_spread_over_all_shards() {
        assert_eq!(shard_of("0000000000000000ffffffffffffffff", 4), 0);
        assert_eq!(shard_of("4000000000000000ffffffffffffffff", 4), 1);
        assert_eq!(shard_of("ffffffffffffffff0000000000000000", 4), 3);
    }
}
