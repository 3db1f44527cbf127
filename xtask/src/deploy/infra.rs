//! What `deploy/` makes on AWS: linted, applied to emulators and read back, with the real program in it.
//!
//! The looking is done by `tools/infrastructure/*.py`, which say what each step shows.

use crate::checks::{binary, cargo};
use crate::emulators;
use crate::report::Report;
use crate::tools::Tools;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the AWS provider of Terraform is, unless `ZONEWATCH_TERRAFORM_PLUGINS` names another folder.
const PLUGINS: &str = "/opt/tf-plugins";
/// The provider inside that folder.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
const NO_TOOLS: &str = "the test tools were not installed";

/// What takes seconds and needs nothing but the test tools: the template against cfn-lint and rules of our own, each rule
/// seen to find its fault, and the tests of the function in front of the page.
pub(crate) fn quick(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let Some(tools) = tools else { return report.not_run("infrastructure, linted", NO_TOOLS) };
    report.run("infrastructure, linted", &mut script(root, tools, "template_test.py"));
    let mut page = Command::new("node");
    report.run("function of the page", page.args(["--test", "deploy/cdn/"]).current_dir(root));
}

/// The part `infrastructure`: the same, and both ways to deploy, on emulators.
pub(crate) fn infrastructure(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    quick(root, report, tools);
    let Some(tools) = tools else { return report.not_run("infrastructure on emulators", NO_TOOLS) };
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    on_emulators(root, report, tools, "CloudFormation on ministack", &mut script(root, tools, "stack.py"));

    let name = "Terraform on moto";
    let plugins = match terraform() {
        Ok(plugins) => plugins,
        Err(missing) => return report.not_run(name, &missing),
    };
    let mut applied = script(root, tools, "terraform.py");
    on_emulators(root, report, tools, name, applied.arg(plugins).arg(root.join(".cache/terraform")));
}

/// Runs a script beside emulators of its own: what one deployed must not help another.
fn on_emulators(root: &Path, report: &mut Report, tools: &Tools, name: &str, script: &mut Command) {
    let started = report.step("start an empty account", || emulators::start_an_account(root, tools));
    let Some(running) = started else { return };
    report.run(name, script.envs(running.environment()).env("ZONEWATCH_BIN", binary(root)));
}

fn script(root: &Path, tools: &Tools, name: &str) -> Command {
    let mut command = Command::new(tools.python());
    command.arg(root.join("tools/infrastructure").join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    // A line as soon as it is said: the last step takes minutes.
    command.env("PYTHONUNBUFFERED", "1");
    command
}

/// The folder with Terraform's provider, or what is missing. Nothing is fetched: Terraform would ask its own registry.
fn terraform() -> Result<PathBuf, String> {
    let mut version = Command::new("terraform");
    version.arg("-version").env("CHECKPOINT_DISABLE", "1").env_remove("TF_CLI_CONFIG_FILE");
    let found = version.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Err("terraform is missing (install Terraform 1.9 or later)".to_owned());
    }
    let named = std::env::var_os("ZONEWATCH_TERRAFORM_PLUGINS");
    let plugins = named.map_or_else(|| PathBuf::from(PLUGINS), PathBuf::from);
    if plugins.join(PROVIDER).is_dir() {
        return Ok(plugins);
    }
    Err(format!(
        "{} is missing (unpack the AWS provider; or set ZONEWATCH_TERRAFORM_PLUGINS)",
        plugins.join(PROVIDER).display()
    ))
}
