//! The image: its final stage is built of a program compiled here, looked through, and run.

mod container;
mod worker;

use super::commands::{output, refused, summed_up, text};
use crate::full::NO_TOOLS;
use crate::report::Report;
use crate::say;
use crate::tools::{self, Packaging, Tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the files of the image may have together.
const BYTES_MAX: &str = "20000000";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its name in the storage of this check.
const NAME: &str = "localhost/zonewatch:check";

/// Where things are.
struct Place<'a> {
    root: &'a Path,
    tools: &'a Tools,
    packaging: Packaging,
    scratch: PathBuf,
}

/// The part `image`.
pub(crate) fn image(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let Some(tools) = tools else { return report.not_run("image", NO_TOOLS) };
    let place = report.step("image: tools", || {
        let scratch = root.join(".cache/image");
        fs::create_dir_all(&scratch).map_err(|error| format!("make {}: {error}", scratch.display()))?;
        Ok(Place { root, tools, packaging: tools::install_packaging(root, tools)?, scratch })
    });
    let Some(place) = place else { return };
    report.step("image: Dockerfile", || place.dockerfile());
    report.step("image: marketplace listing", || place.listing());
    if !cfg!(target_os = "linux") {
        return report.not_run("image: built and run", "it is a Linux program (run it on Linux)");
    }
    if !Path::new(ROOTS).is_dir() {
        return report.not_run("image: built and run", "the roots of TLS are missing (Debian: ca-certificates)");
    }
    report.run("image: static program", &mut place.rootfs());
    report.step("image: materials", || place.materials());
    if !tools::answers("buildah", &["--version"]) {
        return report.not_run("image: built and run", "buildah is missing (Debian: buildah)");
    }
    if report.step("image: final stage", || place.build()).is_none() {
        return;
    }
    report.step("image: contents", || place.contents());
    if !is_root() {
        return report.not_run("image: run", "ports below 1024 and namespaces are root's (run it as root)");
    }
    report.step("image: names, roots, handshakes, roles", || container::meets_aws(&place));
    for program in ["umoci", "runc"] {
        if !tools::answers(program, &["--version"]) {
            let missing = format!("{program} is missing (Debian: {program})");
            return report.not_run("image: a restricted worker", &missing);
        }
    }
    if !Path::new(worker::SECCOMP).is_file() {
        let missing = format!("{} is missing (Debian: golang-github-containers-common)", worker::SECCOMP);
        return report.not_run("image: a restricted worker", &missing);
    }
    report.step("image: a restricted worker", || worker::restricted(&place));
}

/// Where `deploy/image/rootfs.sh` takes Mozilla's roots from.
const ROOTS: &str = "/usr/share/ca-certificates/mozilla";

fn is_root() -> bool {
    text(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

impl Place<'_> {
    /// A linter's word on the Dockerfile, and that it has something to say on a bad one.
    fn dockerfile(&self) -> Result<(), String> {
        let lint = |file: &Path| output(Command::new(self.packaging.binary("hadolint")).arg(file));
        lint(&self.root.join("deploy/image/Dockerfile"))?;
        let bad = self.scratch.join("bad.Dockerfile");
        let written = fs::write(&bad, "FROM debian:latest\nRUN cd /srv && apt-get install curl\n");
        written.map_err(|error| format!("write {}: {error}", bad.display()))?;
        refused("a Dockerfile that no digest or version holds", "DL3007", lint(&bad))
    }

    fn listing(&self) -> Result<(), String> {
        let check = |folder: &Path| {
            let mut command = self.packaging.python(self.tools);
            command.arg(self.root.join("tools/image/check_listing.py")).arg(folder);
            command.arg(self.root.join("deploy/kubernetes/chart/values.yaml")).arg(VERSION);
            command
        };
        let listing = self.root.join("deploy/marketplace");
        summed_up("marketplace", &mut check(&listing))?;
        let faulty = self.scratch.join("listing");
        fs::create_dir_all(&faulty).map_err(|error| format!("make {}: {error}", faulty.display()))?;
        for (file, from, to, complaint) in [
            ("version.json", "\"config.source.stream\"", "\"config.source.straem\"", "the chart has no value"),
            ("version.json", "VersionTitle\": \"", "VersionTitle\": \"9", "and the program's"),
            ("information.json", "@LOGO_URL@", "@LOGO@", "is not a mark"),
        ] {
            for name in ["information.json", "version.json", "README.md", "logo.png"] {
                let copied = fs::copy(listing.join(name), faulty.join(name));
                copied.map_err(|error| format!("copy {name}: {error}"))?;
            }
            edit(&faulty.join(file), from, to)?;
            refused(to, complaint, output(&mut check(&faulty)))?;
        }
        Ok(())
    }

    /// Everything that is in the image, made as the first stage of the Dockerfile makes it.
    fn rootfs(&self) -> Command {
        let mut command = Command::new(self.root.join("deploy/image/rootfs.sh"));
        command.arg(self.rootfs_folder()).env("SOURCE_DATE_EPOCH", committed(self.root, "%ct"));
        // What cargo tells this program of itself would reach build scripts, and have them run again each time that the
        // image is built in the other way.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start)) {
                command.env_remove(&*name);
            }
        }
        command
    }

    fn rootfs_folder(&self) -> PathBuf {
        self.scratch.join("rootfs")
    }

    /// The bill of materials and the licences, against what cargo links.
    fn materials(&self) -> Result<(), String> {
        let names = linked(self.root)?;
        let (file, share) = (self.scratch.join("linked.txt"), self.rootfs_folder().join("usr/share/zonewatch"));
        fs::write(&file, names.join("\n")).map_err(|error| format!("write {}: {error}", file.display()))?;
        let check = |folder: &Path| {
            let mut command = self.packaging.python(self.tools);
            command.arg(self.root.join("tools/image/check_materials.py")).arg(folder).arg(&file);
            command
        };
        summed_up("materials", &mut check(&share))?;
        let faulty = self.scratch.join("materials");
        fs::create_dir_all(&faulty).map_err(|error| format!("make {}: {error}", faulty.display()))?;
        for (from, to, complaint) in [
            ("\"name\":\"tokio\"", "\"name\":\"tokyo\"", "is linked and not listed"),
            ("\"bomFormat\"", "\"format\"", "CycloneDX:"),
        ] {
            for name in ["zonewatch.cdx.json", "THIRD-PARTY.txt"] {
                let copied = fs::copy(share.join(name), faulty.join(name));
                copied.map_err(|error| format!("copy {name}: {error}"))?;
            }
            edit(&faulty.join("zonewatch.cdx.json"), from, to)?;
            refused(to, complaint, output(&mut check(&faulty)))?;
        }
        Ok(())
    }

    /// The final stage, and the image as files.
    fn build(&self) -> Result<(), String> {
        final_stage(self.root, &self.scratch, NAME)?;
        let layout = self.layout();
        if layout.exists() {
            fs::remove_dir_all(&layout).map_err(|error| format!("remove {}: {error}", layout.display()))?;
        }
        output(self.buildah().args(["push", NAME]).arg(format!("oci:{}:check", layout.display())))?;
        Ok(())
    }

    fn contents(&self) -> Result<(), String> {
        let check = |revision: &str, most: &str| {
            let mut command = self.packaging.python(self.tools);
            command.arg(self.root.join("tools/image/check_image.py")).arg(self.layout());
            command.args([VERSION, revision, &committed(self.root, "%cI"), most]);
            command
        };
        let revision = committed(self.root, "%H");
        summed_up("image", &mut check(&revision, BYTES_MAX))?;
        refused("a smaller limit", "and may have 1000000", output(&mut check(&revision, "1000000")))?;
        refused("another commit's image", "image.revision is", output(&mut check("elsewhere", BYTES_MAX)))
    }

    /// The image as files.
    fn layout(&self) -> PathBuf {
        self.scratch.join("layout")
    }

    fn buildah(&self) -> Command {
        buildah(&self.scratch)
    }

    /// How many roots the image carries.
    fn roots(&self) -> Result<usize, String> {
        let listed = fs::read_dir(ROOTS).map_err(|error| format!("read {ROOTS}: {error}"))?;
        let count = listed.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "crt")).count();
        say(&format!("{ROOTS} has {count} roots"));
        Ok(count)
    }
}

/// A fact of the commit that is checked out; outside git, the beginning of time.
pub(crate) fn committed(root: &Path, fact: &str) -> String {
    let mut git = Command::new("git");
    let told = text(git.args(["log", "-1", &format!("--format={fact}")]).current_dir(root));
    told.map_or_else(|_| "0".to_owned(), |told| told.trim().to_owned())
}

/// Builds the Dockerfile's final stage, with `scratch/rootfs` standing in for the stage that compiles.
pub(crate) fn final_stage(root: &Path, scratch: &Path, name: &str) -> Result<(), String> {
    let mut build = buildah(scratch);
    build.args(["bud", "--isolation", "chroot", "--target", "final", "--tag", name]);
    build.args(["--timestamp", &committed(root, "%ct")]);
    build.arg("--build-context").arg(format!("build={}", scratch.display()));
    for (name, value) in [
        ("VERSION", VERSION),
        ("REVISION", &committed(root, "%H")),
        ("CREATED", &committed(root, "%cI")),
        ("SOURCE", "https://example.com/zonewatch"),
    ] {
        build.args(["--build-arg", &format!("{name}={value}")]);
    }
    // Nothing of the context is used: a small one is not copied for long.
    output(build.arg("--file").arg(root.join("deploy/image/Dockerfile")).arg(root.join("deploy/image")))?;
    Ok(())
}

/// buildah with a storage of its own, so that the machine's is left alone.
pub(crate) fn buildah(scratch: &Path) -> Command {
    let mut command = Command::new("buildah");
    command.arg("--root").arg(scratch.join("storage")).arg("--runroot").arg(scratch.join("runroot"));
    command.args(["--storage-driver", "vfs"]);
    command
}

/// `name version` of every crate that cargo links into the program.
pub(crate) fn linked(root: &Path) -> Result<Vec<String>, String> {
    let host = text(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--package", "zonewatch", "--edges", "normal,no-proc-macro"]);
    tree.args(["--target", &host, "--prefix", "none", "--format", "{p}"]).current_dir(root);
    let mut names: Vec<String> = text(&mut tree)?.lines().filter_map(crate_name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// `name version` of a line of `cargo tree`, unless it is of this workspace.
fn crate_name(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (name, version, place) = (words.next()?, words.next()?.strip_prefix('v')?, words.next());
    let own = place.is_some_and(|place| place.starts_with("(/"));
    (!own).then(|| format!("{name} {version}"))
}

/// Changes the first place of a text in a file.
fn edit(file: &Path, from: &str, to: &str) -> Result<(), String> {
    let whole = fs::read_to_string(file).map_err(|error| format!("read {}: {error}", file.display()))?;
    if !whole.contains(from) {
        return Err(format!("{}: there is no {from:?} to make faulty", file.display()));
    }
    fs::write(file, whole.replacen(from, to, 1)).map_err(|error| format!("write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_workspace_are_no_materials() {
        assert_eq!(crate_name("tokio v1.54.0"), Some("tokio 1.54.0".to_owned()));
        assert_eq!(crate_name("tokio v1.54.0 (*)"), Some("tokio 1.54.0".to_owned()));
        assert_eq!(crate_name("cloud v0.1.0 (/src/crates/cloud)"), None);
        assert_eq!(crate_name(""), None);
    }
}
