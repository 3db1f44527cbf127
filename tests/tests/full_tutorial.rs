//! `docs/tutorial.md`: every command in it is run, in order and in one shell, and says what stands there.
//!
//! Run by `cargo xtask full tutorial`. Needs bash, jq, curl and promtool.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Command;
use zonewatch_tests::program::Folder;
use zonewatch_tests::tidy::root;

/// A command, and the lines that it must print.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The steps of all blocks: `$ ` begins a command, `> ` goes on with it, all else is printed.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in document.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: command.to_owned(), printed: Vec::new() });
                continue;
            }
            let step = steps.last_mut().expect("a block begins with a command");
            match line.strip_prefix("> ") {
                Some(more) => write!(step.command, "\n{more}").expect("a string takes everything"),
                None => step.printed.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Whether lines are the expected ones; `…` at the end of one stands for the rest of it. Empty lines at the end do not count.
fn agree(printed: &str, expected: &[String]) -> bool {
    let printed: Vec<&str> = printed.trim_end().lines().collect();
    let same = |(printed, expected): (&&str, &String)| match expected.strip_suffix('…') {
        Some(start) => printed.starts_with(start),
        None => printed.trim_end() == expected.trim_end(),
    };
    let mut expected = expected.to_vec();
    while expected.last().is_some_and(String::is_empty) {
        expected.pop();
    }
    printed.len() == expected.len() && printed.iter().zip(&expected).all(same)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("it has an address").port()
}

#[test]
fn every_command_of_the_tutorial_prints_what_stands_there() {
    let document = std::fs::read_to_string(root().join("docs/tutorial.md")).expect("there is a tutorial");
    let steps = steps(&document);
    assert!(steps.len() > 12, "{} steps", steps.len());
    let folder = Folder::create();
    std::os::unix::fs::symlink(root().join("deploy"), folder.file("deploy")).expect("a link");
    let binary = std::env::var("ZONEWATCH_BIN").expect("ZONEWATCH_BIN names the program");
    let binary = root().join(binary);
    std::os::unix::fs::symlink(&binary, folder.file("zonewatch")).expect("a link");

    let ports = [("9465", free_port().to_string()), ("9464/", format!("{}/", free_port()))];
    let metrics_port = ports[1].1.trim_end_matches('/').to_owned();
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\nset +m\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        let mut command = step.command.replace("--metrics-port 9464", &format!("--metrics-port {metrics_port}"));
        for (documented, free) in &ports {
            command = command.replace(documented, free);
        }
        write!(script, "printf '\\n@@%d@@\\n' {number}\n{command}\n").expect("a string takes everything");
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("there is a PATH"));
    let script = folder.write("steps.sh", format!("exec 2>&1\n{script}").as_bytes());
    let mut shell = Command::new("timeout");
    shell.args(["240", "bash"]).arg(script).current_dir(folder.path()).env("PATH", path);
    let output = shell.output().expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("text is printed");
    assert!(output.status.success(), "{text}");
    for (number, step) in steps.iter().enumerate() {
        let after = text.split(&format!("@@{number}@@\n")).nth(1).unwrap_or_else(|| panic!("step {number}: {text}"));
        let printed = after.split(&format!("\n@@{}@@\n", number + 1)).next().expect("there is a first part");
        assert!(
            agree(printed, &step.printed),
            "docs/tutorial.md\n$ {}\nshall print\n{}\nand prints\n{printed}",
            step.command,
            step.printed.join("\n")
        );
    }
}

#[test]
fn commands_and_what_they_print_are_told_apart() {
    let step = |command: &str, printed: &[&str]| Step {
        command: command.to_owned(),
        printed: printed.iter().map(|line| (*line).to_owned()).collect(),
    };
    let text = "a\n```sh\n$ no\n```\n```console\n$ cat <<E\n> x\n> E\nx\n$ true\n```\n";
    assert_eq!(steps(text), [step("cat <<E\nx\nE", &["x"]), step("true", &[])]);
}

#[test]
fn what_differs_is_seen_unless_it_is_left_out() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (printed, expected, agreed) in [
        ("a\nb\n\n", "a\nb", true),
        ("a\nb", "a…\nb", true),
        ("about\nb", "a…\nb", true),
        ("about\nb", "a\nb", false),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
        ("", "", true),
    ] {
        assert_eq!(agree(printed, &lines(expected)), agreed, "{printed:?} {expected:?}");
    }
}
