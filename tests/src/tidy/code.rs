//! Rules about Rust files: purity, size, unsafe code, unfinished work.

use super::Source;

/// The crates without clock, socket, file, random source or output.
pub const PURE: [&str; 3] = ["dnslog", "detect", "lease"];

/// Where the AWS SDK may be named.
const SDK_FOLDER: &str = "crates/cloud/src/aws";

const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// What pure code may not name.
const IMPURE: [&str; 18] = [
    "SystemTime",
    "Instant::now",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "stdin(",
    "stdout(",
    "stderr(",
    "println!",
    "print!",
    "eprintln!",
    "dbg!",
    "async fn",
];

/// Pure crates name nothing that reads a clock, a file, a socket or the environment, or that writes anywhere.
pub fn purity(sources: &[Source]) -> Vec<String> {
    let is_pure = |source: &&Source| PURE.iter().any(|name| source.path.starts_with(&format!("crates/{name}/src/")));
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()).filter(is_pure) {
        for (number, line) in source.code_lines() {
            let named = IMPURE.into_iter().find(|word| line.contains(word));
            faults.extend(named.map(|word| format!("{}:{number}: {word} in a pure crate", source.path)));
        }
    }
    faults
}

/// Only `cloud::aws` names an SDK crate, in code or in tests.
pub fn sdk(sources: &[Source]) -> Vec<String> {
    let outside = |source: &&Source| source.is_rust() && !source.path.starts_with(SDK_FOLDER);
    let mut faults = Vec::new();
    for source in sources.iter().filter(outside) {
        for (index, line) in source.text.lines().enumerate() {
            if names_sdk(super::without_comment(line)) {
                faults.push(format!("{}:{}: names the AWS SDK outside {SDK_FOLDER}", source.path, index + 1));
            }
        }
    }
    faults
}

/// Whether a line has a path into a crate of the SDK: `use aws_…` or `aws_…::`. A log target in a string is none.
fn names_sdk(line: &str) -> bool {
    let crates =
        ["sdk_", "config", "smithy_", "runtime", "types", "credential_types"].map(|name| format!("aws_{name}"));
    line.match_indices("aws_").any(|(at, _)| {
        let rest = &line[at..];
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let used = line[..at].trim_end().ends_with("use") || rest[end..].starts_with("::");
        used && crates.iter().any(|name| rest.starts_with(name))
    })
}

/// One module of `dnslog` may allow unsafe code, and no other of the product.
pub fn unsafe_code(sources: &[Source]) -> Vec<String> {
    let product =
        sources.iter().filter(|source| source.is_rust() && source.path.starts_with("crates/") && !source.is_test());
    let holders: Vec<&Source> =
        product.filter(|source| source.text.contains(concat!("allow(unsafe", "_code)"))).collect();
    let foreign = holders.iter().filter(|source| !source.path.starts_with("crates/dnslog/src/"));
    let mut faults: Vec<String> = foreign.map(|source| format!("{}: allows unsafe code", source.path)).collect();
    if holders.len() > 1 {
        let paths: Vec<&str> = holders.iter().map(|source| source.path.as_str()).collect();
        faults.push(format!("{}: one module may allow unsafe code, not {}", paths.join(", "), holders.len()));
    }
    faults
}

/// Files and functions stay below their ceilings.
pub fn size(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}: {lines} lines, more than {LINES_MAX}", source.path));
        }
        for (start, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                faults.push(format!(
                    "{}:{start}: a function of {length} lines, more than {FUNCTION_LINES_MAX}",
                    source.path
                ));
            }
        }
    }
    faults
}

/// First line and number of lines of every function. `rustfmt` puts a function's last brace under its first word.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let word = line.trim_start();
        let indent = line.len() - word.len();
        if !is_function(word) || word.ends_with(';') || word.ends_with('}') {
            continue;
        }
        let ends =
            |line: &&str| line.len() > indent && line[..indent].trim().is_empty() && line[indent..].starts_with('}');
        let length = lines[index..].iter().position(ends).map_or(lines.len() - index, |distance| distance + 1);
        found.push((index + 1, length));
    }
    found
}

fn is_function(line: &str) -> bool {
    let mut rest = line;
    loop {
        let modifier = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe ", "extern \"C\" "];
        match modifier.iter().find_map(|word| rest.strip_prefix(word)) {
            Some(shorter) => rest = shorter,
            None => return rest.starts_with("fn "),
        }
    }
}

/// Nothing is unfinished, and no test is switched off.
pub fn unfinished(sources: &[Source]) -> Vec<String> {
    let words = [
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for (index, line) in source.text.lines().enumerate() {
            let named = words.iter().find(|word| line.contains(**word));
            faults.extend(named.map(|word| format!("{}:{}: {word}", source.path, index + 1)));
        }
    }
    faults
}

/// Every module says at its head what it is for.
pub fn heads(sources: &[Source]) -> Vec<String> {
    let headless = |source: &&Source| source.is_rust() && !source.text.starts_with("//! ");
    sources.iter().filter(headless).map(|source| format!("{}: does not open with a //! line", source.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_clock_in_a_pure_crate_is_a_fault_and_in_its_tests_is_not() {
        let bad = "//! Doc.\nlet now = std::time::Instant::now();\n";
        assert_eq!(purity(&sample("crates/lease/src/plan.rs", bad)).len(), 1);
        assert_eq!(purity(&sample("crates/zonewatch/src/clock.rs", bad)), Vec::<String>::new());
        let tested = format!("#[cfg(test)]\nmod tests {{\n{bad}}}\n");
        assert_eq!(purity(&sample("crates/lease/src/plan.rs", &tested)), Vec::<String>::new());
        assert_eq!(purity(&sample("crates/lease/tests/plan.rs", bad)), Vec::<String>::new());
    }

    #[test]
    fn an_address_type_is_pure_and_a_socket_is_not() {
        assert_eq!(purity(&sample("crates/dnslog/src/a.rs", "use std::net::IpAddr;")), Vec::<String>::new());
        assert_eq!(purity(&sample("crates/dnslog/src/a.rs", "use std::net::TcpStream;")).len(), 1);
    }

    #[test]
    fn the_sdk_outside_its_folder_is_a_fault() {
        for line in [concat!("use aws", "_sdk_kinesis as kinesis;"), concat!("let a: aws", "_config::SdkConfig;")] {
            assert_eq!(sdk(&sample("crates/zonewatch/src/supervisor.rs", line)).len(), 1, "{line}");
            assert_eq!(sdk(&sample("tests/tests/contract.rs", line)).len(), 1, "{line}");
            assert_eq!(sdk(&sample("crates/cloud/src/aws/kinesis.rs", line)), Vec::<String>::new());
        }
        let target = "const QUIET: &str = \"aws_config=error\";";
        assert_eq!(sdk(&sample("crates/zonewatch/src/telemetry/log.rs", target)), Vec::<String>::new());
    }

    #[test]
    fn a_second_unsafe_module_is_a_fault() {
        let allowing = concat!("#![allow(unsafe", "_code)]");
        let one = sample("crates/dnslog/src/simd.rs", allowing);
        assert_eq!(unsafe_code(&one), Vec::<String>::new());
        let two = [one.clone(), sample("crates/dnslog/src/other.rs", allowing)].concat();
        assert_eq!(unsafe_code(&two).len(), 1);
        assert_eq!(unsafe_code(&sample("crates/detect/src/simd.rs", allowing)).len(), 1);
    }

    #[test]
    fn long_files_and_functions_are_faults() {
        assert_eq!(size(&sample("a.rs", &"// line\n".repeat(501))).len(), 1);
        let function = |lines: usize| {
            format!("impl A {{\n    pub async fn long(\n{}    }}\n}}\n", "        work();\n".repeat(lines - 2))
        };
        assert_eq!(size(&sample("a.rs", &function(71))).len(), 1);
        assert_eq!(size(&sample("a.rs", &function(70))), Vec::<String>::new());
        assert_eq!(functions("fn short() {}\nfn declared();\nfn last() {\n    work();\n}\n"), [(3, 3)]);
    }

    #[test]
    fn unfinished_work_and_ignored_tests_are_faults() {
        let text = concat!("to", "do!()\n#[ig", "nore]\nfine();\n");
        assert_eq!(unfinished(&sample("a.rs", text)).len(), 2);
    }

    #[test]
    fn a_module_without_a_head_is_a_fault() {
        assert_eq!(heads(&sample("a.rs", "use std::fmt;\n")).len(), 1);
        assert_eq!(heads(&sample("a.rs", "//! What it is for.\n")), Vec::<String>::new());
    }
}
