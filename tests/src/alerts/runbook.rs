//! The runbook has an entry for each alert, and no other.

use super::Rules;
use std::collections::BTreeSet;

/// What an entry says.
const PARTS: [&str; 4] = ["- **See:** ", "- **Means:** ", "- **Do:** ", "- **Worked:** "];

/// Alerts and entries agree, both ways, every entry is whole, and its links lead somewhere.
pub fn entries(rules: &Rules, runbook: &str) -> Vec<String> {
    let entries: Vec<(&str, &str)> =
        runbook.split("\n### ").skip(1).map(|entry| entry.split_once('\n').unwrap_or((entry, ""))).collect();
    let alerts: BTreeSet<&str> = rules.names().into_iter().collect();
    let told: BTreeSet<&str> = entries.iter().map(|(name, _)| name.trim()).collect();
    let mut faults: Vec<String> = alerts.difference(&told).map(|name| format!("{name}: no entry")).collect();
    faults.extend(told.difference(&alerts).map(|name| format!("{name}: an entry, and there is no such alert")));
    if told.len() < entries.len() {
        faults.push("an entry stands twice".to_owned());
    }
    for (name, text) in &entries {
        let places: Vec<Option<usize>> = PARTS.iter().map(|part| text.find(&format!("\n{part}"))).collect();
        if places.contains(&None) || !places.is_sorted() {
            faults.push(format!("{name}: its entry must have, in this order, {}", PARTS.join("")));
        }
    }
    faults.extend(dead_links(runbook));
    faults
}

/// Links within the page whose heading is not there.
fn dead_links(runbook: &str) -> Vec<String> {
    let headings = runbook.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let anchors: BTreeSet<String> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let links = runbook.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|link| !anchors.contains(*link)).map(|link| format!("#{link}: a link to no heading")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{SOUND, sample};
    use super::*;

    const ENTRY: &str =
        "# Runbook\n\n### ZonewatchX\n\n- **See:** a\n- **Means:** b\n- **Do:** [X](#zonewatchx)\n- **Worked:** d\n";

    fn faults(runbook: &str) -> Vec<String> {
        entries(&sample(SOUND, "tests: []\n"), runbook)
    }

    #[test]
    fn alerts_and_entries_agree_both_ways() {
        assert_eq!(faults(ENTRY), Vec::<String>::new());
        assert_eq!(faults("# Runbook\n"), ["ZonewatchX: no entry"]);
        let other = format!("{ENTRY}\n{}", ENTRY.replace("# Runbook\n\n### ZonewatchX", "### ZonewatchY"));
        assert_eq!(faults(&other), ["ZonewatchY: an entry, and there is no such alert"]);
        assert_eq!(faults(&format!("{ENTRY}\n{}", ENTRY.replace("# Runbook\n", ""))), ["an entry stands twice"]);
    }

    #[test]
    fn an_entry_has_its_four_parts_in_order_and_links_that_lead_somewhere() {
        for part in ["- **See:** a\n", "- **Worked:** d\n"] {
            assert_eq!(faults(&ENTRY.replace(part, "")).len(), 1, "{part}");
        }
        assert_eq!(faults(&ENTRY.replace("- **See:** a\n- **Means:** b\n", "- **Means:** b\n- **See:** a\n")).len(), 1);
        assert_eq!(faults(&ENTRY.replace("(#zonewatchx)", "(#zonewatchz)")), ["#zonewatchz: a link to no heading"]);
    }
}
