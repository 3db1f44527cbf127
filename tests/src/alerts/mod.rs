//! Prometheus rules, their tests for `promtool` and the runbook: what of their agreement no tool checks.

pub mod cases;
pub mod runbook;
pub mod yaml;

use crate::tidy::Source;
use yaml::Node;

/// Where rules and their tests are.
const RULES: &str = "deploy/prometheus/rules/";
const TESTS: &str = "deploy/prometheus/tests/";

/// What an alert may ask for.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// An alerting rule.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The file it stands in.
    pub path: String,
    /// Its name; rules of one name differ in their severity.
    pub name: String,
    rule: Node,
}

/// All there is, read.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The alerts in the order of their files.
    pub alerts: Vec<Alert>,
    /// The names of the groups, of records too.
    pub groups: Vec<String>,
    /// The tests' files, by their paths.
    pub tests: Vec<(String, Node)>,
    /// What could not be read.
    pub faults: Vec<String>,
}

impl Rules {
    /// Reads the tree's.
    pub fn read(sources: &[Source]) -> Self {
        let mut rules = Self::default();
        for source in sources.iter().filter(|source| source.path.ends_with(".yaml")) {
            let (is_rules, is_tests) = (source.path.starts_with(RULES), source.path.starts_with(TESTS));
            if !is_rules && !is_tests {
                continue;
            }
            match yaml::read(&source.text) {
                Err(fault) => rules.faults.push(format!("{}: {fault}", source.path)),
                Ok(node) if is_rules => rules.take(&source.path, &node),
                Ok(node) => rules.tests.push((source.path.clone(), node)),
            }
        }
        rules
    }

    fn take(&mut self, path: &str, file: &Node) {
        for group in file.list("groups") {
            self.groups.push(group.text("name").unwrap_or_default().to_owned());
            for rule in group.list("rules") {
                if let Some(name) = rule.text("alert") {
                    self.alerts.push(Alert { path: path.to_owned(), name: name.to_owned(), rule: rule.clone() });
                } else if rule.text("record").is_none() {
                    self.faults.push(format!("{path}: a rule that is neither an alert nor a record"));
                }
            }
        }
    }

    /// Names of alerts, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.alerts.iter().map(|alert| alert.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Every alert says what is wrong, with its values, how bad it is, and where its entry in the runbook is.
pub fn annotations(rules: &Rules) -> Vec<String> {
    rules
        .alerts
        .iter()
        .flat_map(|alert| faults_of(alert).into_iter().map(|fault| format!("{}: {}: {fault}", alert.path, alert.name)))
        .collect()
}

fn faults_of(alert: &Alert) -> Vec<String> {
    let mut faults = Vec::new();
    let part = |part: &str, key: &str| alert.rule.get(part).and_then(|node| node.text(key)).unwrap_or_default();
    if part("annotations", "summary").is_empty() {
        faults.push("no summary".to_owned());
    }
    if !part("annotations", "description").contains("{{") {
        faults.push("no description, or none with a value".to_owned());
    }
    let link = format!("{{{{ $externalLabels.zonewatch_runbook }}}}RUNBOOK.md#{}", alert.name.to_lowercase());
    if part("annotations", "runbook_url") != link {
        faults.push(format!("its runbook_url must be {link}"));
    }
    // A finding's own severity is a label of its series.
    let own = alert.rule.text("expr").is_some_and(|expression| expression.starts_with("job_zone_kind_severity:"));
    if !own && !SEVERITIES.contains(&part("labels", "severity")) {
        faults.push(format!("its severity must be one of {}", SEVERITIES.join(", ")));
    }
    if !["zone", "pipeline"].contains(&part("labels", "area")) {
        faults.push("its area must be zone or pipeline".to_owned());
    }
    faults
}

#[cfg(test)]
pub(crate) fn sample(alert: &str, test: &str) -> Rules {
    let source = |path: String, text: &str| Source { path, text: text.to_owned() };
    Rules::read(&[source(format!("{RULES}a.yaml"), alert), source(format!("{TESTS}a.yaml"), test)])
}

/// A sound rule.
#[cfg(test)]
pub(crate) const SOUND: &str = "\
groups:
  - name: zonewatch-a
    rules:
      - alert: ZonewatchX
        expr: a > 1
        labels:
          area: zone
          severity: info
        annotations:
          summary: Much a
          description: \"{{ $value }} a.\"
          runbook_url: \"{{ $externalLabels.zonewatch_runbook }}RUNBOOK.md#zonewatchx\"
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_alert_has_no_fault_and_each_part_that_is_missing_is_one() {
        let rules = sample(SOUND, "tests: []\n");
        assert_eq!((annotations(&rules), &rules.faults), (vec![], &vec![]));
        for (part, other) in [
            ("summary: Much a", "title: Much a"),
            ("{{ $value }} a.", "Much a."),
            ("#zonewatchx", "#zonewatchy"),
            ("severity: info", "severity: bad"),
            ("severity: info", "team: info"),
            ("area: zone", "area: zones"),
        ] {
            let rules = sample(&SOUND.replace(part, other), "tests: []\n");
            assert_eq!(annotations(&rules).len(), 1, "{part}");
        }
        assert_eq!(sample("groups: *all\n", "tests: []\n").faults.len(), 1);
        assert_eq!(sample(&SOUND.replace("alert: ", "alerts: "), "tests: []\n").faults.len(), 1);
    }
}
