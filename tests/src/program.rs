//! The real binary, run as an operator runs it.

use crate::emulators::wait_for;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// Where the binary is, as `cargo xtask` says; a relative path starts at the workspace's folder.
fn binary() -> PathBuf {
    let path = std::env::var_os("ZONEWATCH_BIN").map(|path| crate::tidy::root().join(path));
    let path = path.expect(
        "ZONEWATCH_BIN is not set: run the tests with `cargo xtask test` or `cargo xtask emulators -- COMMAND`",
    );
    assert!(path.is_file(), "ZONEWATCH_BIN: there is no {}", path.display());
    path
}

/// A command of the binary, with none of this process's own settings and credentials.
pub fn zonewatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("ZONEWATCH_") || name.starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command.output().expect("the binary starts")
}

/// Both outputs of an ended command, as text.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A folder of this test's own, removed at its end.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub fn create() -> Self {
        let path = std::env::temp_dir().join(crate::emulators::unique("zonewatch-test"));
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The files in it whose names end so.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("a folder for temporary files").flatten();
        entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, bytes).expect("a temporary file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running process of the binary. Dropping kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).expect("a log file");
        let copy = file.try_clone().expect("a log file");
        let child = command.stdout(file).stderr(copy).spawn().expect("the binary starts");
        Self { child, log: log.to_path_buf() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Asks it to end, as a scheduler does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Takes it off the processor, as a machine that hangs would.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "send SIG{name}");
    }

    /// The name of its log file, which no other process of this run has.
    pub fn name(&self) -> String {
        name_of(&self.log)
    }

    /// Waits for its end.
    pub fn ended(&mut self, patience: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the process's end", patience, || child.try_wait().expect("the process is ours"))
    }

    /// Fails the test if it has ended.
    pub fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the process is ours") {
            panic!("ended with {status}:\n{}", self.said());
        }
    }
}

/// The name of a process by its log file.
pub fn name_of(log: &Path) -> String {
    log.file_stem().expect("a log file has a name").to_string_lossy().into_owned()
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "a failing test shows what its process said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("process {} said:\n{}", self.id(), self.said());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
