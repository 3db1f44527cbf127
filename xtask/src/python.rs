//! How emulators from the Python environment are started. The tests compile this file too: one of them stops an emulator,
//! which must be its own.

use std::path::Path;
use std::process::Command;

/// A console script of the environment, kept on loopback. It ends when its standard input does.
pub(crate) fn script(root: &Path, tools: &Path, name: &str) -> Command {
    program(root, tools, &tools.join("venv/bin").join(name))
}

/// The same for any Python program.
pub(crate) fn program(root: &Path, tools: &Path, program: &Path) -> Command {
    let mut command = Command::new(tools.join("venv/bin/python"));
    command.arg(root.join("xtask/emulators/loopback.py")).arg(program);
    command
}

/// ministack: DynamoDB, Firehose and S3 on one port. What it writes goes to `scratch`.
pub(crate) fn ministack(root: &Path, tools: &Path, scratch: &Path, port: u16) -> Command {
    let mut command = script(root, tools, "ministack");
    command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("LOG_LEVEL", "WARNING");
    // Else it also listens on the fixed MQTT port, and two runs side by side would meet there.
    command.env("IOT_MTLS_ENABLED", "0").env("TMPDIR", scratch);
    command
}
