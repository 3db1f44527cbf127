//! Every alert is seen to fire and to keep silent, by `promtool test rules`.

use super::Rules;
use super::yaml::Node;
use std::collections::BTreeSet;

/// No alert without a test in which it fires and one in which it does not, and no test of an alert that is not there.
pub fn both(rules: &Rules) -> Vec<String> {
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for case in
        rules.tests.iter().flat_map(|(_, file)| file.list("tests")).flat_map(|test| test.list("alert_rule_test"))
    {
        let expects = !case.list("exp_alerts").is_empty();
        let name = case.text("alertname").unwrap_or_default();
        if expects {
            firing.insert(name)
        } else {
            silent.insert(name)
        };
    }
    let alerts: BTreeSet<&str> = rules.names().into_iter().collect();
    let missing = |seen: &BTreeSet<&str>, what: &str| -> Vec<String> {
        alerts.difference(seen).map(|name| format!("{name}: no test in which it {what}")).collect()
    };
    let mut faults = [missing(&firing, "fires"), missing(&silent, "keeps silent")].concat();
    let tested: BTreeSet<&str> = firing.union(&silent).copied().collect();
    faults.extend(tested.difference(&alerts).map(|name| format!("{name}: tested, and there is no such alert")));
    faults
}

/// `promtool` evaluates groups that are not named in any order, another each time: every file with alerts names all, records
/// first.
pub fn order(rules: &Rules) -> Vec<String> {
    let wanted: BTreeSet<&str> = rules.groups.iter().map(String::as_str).collect();
    let has_alerts = |file: &Node| file.list("tests").iter().any(|test| test.get("alert_rule_test").is_some());
    let mut faults = Vec::new();
    for (path, file) in rules.tests.iter().filter(|(_, file)| has_alerts(file)) {
        let named: Vec<&str> = file.list("group_eval_order").iter().filter_map(text).collect();
        let all = named.iter().copied().collect::<BTreeSet<_>>() == wanted;
        if !all || !named[0].ends_with("-records") {
            faults.push(format!("{path}: group_eval_order must name every group, records first"));
        }
    }
    faults
}

fn text(node: &Node) -> Option<&str> {
    match node {
        Node::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SOUND, sample};
    use super::*;

    fn case(name: &str, alerts: &str) -> String {
        format!("      - eval_time: 1m\n        alertname: {name}\n        exp_alerts:{alerts}\n")
    }

    fn test(cases: &[&str]) -> String {
        format!("tests:\n  - interval: 1m\n    alert_rule_test:\n{}", cases.concat())
    }

    #[test]
    fn an_alert_needs_a_test_of_either_sort() {
        let fires = case("ZonewatchX", "\n          - exp_labels:\n              severity: info");
        let (silent, unknown) = (case("ZonewatchX", " []"), case("ZonewatchY", " []"));
        let faults = |cases: &[&str]| both(&sample(SOUND, &test(cases)));
        assert_eq!(faults(&[&fires, &silent]), Vec::<String>::new());
        assert_eq!(faults(&[&fires]), ["ZonewatchX: no test in which it keeps silent"]);
        assert_eq!(faults(&[&silent]), ["ZonewatchX: no test in which it fires"]);
        assert_eq!(faults(&[&fires, &silent, &unknown]), ["ZonewatchY: tested, and there is no such alert"]);
    }

    #[test]
    fn every_group_has_a_place_in_the_order() {
        let rules = format!("{SOUND}  - name: zonewatch-records\n    rules:\n      - record: a:b\n        expr: c\n");
        let faults = |order: &str| order_of(&rules, order).len();
        assert_eq!(faults("[zonewatch-records, zonewatch-a]"), 0);
        assert_eq!(faults("[zonewatch-a, zonewatch-records]"), 1);
        assert_eq!(faults("[zonewatch-records]"), 1);
        assert_eq!(faults("[]"), 1);
    }

    fn order_of(rules: &str, order: &str) -> Vec<String> {
        let file = format!("group_eval_order: {order}\n{}", test(&[&case("ZonewatchX", " []")]));
        super::order(&sample(rules, &file))
    }
}
