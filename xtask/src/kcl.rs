//! The run beside the real Kinesis Client Library: two consumers of one stream and one lease table, in turn.

use crate::checks::{binary, cargo};
use crate::emulators;
use crate::report::Report;
use crate::tools::{self, Tools};
use std::path::Path;

const NAME: &str = "in turn with the real KCL";

/// Runs the suite `kcl`: Kinesis and Firehose on the usual emulators, the lease table in DynamoDB Local.
pub(crate) fn in_turn(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    if !tools::answers("java", &["-version"]) {
        return report.not_run(NAME, "java is missing (Debian: default-jre-headless)");
    }
    let Some(tools) = tools else { return report.not_run(NAME, "the test tools were not installed") };
    let started = report.step("start what the KCL needs", || {
        tools::install_for_full(root, tools)?;
        tools::install_kcl(root, tools)?;
        Ok((emulators::start(root, tools)?, emulators::start_dynamodb_local(root, tools)?))
    });
    let Some((usual, dynamodb)) = started else { return };
    let address = |(name, address)| (name == "ZONEWATCH_TEST_AWS").then_some(address);
    let dynamodb_address = dynamodb.environment().into_iter().find_map(address).unwrap_or_default();

    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    let mut tests = cargo(root, "test -p zonewatch-tests --profile ci --features full --test kcl");
    tests.envs(usual.environment()).env("ZONEWATCH_TEST_DYNAMODB", dynamodb_address).env("ZONEWATCH_BIN", binary(root));
    report.run_tests(NAME, &mut tests);
}
