//! Commands whose words are wanted, not only their end.

use crate::say;
use std::process::{Command, Stdio};

/// What a command printed, standard error behind standard output, if it ended well; else that and how it ended.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("run {shown}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{shown} ended with {}\n{said}", output.status)) }
}

/// The same for what is printed on standard output alone, and read by another.
pub(crate) fn text(command: &mut Command) -> Result<String, String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("run {shown}: {error}"))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|error| format!("run {shown}: {error}"));
    }
    Err(format!("{shown} ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Runs a command whose last line sums up, and says that line.
pub(crate) fn summed_up(name: &str, command: &mut Command) -> Result<(), String> {
    let said = output(command)?;
    say(&format!("{name}: {}", said.trim_end().lines().last().unwrap_or("nothing said")));
    Ok(())
}

/// A check of the checks: one that must end badly, and say why.
pub(crate) fn refused(name: &str, complaint: &str, outcome: Result<String, String>) -> Result<(), String> {
    match outcome {
        Err(said) if said.contains(complaint) => {
            say(&format!("seen: {name}"));
            Ok(())
        }
        Err(said) => Err(format!("{name}: was refused, but not with {complaint:?}:\n{said}")),
        Ok(said) => Err(format!("{name}: was not noticed:\n{said}")),
    }
}
