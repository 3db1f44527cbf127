//! Records hold to the published definitions of the schemas they claim.
//!
//! The definitions come in packages that `cargo xtask test` installs (npm `@elastic/ecs`, PyPI `ocsf-json-schema`); the
//! scripts that read them are in `tools/`. Here queries of every log form are decoded, enriched and written, and the
//! lines are handed to those scripts.

mod records;

use dnslog::schema::Schema;
use records::records;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `cargo xtask test` keeps the packages.
fn tools() -> PathBuf {
    let variable = std::env::var_os("ZONEWATCH_TOOLS");
    variable
        .expect("ZONEWATCH_TOOLS is not set: run `cargo xtask test`, which installs the schemas' definitions")
        .into()
}

/// Runs a checking script on these lines: whether it accepts them, and what it says.
fn check(script: &str, lines: &[u8]) -> (bool, String) {
    let tools = tools();
    let program = if script.ends_with(".py") { tools.join("venv/bin/python") } else { PathBuf::from("node") };
    let mut child = Command::new(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").join(script))
        .env("ZONEWATCH_TOOLS", tools)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}: run `cargo xtask test`", program.display()));
    child.stdin.take().expect("piped").write_all(lines).expect("the script reads everything before it answers");
    let output = child.wait_with_output().expect("wait for the script");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn ecs_records_hold_to_the_field_list() {
    for original in [true, false] {
        let (accepted, said) = check("check_ecs.mjs", &records(Schema::Ecs, original));
        assert!(accepted, "{said}");
    }
}

#[test]
fn ocsf_records_hold_to_the_class() {
    for original in [true, false] {
        let (accepted, said) = check("check_ocsf.py", &records(Schema::Ocsf, original));
        assert!(accepted, "{said}");
    }
}

#[test]
fn the_checks_refuse_what_is_wrong() {
    let edited = |schema, from: &str, to: &str| {
        let lines = String::from_utf8(records(schema, false)).expect("records are UTF-8");
        assert!(lines.contains(from), "{from}");
        lines.replace(from, to).into_bytes()
    };
    for (script, lines, complaint) in [
        ("check_ecs.mjs", Vec::new(), "no records"),
        ("check_ecs.mjs", edited(Schema::Ecs, "\"response_code\"", "\"rcode\""), "dns.rcode is not in ECS"),
        ("check_ecs.mjs", edited(Schema::Ecs, ":\"17\"", ":17"), "network.iana_number is not text"),
        ("check_ecs.mjs", edited(Schema::Ecs, "[\"protocol\"", "[\"admin\""), "event.type admin does not belong"),
        ("check_ocsf.py", Vec::new(), "no records"),
        ("check_ocsf.py", edited(Schema::Ocsf, "\"hostname\"", "\"host\""), "'hostname' is a required property"),
        ("check_ocsf.py", edited(Schema::Ocsf, "\"NXDomain\"", "\"NXDOMAIN\""), "rcode is 'NXDOMAIN'"),
        ("check_ocsf.py", edited(Schema::Ocsf, "400306", "400301"), "does not follow"),
    ] {
        let (accepted, said) = check(script, &lines);
        assert!(!accepted && said.contains(complaint), "{complaint}: {said}");
    }
}
