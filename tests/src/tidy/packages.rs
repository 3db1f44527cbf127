//! Rules about everything that is compiled in, near and far: licences, and second copies of what must be there once.

use super::crates::cargo;
use serde_json::Value;
use std::process::Command;

/// Licences that ask for no more than their text to be kept. What else comes in is a decision of its own.
const ALLOWED: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "BSL-1.0",
];

/// A second HTTP or TLS stack costs megabytes and build minutes, and brings its own faults. The SDK's default features pull
/// one in; the manifests leave them out.
const ONCE: [&str; 5] = ["hyper", "rustls", "http", "tokio", "h2"];
const NEVER: [&str; 4] = ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs"];

/// A package of the build.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression; empty if it states none.
    pub licence: String,
}

/// Every package that is compiled on this machine's platform.
pub fn all() -> Vec<Package> {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("rustc prints UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", host]);
    let metadata: Value = serde_json::from_slice(&metadata).expect("cargo prints JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        licence: text(&package["license"]),
    };
    packages.iter().map(package).collect()
}

/// Every package may be used under licences that are allowed.
pub fn licences(packages: &[Package]) -> Vec<String> {
    let foreign = packages.iter().filter(|package| !allows(&package.licence));
    foreign.map(|package| format!("{} {}: licence {:?}", package.name, package.version, package.licence)).collect()
}

/// What must be there once is, and what must not be there is not.
pub fn copies(packages: &[Package]) -> Vec<String> {
    let versions = |name: &str| -> Vec<&str> {
        packages.iter().filter(|package| package.name == name).map(|package| package.version.as_str()).collect()
    };
    let twice = ONCE.into_iter().filter(|name| versions(name).len() > 1);
    let twice = twice.map(|name| format!("{name} is compiled in versions {}", versions(name).join(" and ")));
    let never =
        NEVER.into_iter().filter(|name| !versions(name).is_empty()).map(|name| format!("{name} is compiled in"));
    twice.chain(never).collect()
}

/// Whether an SPDX expression can be met by allowed licences alone. An old form writes `/` for OR.
fn allows(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    met(&expression)
}

fn met(expression: &str) -> bool {
    // OR binds least, so it is split first; then AND; what is left is a licence or parentheses.
    if let Some((left, right)) = split(expression, " OR ") {
        return met(left) || met(right);
    }
    if let Some((left, right)) = split(expression, " AND ") {
        return met(left) && met(right);
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => met(inner),
        None => ALLOWED.contains(&expression),
    }
}

/// Splits at the first operator outside parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let depth = |end: usize| {
        let before = &expression[..end];
        before.matches('(').count() - before.matches(')').count()
    };
    let (at, _) = expression.match_indices(operator).find(|(at, _)| depth(*at) == 0)?;
    Some((&expression[..at], &expression[at + operator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: &str) -> Package {
        Package { name: name.to_owned(), version: version.to_owned(), licence: licence.to_owned() }
    }

    #[test]
    fn an_expression_is_met_by_one_side_of_or_and_both_of_and() {
        for licence in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(GPL-3.0 OR MIT) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(allows(licence), "{licence}");
        }
        for licence in ["", "AGPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND GPL-3.0", "MPL-2.0 OR (MIT AND GPL-3.0)"]
        {
            assert!(!allows(licence), "{licence}");
        }
        assert_eq!(licences(&[package("a", "1.0.0", "AGPL-3.0")]).len(), 1);
    }

    #[test]
    fn a_second_tls_stack_is_a_fault() {
        let once = [package("rustls", "0.23.1", "MIT"), package("syn", "1.0.0", "MIT"), package("syn", "2.0.0", "MIT")];
        assert_eq!(copies(&once), Vec::<String>::new());
        let twice = [package("rustls", "0.23.1", "MIT"), package("rustls", "0.21.1", "MIT")];
        assert_eq!(copies(&twice).len(), 1);
        assert_eq!(copies(&[package("openssl-sys", "0.9.1", "MIT")]).len(), 1);
    }
}
