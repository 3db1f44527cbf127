//! A release: a static program in an archive, the image, the bill of materials and checksums, in `.cache/release`.
//!
//! It is called one only after it was looked at as whoever downloads it would: checksums verified, unpacked, and run.

mod trial;

use super::commands::{output, refused, summed_up};
use super::image::{buildah, committed, final_stage, linked};
use crate::report::Report;
use crate::say;
use crate::tools;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const IMAGE: &str = "localhost/zonewatch:release";
/// What lies beside the program: the project's own files, whole folders, and what `rootfs.sh` made.
const FILES: [&str; 3] = ["LICENSE", "README.md", "CHANGELOG.md"];
const FOLDERS: [&str; 2] = ["deploy", "docs"];
const MADE: [&str; 2] = ["zonewatch.cdx.json", "THIRD-PARTY.txt"];

/// Where things are.
pub(super) struct Place<'a> {
    root: &'a Path,
    /// What is shipped lies here, and nothing else.
    shipped: PathBuf,
    /// Everything else.
    scratch: PathBuf,
    /// The archive's folder, and its name without an ending.
    name: String,
}

/// The part `release`, and the command.
pub(crate) fn release(root: &Path, report: &mut Report, _: Option<&tools::Tools>) {
    if !cfg!(target_os = "linux") {
        return report.not_run("release", "the program is static on Linux only (run it on Linux)");
    }
    let wanted: [(&str, &[&str], &str); 4] = [
        ("python3", &["--version"], "python3"),
        ("tar", &["--version"], "tar"),
        ("sha256sum", &["--version"], "coreutils"),
        ("dpkg-query", &["--version"], "dpkg"),
    ];
    if let Some((program, _, package)) = wanted.iter().find(|(program, flags, _)| !tools::answers(program, flags)) {
        return report.not_run("release", &format!("{program} is missing (Debian: {package})"));
    }
    let Some(place) = report.step("release: folder", || Place::new(root)) else { return };
    let Some(auditable) = report.step("release: cargo-auditable", || tools::install_auditable(root)) else { return };
    report.run("release: static program", &mut place.rootfs(&auditable));
    if report.step("release: archive, the same twice", || place.archive()).is_none() {
        return;
    }
    if tools::answers("buildah", &["--version"]) {
        report.step("release: image", || place.image());
    } else {
        report.not_run("release: image", "buildah is missing (Debian: buildah)");
    }
    report.step("release: bill of materials", || place.materials());
    report.step("release: what the program says of itself", || place.program());
    report.step("release: checksums", || place.checksums());
    report.step("release: unpacked and run", || trial::run(&place));
    say(&format!("{}:", place.shipped.display()));
    for file in place.files().unwrap_or_default() {
        say(&format!("  {file}"));
    }
    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "x86_64" };
    say(&format!("NOT MADE {other} (run it on such a machine; deploy/image/README.md has the image for both)"));
}

impl<'a> Place<'a> {
    fn new(root: &'a Path) -> Result<Self, String> {
        let shipped = root.join(".cache/release/shipped");
        if shipped.exists() {
            fs::remove_dir_all(&shipped).map_err(|error| format!("remove {}: {error}", shipped.display()))?;
        }
        fs::create_dir_all(&shipped).map_err(|error| format!("make {}: {error}", shipped.display()))?;
        let name = format!("zonewatch-{VERSION}-{}-linux", std::env::consts::ARCH);
        Ok(Self { root, shipped, scratch: root.join(".cache/release"), name })
    }

    /// The program, the bill of materials and the licences, as in the image.
    fn rootfs(&self, auditable: &Path) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(auditable.to_path_buf()).chain(std::env::split_paths(&path));
        let mut command = Command::new(self.root.join("deploy/image/rootfs.sh"));
        command.arg(self.scratch.join("rootfs")).env("SOURCE_DATE_EPOCH", committed(self.root, "%ct"));
        command.env("CARGO_SUBCOMMAND", "auditable");
        // A PATH that can't be joined is left as it is, and cargo says what is missing.
        command.env("PATH", std::env::join_paths(folders).unwrap_or(path));
        command
    }

    fn program_file(&self) -> PathBuf {
        self.scratch.join("rootfs/usr/bin/zonewatch")
    }

    /// Puts everything into one folder below `into`.
    fn gather(&self, into: &Path) -> Result<(), String> {
        if into.exists() {
            fs::remove_dir_all(into).map_err(|error| format!("remove {}: {error}", into.display()))?;
        }
        let folder = into.join(&self.name);
        copy(&self.program_file(), &folder.join("zonewatch"))?;
        copy(&self.root.join("deploy/zonewatch.toml"), &folder.join("zonewatch.toml"))?;
        for file in FILES {
            copy(&self.root.join(file), &folder.join(file))?;
        }
        for file in MADE {
            copy(&self.scratch.join("rootfs/usr/share/zonewatch").join(file), &folder.join(file))?;
        }
        let mut listed = Command::new("git");
        listed.args(["ls-files", "--"]).args(FOLDERS).current_dir(self.root);
        let listed = super::commands::text(&mut listed)?;
        if listed.lines().count() < 50 {
            return Err(format!("git names {} files of {FOLDERS:?}", listed.lines().count()));
        }
        for file in listed.lines() {
            copy(&self.root.join(file), &folder.join(file))?;
        }
        Ok(())
    }

    /// The archive of what was gathered: sorted, owned by nobody in particular, dated by the commit.
    fn pack(&self, from: &Path, archive: &Path) -> Result<(), String> {
        let tar = archive.with_extension("");
        let mut command = Command::new("tar");
        command.args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
        command.args(["--mode=u=rwX,go=rX", &format!("--mtime=@{}", committed(self.root, "%ct")), "--file"]);
        output(command.arg(&tar).arg("--directory").arg(from).arg(&self.name).env("LC_ALL", "C"))?;
        output(Command::new("gzip").args(["--no-name", "--best", "--force"]).arg(&tar))?;
        Ok(())
    }

    fn archive_file(&self) -> PathBuf {
        self.shipped.join(format!("{}.tar.gz", self.name))
    }

    /// Made twice: the second time of copies made later, under another order of making.
    fn archive(&self) -> Result<(), String> {
        let (one, other) = (self.scratch.join("one"), self.scratch.join("other"));
        self.gather(&one)?;
        self.pack(&one, &self.archive_file())?;
        self.gather(&other)?;
        output(Command::new("find").arg(&other).args(["-exec", "touch", "-d", "2001-02-03", "{}", "+"]))?;
        let again = self.scratch.join("again.tar.gz");
        self.pack(&other, &again)?;
        same(&self.archive_file(), &again)?;
        // A check of the check: one byte more is noticed.
        let program = other.join(&self.name).join("zonewatch");
        let mut bytes = read(&program)?;
        bytes.push(0);
        fs::write(&program, bytes).map_err(|error| format!("write {}: {error}", program.display()))?;
        self.pack(&other, &again)?;
        refused("another program", "differs", same(&self.archive_file(), &again).map(|()| String::new()))
    }

    /// The image as one file.
    fn image(&self) -> Result<(), String> {
        final_stage(self.root, &self.scratch, IMAGE)?;
        let file = self.shipped.join(format!("{}-oci.tar", self.name));
        output(buildah(&self.scratch).args(["push", IMAGE]).arg(format!("oci-archive:{}:{VERSION}", file.display())))?;
        let listed = output(Command::new("tar").arg("--list").arg("--file").arg(&file))?;
        let layout = ["oci-layout", "index.json", "blobs/sha256/"];
        match layout.iter().find(|part| !listed.contains(**part)) {
            Some(missing) => Err(format!("{}: there is no {missing} in it", file.display())),
            None => Ok(()),
        }
    }

    /// The bill names what cargo links, in the versions and with the checksums of `Cargo.lock`.
    fn materials(&self) -> Result<(), String> {
        let shipped = self.shipped.join(format!("zonewatch-{VERSION}.cdx.json"));
        copy(&self.scratch.join("rootfs/usr/share/zonewatch/zonewatch.cdx.json"), &shipped)?;
        let text = |path: &Path| fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()));
        let (bill, lock, linked) = (text(&shipped)?, text(&self.root.join("Cargo.lock"))?, linked(self.root)?);
        names_all(&bill, &lock, &linked)?;
        say(&format!("bill of materials: {} crates, each with the checksum of Cargo.lock", linked.len()));
        let faulty = bill.replacen("pkg:cargo/tokio@", "pkg:cargo/tokyo@", 2);
        refused("a bill without a crate", "tokio", names_all(&faulty, &lock, &linked).map(|()| String::new()))
    }

    /// The program is static, and tells scanners what it is made of.
    fn program(&self) -> Result<(), String> {
        let program = self.program_file();
        let needs = output(Command::new("ldd").arg(&program)).unwrap_or_else(|said| said);
        if !needs.contains("statically linked") && !needs.contains("not a dynamic executable") {
            return Err(format!("{} is not static: {needs}", program.display()));
        }
        let names = self.scratch.join("linked.txt");
        fs::write(&names, linked(self.root)?.join("\n"))
            .map_err(|error| format!("write {}: {error}", names.display()))?;
        let check = |program: &Path| {
            let mut command = Command::new("python3");
            command.arg(self.root.join("tools/release/check_auditable.py")).arg(program).arg(&names);
            command
        };
        summed_up("auditable", &mut check(&program))?;
        refused("a program that says nothing", "nothing of its crates", output(&mut check(Path::new("/bin/true"))))
    }

    /// What is shipped, in order.
    fn files(&self) -> Result<Vec<String>, String> {
        let listed =
            fs::read_dir(&self.shipped).map_err(|error| format!("read {}: {error}", self.shipped.display()))?;
        let mut names: Vec<String> =
            listed.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn checksums(&self) -> Result<(), String> {
        let files = self.files()?;
        let sums = output(Command::new("sha256sum").args(&files).current_dir(&self.shipped))?;
        let file = self.shipped.join("SHA256SUMS");
        fs::write(&file, &sums).map_err(|error| format!("write {}: {error}", file.display()))?;
        let check = |folder: &Path| {
            output(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder))
        };
        check(&self.shipped)?;
        let faulty = self.scratch.join("faulty");
        for name in files.iter().map(String::as_str).chain(["SHA256SUMS"]) {
            copy(&self.shipped.join(name), &faulty.join(name))?;
        }
        let bill = faulty.join(format!("zonewatch-{VERSION}.cdx.json"));
        fs::write(&bill, "{}").map_err(|error| format!("write {}: {error}", bill.display()))?;
        refused("a file that was changed", "FAILED", check(&faulty))
    }
}

/// Whether the bill has all these crates and no other, and what is locked of them.
fn names_all(bill: &str, lock: &str, linked: &[String]) -> Result<(), String> {
    for name in linked {
        let (name, version) = name.split_once(' ').ok_or_else(|| format!("{name:?} is no crate"))?;
        if !bill.contains(&format!("\"purl\":\"pkg:cargo/{name}@{version}\"")) {
            return Err(format!("{name} {version} is linked and not in the bill of materials"));
        }
        let locked = lock.split(&format!("name = \"{name}\"\nversion = \"{version}\"\n")).nth(1);
        let sum = locked.and_then(|rest| rest.split("checksum = \"").nth(1)).and_then(|rest| rest.split('"').next());
        match sum {
            Some(sum) if bill.contains(sum) => {}
            _ => return Err(format!("{name} {version}: the checksum of Cargo.lock is not in the bill of materials")),
        }
    }
    let listed = bill.matches("\"purl\":\"pkg:cargo/").count();
    if listed == linked.len() { Ok(()) } else { Err(format!("{} crates are linked and {listed} listed", linked.len())) }
}

fn same(one: &Path, other: &Path) -> Result<(), String> {
    if read(one)? == read(other)? { Ok(()) } else { Err(format!("{} differs from {}", one.display(), other.display())) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("read {}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    }
    // The chart's rules are a link to Prometheus' own.
    let copied = match fs::read_link(from) {
        Ok(target) => std::os::unix::fs::symlink(target, to),
        Err(_) => fs::copy(from, to).map(|_| ()),
    };
    copied.map_err(|error| format!("copy {} to {}: {error}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_must_have_every_crate_with_its_checksum_and_no_other() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"r\"\nchecksum = \"abc\"\n";
        let bill = "{\"purl\":\"pkg:cargo/a@1.0.0\",\"content\":\"abc\"}";
        let linked = ["a 1.0.0".to_owned()];
        assert_eq!(names_all(bill, lock, &linked), Ok(()));
        for (bill, complaint) in [
            (bill.replace("a@1.0.0", "a@1.0.1"), "is linked and not"),
            (bill.replace("abc", "abd"), "the checksum"),
            (format!("{bill}{{\"purl\":\"pkg:cargo/b@1.0.0\"}}"), "1 crates are linked and 2 listed"),
        ] {
            let error = names_all(&bill, lock, &linked).expect_err(complaint);
            assert!(error.contains(complaint), "{error}");
        }
    }
}
