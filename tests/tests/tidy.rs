//! The tree keeps its own rules. Each rule is seen to find its fault beside its definition, in `src/tidy`.

use zonewatch_tests::alerts::{self, Rules};
use zonewatch_tests::tidy::{Source, code, crates, packages, sources, text};

fn holds(rule: fn(&[Source]) -> Vec<String>) {
    let faults = rule(&sources());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn crates_name_only_what_stands_below_them() {
    let faults = crates::direction(&crates::direct());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_crates_need_nothing_that_reaches_outside() {
    for name in code::PURE {
        let faults = crates::purity(name, &crates::all_of(name));
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}

#[test]
fn everything_compiled_in_may_be_used_and_is_there_once() {
    let packages = packages::all();
    assert!(packages.len() > 100, "cargo metadata names {} packages", packages.len());
    let faults = [packages::licences(&packages), packages::copies(&packages)].concat();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_crates_name_no_clock_file_socket_or_output() {
    holds(code::purity);
}

#[test]
fn only_the_aws_folder_names_the_sdk() {
    holds(code::sdk);
}

#[test]
fn one_module_at_most_allows_unsafe_code() {
    holds(code::unsafe_code);
}

#[test]
fn files_and_functions_stay_below_their_ceilings() {
    holds(code::size);
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    holds(code::unfinished);
}

#[test]
fn every_module_says_what_it_is_for() {
    holds(code::heads);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    holds(text::machine_paths);
}

#[test]
fn every_alert_has_its_words_its_tests_and_its_entry_in_the_runbook() {
    let sources = sources();
    let rules = Rules::read(&sources);
    let runbook = sources.iter().find(|source| source.path == "deploy/RUNBOOK.md").expect("there is a runbook");
    let mut faults = rules.faults.clone();
    faults.extend(alerts::annotations(&rules));
    faults.extend(alerts::cases::both(&rules));
    faults.extend(alerts::cases::order(&rules));
    faults.extend(alerts::runbook::entries(&rules, &runbook.text));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(rules.names().len() > 30, "the rules are not where they were");
}
