//! A worker of the image as Kubernetes would run it: by an OCI runtime, as the image's user, with a root that is read-only,
//! no capability, no way to more rights, and the system calls that container engines allow by default. It starts, is ready,
//! and ends by itself within ten seconds of SIGTERM.

use super::Place;
use crate::deploy::commands::{output, text};
use crate::emulators::{self, Running};
use crate::say;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What engines allow by default, as Debian ships it.
pub(super) const SECCOMP: &str = "/usr/share/containers/seccomp.json";
const CONTAINER: &str = "zonewatch-check";
const READY_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(10);

/// Runs it.
pub(super) fn restricted(place: &Place<'_>) -> Result<(), String> {
    let running = emulators::start(place.root, place.tools)?;
    let mut resources = place.packaging.python(place.tools);
    resources.arg(place.root.join("tools/image/resources.py")).args(["queries", "records", "records-of-the-check"]);
    output(resources.envs(running.environment()))?;
    let [port, page] = emulators::free_ports()?;
    let bundle = bundle(place, &running, port, page)?;
    let mut worker = Worker::start(place, &bundle)?;
    worker.wait_until_ready(port)?;
    let status = worker.told("status")?;
    for (field, wanted) in [
        ("Uid:", "65532\t65532\t65532\t65532"),
        ("Gid:", "65532\t65532\t65532\t65532"),
        ("CapPrm:", "0000000000000000"),
        ("CapEff:", "0000000000000000"),
        ("CapBnd:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        ("Seccomp:", "2"),
    ] {
        let found = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().trim();
        if found != wanted {
            return Err(format!("the worker runs with {field} {found}, not {wanted}"));
        }
    }
    let mounts = worker.told("mountinfo")?;
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words.get(4) == Some(&"/"));
    if !root.is_some_and(|words| words[5].split(',').any(|option| option == "ro")) {
        return Err(format!("the worker's root can be written to:\n{mounts}"));
    }
    say("the worker is ready: uid 65532, no capabilities, no new privileges, system calls filtered, read-only root");
    worker.ends_in_time()
}

/// The image unpacked, with a configuration for this run.
fn bundle(place: &Place<'_>, running: &Running, port: u16, page: u16) -> Result<PathBuf, String> {
    let bundle = place.scratch.join("bundle");
    if bundle.exists() {
        fs::remove_dir_all(&bundle).map_err(|error| format!("remove {}: {error}", bundle.display()))?;
    }
    let image = format!("{}:check", place.layout().display());
    output(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle))?;
    let address = |name: &str| running.environment().into_iter().find(|(known, _)| *known == name).map(|(_, url)| url);
    let (kinesis, aws) = (address("ZONEWATCH_TEST_KINESIS"), address("ZONEWATCH_TEST_AWS"));
    let environment = [
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_ENDPOINT_URL", aws.unwrap_or_default()),
        ("AWS_ENDPOINT_URL_KINESIS", kinesis.unwrap_or_default()),
        ("ZONEWATCH_SOURCE__STREAM", "queries".to_owned()),
        ("ZONEWATCH_RECORDS__DELIVERY_STREAMS", "records".to_owned()),
        ("ZONEWATCH_HTTP__OPERATIONS", format!("127.0.0.1:{port}")),
        ("ZONEWATCH_HTTP__PEOPLE", format!("127.0.0.1:{page}")),
    ];
    let variables: Vec<String> = environment.iter().map(|(name, value)| format!("\"{name}\": \"{value}\"")).collect();
    let options = format!(
        "{{ \"args\": [\"/usr/bin/zonewatch\", \"worker\"], \"env\": {{ {} }}, \"mounts\": {{}} }}",
        variables.join(", ")
    );
    let file = place.scratch.join("options.json");
    fs::write(&file, options).map_err(|error| format!("write {}: {error}", file.display()))?;
    let mut edit = place.packaging.python(place.tools);
    edit.arg(place.root.join("tools/image/bundle.py")).arg(bundle.join("config.json")).arg(SECCOMP).arg(&file);
    output(edit.arg(std::env::consts::ARCH))?;
    Ok(bundle)
}

/// The running container.
struct Worker {
    runc: Child,
    state: PathBuf,
    process_id: String,
    log: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = output(runtime(&self.state).args(["delete", "--force", CONTAINER]));
        let _ = self.runc.kill();
        let _ = self.runc.wait();
    }
}

/// runc with a place of its own for its state.
fn runtime(state: &Path) -> Command {
    let mut command = Command::new("runc");
    command.arg("--root").arg(state);
    command
}

impl Worker {
    fn start(place: &Place<'_>, bundle: &Path) -> Result<Self, String> {
        let (state, pid_file) = (place.scratch.join("runc"), place.scratch.join("worker.pid"));
        let _ = output(runtime(&state).args(["delete", "--force", CONTAINER]));
        let _ = fs::remove_file(&pid_file);
        let log = emulators::log_folder(place.root)?.join("image-worker.log");
        let file = fs::File::create(&log).map_err(|error| format!("write {}: {error}", log.display()))?;
        let mut command = runtime(&state);
        command.arg("run").arg("--pid-file").arg(&pid_file).arg("--bundle").arg(bundle).arg(CONTAINER);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let runc = command.spawn().map_err(|error| format!("run runc: {error}"))?;
        let mut worker = Self { runc, state, process_id: String::new(), log };
        let begun = Instant::now();
        while worker.process_id.is_empty() {
            worker.must_live(begun)?;
            worker.process_id = fs::read_to_string(&pid_file).unwrap_or_default().trim().to_owned();
        }
        Ok(worker)
    }

    /// Waits a little; the error tells what the worker said.
    fn must_live(&mut self, begun: Instant) -> Result<(), String> {
        std::thread::sleep(Duration::from_millis(50));
        let ended = self.runc.try_wait().ok().flatten();
        if ended.is_none() && begun.elapsed() < READY_MAX {
            return Ok(());
        }
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let state = ended.map_or("is not ready in time".to_owned(), |status| format!("ended with {status}"));
        Err(format!("the worker in the image {state}:\n{said}"))
    }

    fn wait_until_ready(&mut self, port: u16) -> Result<(), String> {
        let begun = Instant::now();
        while !ready(port) {
            self.must_live(begun)?;
        }
        Ok(())
    }

    /// What the kernel says of the process in one of its files.
    fn told(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.process_id);
        fs::read_to_string(&path).map_err(|error| format!("read {path}: {error}"))
    }

    fn ends_in_time(&mut self) -> Result<(), String> {
        text(runtime(&self.state).args(["kill", CONTAINER, "TERM"]))?;
        let begun = Instant::now();
        loop {
            match self.runc.try_wait() {
                Ok(Some(status)) if status.success() => {
                    say(&format!("SIGTERM: it drained and ended by itself in {:.1} s", begun.elapsed().as_secs_f64()));
                    return Ok(());
                }
                Ok(None) if begun.elapsed() < END_MAX => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err(format!("the worker still runs {} s after SIGTERM", END_MAX.as_secs())),
                Ok(Some(status)) => {
                    let said = fs::read_to_string(&self.log).unwrap_or_default();
                    return Err(format!("the worker ended with {status} after SIGTERM:\n{said}"));
                }
                Err(error) => return Err(format!("wait for runc: {error}")),
            }
        }
    }
}

/// Whether a worker says that it is ready.
fn ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
