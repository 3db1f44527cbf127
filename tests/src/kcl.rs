//! The real Kinesis Client Library as a peer: AWS's MultiLangDaemon with `tools/kcl/processor.py`, which writes down every
//! record it is given.

use crate::emulators::{Captured, Emulator};
use crate::fleet::{Fleet, with_credentials};
use crate::private::tools;
use crate::program::Process;
use crate::tidy;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A running worker of the Kinesis Client Library. Dropping kills it; its record processors end with it.
#[derive(Debug)]
pub struct Daemon {
    /// Its process.
    pub process: Process,
    output: PathBuf,
}

impl Daemon {
    /// Starts a worker of the fleet's application on the fleet's stream, its tables in `dynamodb`.
    pub fn start(fleet: &Fleet, dynamodb: &Emulator, id: &str) -> Self {
        let output = fleet.folder.file(&format!("{id}-records"));
        fs::create_dir_all(&output).expect("a folder for records");
        let tools = tools();
        let code = tidy::root().join("tools/kcl");
        let python = tools.join("venv/bin/python");
        let processor = format!("{} {}", python.display(), code.join("processor.py").display());
        let properties = properties(fleet, dynamodb, id, &processor);
        let properties = fleet.folder.write(&format!("{id}.properties"), properties.as_bytes());

        let mut command = Command::new("java");
        command
            .arg(format!("-Dlogback.configurationFile={}", code.join("logback.xml").display()))
            // Two workers of a test must not take the machine: by default a quarter of its memory is theirs.
            .arg("-Xmx256m")
            .arg("-cp")
            .arg(tools.join("kcl/amazon_kclpy/jars/*"))
            .arg("software.amazon.kinesis.multilang.MultiLangDaemon")
            .arg("--properties-file")
            .arg(properties)
            .env("PYTHONPATH", tools.join("kcl"))
            .env("ZONEWATCH_KCL_OUTPUT", &output)
            .stdin(Stdio::null());
        let log = fleet.folder.file(&format!("{id}.log"));
        Self { process: Process::start(with_credentials(&mut command), &log), output }
    }

    /// Every record that it has been given so far, repetitions included.
    pub fn records(&self) -> Vec<Consumed> {
        let folders = fs::read_dir(&self.output).expect("the folder for records");
        let mut files: Vec<PathBuf> = folders.map(|entry| entry.expect("a file of records").path()).collect();
        files.sort();
        files.iter().flat_map(consumed).collect()
    }
}

/// A record as the library gave it to its consumer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumed {
    /// The shard it was read from.
    pub shard: String,
    /// Its place.
    pub sequence_number: String,
    /// Its data, base64.
    pub data: String,
}

impl From<Captured> for Consumed {
    fn from(record: Captured) -> Self {
        Self { shard: record.shard, sequence_number: record.sequence_number, data: record.data }
    }
}

/// The records in one shard's file. The line that is being written is not there yet.
fn consumed(file: &PathBuf) -> Vec<Consumed> {
    let shard = file.file_stem().expect("the shard's name").to_string_lossy().into_owned();
    let text = fs::read_to_string(file).expect("a file of records");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let record = |line: &str| {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let text = |name: &str| fields[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
        Consumed { shard: shard.clone(), sequence_number: text("sequence_number"), data: text("data") }
    };
    whole.lines().map(record).collect()
}

/// The worker's settings. What is not here is the library's default: its failover time is 10 s, as ours.
fn properties(fleet: &Fleet, dynamodb: &Emulator, id: &str, processor: &str) -> String {
    let (app, stream) = (&fleet.app, &fleet.stream.name);
    let (kinesis, dynamodb) = (Emulator::kinesis(), dynamodb.url());
    format!(
        "executableName = {processor}\nstreamName = {stream}\napplicationName = {app}\nworkerId = {id}\n\
         AwsCredentialsProvider = DefaultCredentialsProvider\nregionName = us-east-1\n\
         kinesisEndpoint = {}\ndynamoDBEndpoint = {dynamodb}\n\
         initialPositionInStream = TRIM_HORIZON\nretrievalMode = POLLING\nmetricsLevel = NONE\n\
         shutdownGraceMillis = 10000\n",
        kinesis.url()
    )
}
