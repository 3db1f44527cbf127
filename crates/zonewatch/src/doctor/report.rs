//! The findings as a table, or as one JSON document.

use super::{Finding, State};
use crate::cli::columns::{columns, printable};
use serde::Serialize;

/// Everything that was found, in the order of the checks.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether there is no problem.
    pub ok: bool,
    pub problems: usize,
    pub warnings: usize,
    pub not_checked: usize,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    pub fn new(findings: Vec<Finding>) -> Self {
        let count = |state| findings.iter().filter(|finding| finding.state == state).count();
        let [problems, warnings, not_checked] = [State::Problem, State::Warning, State::NotChecked].map(count);
        Self { ok: problems == 0, problems, warnings, not_checked, findings }
    }

    /// As a table, and below it what to do.
    pub fn text(&self) -> String {
        let row = |finding: &Finding| {
            vec![
                said(finding.state).to_owned(),
                finding.check.to_owned(),
                finding.subject.clone(),
                finding.found.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = self.findings.iter().map(row).collect();
        let mut text = columns(&["STATE", "CHECK", "OF", "FOUND"], &rows);
        let steps: Vec<&Finding> = self.findings.iter().filter(|finding| finding.next.is_some()).collect();
        if !steps.is_empty() {
            text.push_str("\nNext steps\n");
        }
        for state in [State::Problem, State::Warning, State::NotChecked] {
            for finding in steps.iter().filter(|finding| finding.state == state) {
                let (subject, next) =
                    (printable(&finding.subject), printable(finding.next.as_deref().unwrap_or_default()));
                text.push_str(&format!("  {} {} {subject}: {next}\n", said(state), finding.check));
            }
        }
        text + &format!(
            "\nchecks: {}; problems: {}, warnings: {}, not checked: {}\n",
            self.findings.len(),
            self.problems,
            self.warnings,
            self.not_checked
        )
    }
}

fn said(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::NotChecked => "not checked",
        State::Warning => "warning",
        State::Problem => "problem",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(vec![
            Finding::ok("stream", "queries", "ACTIVE"),
            Finding::warning("clock", "this machine", "6 s late", "set it"),
            Finding::problem("lease table", "zonewatch", "not there", "start a worker"),
        ])
    }

    #[test]
    fn the_table_has_every_finding_and_every_next_step_problems_first() {
        let text = report().text();
        let steps: Vec<&str> = text.lines().skip_while(|line| *line != "Next steps").skip(1).take(2).collect();
        assert_eq!(steps, ["  problem lease table zonewatch: start a worker", "  warning clock this machine: set it"]);
        assert!(text.starts_with("STATE    CHECK        OF            FOUND\nok       stream       queries"), "{text}");
        assert!(text.ends_with("checks: 3; problems: 1, warnings: 1, not checked: 0\n"), "{text}");
    }

    #[test]
    fn warnings_are_no_failure_and_a_problem_is() {
        assert!(!report().ok);
        let mut findings = report().findings;
        findings.pop();
        assert!(Report::new(findings).ok);
    }
}
