//! Rules about the source that no compiler checks, each a function from files to faults.
//!
//! They read text, not syntax: a rule is right for code that `rustfmt` has laid out, which the first check of
//! `cargo xtask test` makes sure of.

pub mod code;
pub mod crates;
pub mod packages;
pub mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path below the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is test code.
    pub fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let file = parts[parts.len() - 1];
        let folders = &parts[..parts.len() - 1];
        file == "tests.rs"
            || file.ends_with("_test.rs")
            || file.ends_with("_tests.rs")
            || folders.iter().any(|folder| *folder == "tests" || *folder == "benches")
    }

    /// The lines that run outside tests, numbered from one and without comments. A file's tests come last in it.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let inline_tests = "#[cfg(test)]\nmod tests {";
        let end = self.text.find(inline_tests).unwrap_or(self.text.len());
        let code = if self.is_test() { "" } else { &self.text[..end] };
        code.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)))
    }
}

/// The part of a line before a comment. `//` inside a string, as in an address, ends the line too: what follows it
/// there is no code either.
fn without_comment(line: &str) -> &str {
    line.find("//").map_or(line, |start| &line[..start])
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests stands one folder below the root").to_path_buf()
}

/// Every text file of the tree that git keeps or would keep.
pub fn sources() -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the tree's files");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let read = |path: &str| {
        // A file deleted but not yet committed is listed and not there; one that is not UTF-8 has no text to judge.
        let text = fs::read_to_string(root().join(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect()
}

#[cfg(test)]
pub(crate) fn sample(path: &str, text: &str) -> Vec<Source> {
    vec![Source { path: path.to_owned(), text: text.to_owned() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_tests_begin_and_comments_are_left_out() {
        let text = "//! Doc.\nlet a = 1; // why\n#[cfg(test)]\nmod tests {\n    let b = 2;\n}\n";
        let [source] = &sample("crates/x/src/lib.rs", text)[..] else { panic!("one source") };
        let lines: Vec<(usize, &str)> = source.code_lines().collect();
        assert_eq!(lines, [(1, ""), (2, "let a = 1; ")]);
    }

    #[test]
    fn test_files_have_no_code_lines() {
        for path in
            ["crates/x/tests/a.rs", "crates/x/src/tests.rs", "crates/x/src/row_tests.rs", "crates/x/src/table_test.rs"]
        {
            assert_eq!(sample(path, "std::fs")[0].code_lines().count(), 0, "{path}");
        }
        assert_eq!(sample("crates/x/src/contests.rs", "std::fs")[0].code_lines().count(), 1);
    }
}
