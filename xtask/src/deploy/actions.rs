//! What the program calls, and what each form of the role allows: the same actions, but for those that are named here.
//!
//! Every call says its action in its errors (`"kinesis:GetRecords"`), so the source says what the program can call.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Calls that make what the templates make (`leases.create = false`), and so need not be allowed.
const MAKES: [&str; 3] = ["dynamodb:CreateTable", "kinesis:CreateStream", "kinesis:RegisterStreamConsumer"];
/// Calls of fan-out, which the CloudFormation template does not offer.
const FAN_OUT: [&str; 2] = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];
/// What the services ask for in the role's name, where a key is the operator's own; no call of the program's.
const IN_ITS_NAME: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];
/// Calls whose failure nobody is told of, by the SDK's name of the call and the action. They make something, too.
const UNTOLD: [(&str, &str); 1] = [("update_time_to_live", "dynamodb:UpdateTimeToLive")];
/// Services that the program calls.
const SERVICES: [&str; 5] = ["dynamodb", "firehose", "kinesis", "logs", "s3"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The text of every Rust file below a folder, tests beside the code left out.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            texts.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
    texts
}

/// `service:Action` if that is all that `text` is.
fn action(text: &str) -> Option<&str> {
    let (service, name) = text.split_once(':')?;
    let is_name = name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric());
    let is_service = SERVICES.contains(&service) || service == "kms";
    (is_name && is_service).then_some(text)
}

/// Actions that are texts of a source, quoted.
fn quoted(text: &str) -> BTreeSet<String> {
    text.lines().flat_map(|line| line.split('"')).filter_map(action).map(str::to_owned).collect()
}

/// All that the program calls.
fn called() -> BTreeSet<String> {
    let texts = sources(&root().join("crates/cloud/src/aws"));
    assert!(texts.len() > 10, "the calls are elsewhere");
    let untold = UNTOLD.iter().filter(|(call, _)| texts.iter().any(|text| text.contains(&format!(".{call}()"))));
    let untold = untold.map(|(_, action)| (*action).to_owned());
    texts.iter().flat_map(|text| quoted(text)).chain(untold).collect()
}

/// What the role of the Terraform modules allows.
fn terraform() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deploy/terraform/modules/program/policy.tf")).unwrap();
    // Conditions look like actions, and comments name what is left out.
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    code.filter(|line| !line.contains("variable = ")).flat_map(quoted).collect()
}

/// What the role of the template allows: items of lists in its resource.
fn template() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deploy/cloudformation/zonewatch.yaml")).unwrap();
    let (_, policy) = text.split_once("\n  TaskPolicy:\n").expect("the template has the resource TaskPolicy");
    let policy = policy.lines().take_while(|line| line.starts_with("   "));
    let items = policy.filter_map(|line| line.trim().strip_prefix("- ")?.split(" #").next());
    items.filter_map(action).map(str::to_owned).collect()
}

/// What the README's table says a worker needs: actions with their service, and further ones of the service before them.
fn readme() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, table) = text.split_once("| on | actions |\n").expect("the README has the table of actions");
    let mut actions = BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let mut service = "";
        for word in row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2) {
            let name = word.split_once(':').map_or(word, |(named, name)| {
                service = named;
                name
            });
            actions.extend(action(&format!("{service}:{name}")).map(str::to_owned));
        }
    }
    actions
}

fn set(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

fn same(role: &BTreeSet<String>, wanted: &BTreeSet<String>) {
    let missing: Vec<_> = wanted.difference(role).collect();
    let idle: Vec<_> = role.difference(wanted).collect();
    assert!(
        missing.is_empty() && idle.is_empty(),
        "called and not allowed: {missing:?}; allowed and not called: {idle:?}"
    );
}

#[test]
fn terraforms_role_allows_what_the_program_calls_and_no_more() {
    let made = set(&[&MAKES[..], &UNTOLD.map(|(_, action)| action)].concat());
    let wanted: BTreeSet<String> = called().difference(&made).cloned().chain(set(&IN_ITS_NAME)).collect();
    same(&terraform(), &wanted);
}

#[test]
fn the_templates_role_allows_what_the_program_calls_and_no_more() {
    let left_out = set(&[&MAKES[..], &FAN_OUT, &UNTOLD.map(|(_, action)| action)].concat());
    same(&template(), &called().difference(&left_out).cloned().collect());
}

#[test]
fn the_readme_names_what_a_worker_calls() {
    // What only doctor looks at is in docs/leases.md.
    let looks = ["dynamodb:DescribeTimeToLive", "logs:DescribeLogGroups", "logs:DescribeSubscriptionFilters"];
    same(&readme(), &called().difference(&set(&looks)).cloned().collect());
}

#[test]
fn actions_are_found_where_they_stand() {
    assert_eq!(quoted("const GET: &str = \"dynamodb:GetItem\"; \"aws:Source\" \"x\""), set(&["dynamodb:GetItem"]));
    assert_eq!(
        [action("s3:PutObject"), action("s3:*"), action("a b:C"), action("kinesis:")],
        [Some("s3:PutObject"), None, None, None]
    );
    assert!(called().len() > 20 && terraform().len() > 20 && template().len() > 20);
}
