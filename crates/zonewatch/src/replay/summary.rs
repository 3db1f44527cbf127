//! What a replay came to, as a table for people.
//!
//! Names were chosen by whoever asked, so everything that is not plain ASCII is escaped before it meets a terminal.

use crate::config::rfc3339;
use crate::filter::LeftOut;
use crate::observe::Observed;
use detect::finding::Kind;
use detect::{Digest, HyperLogLog, Zone};
use dnslog::{QueryType, Reason, ResponseCode};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

const ZONES_SHOWN: usize = 12;
const NAMES_SHOWN: usize = 10;
/// The longest name shown in full.
const NAME_CHARS: usize = 60;

/// The result of a replay.
pub struct Summary {
    /// Inputs that held nothing like a query log.
    pub foreign_inputs: Vec<String>,
    /// Bytes read.
    pub input_bytes: u64,
    /// How many inputs there were.
    pub inputs: usize,
    /// Windows that were closed early because too many were open.
    pub windows_limited: u64,
    /// Findings that opened and are not muted, by kind, if windows were made.
    pub findings: Option<BTreeMap<Kind, u64>>,
    /// From the first record to the last.
    pub elapsed: Duration,
    /// What was counted.
    pub observed: Observed,
}

impl Summary {
    /// Rejects of all reasons.
    pub fn rejects(&self) -> u64 {
        self.observed.counts.rejects.iter().sum()
    }

    fn totals(&self) -> Table {
        let counts = &self.observed.counts;
        let mut names = HyperLogLog::default();
        zones(&self.observed.digest).for_each(|zone| names.merge(zone.names()));
        let times = zones(&self.observed.digest).filter_map(Zone::times_ms);
        let times = times.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)));

        let mut table = Table::new("<><");
        let span = times.map_or(String::new(), |(first, last)| format!("{} to {}", utc(first), utc(last)));
        table.row(&["queries", &grouped(counts.queries), &span]);
        let exact = if names.is_exact() { "" } else { "give or take 1.6 %" };
        table.row(&["distinct names", &grouped(names.estimate()), exact]);
        let by_reason = Reason::ALL.iter().zip(&counts.rejects).map(|(reason, &count)| (reason.as_str(), count));
        table.row(&["rejects", &grouped(self.rejects()), &parts(by_reason)]);
        if counts.late > 0 {
            let why = "older than 5 minutes when their record arrived";
            table.row(&["late queries", &grouped(counts.late), why]);
        }
        if let Some(findings) = &self.findings {
            let by_kind = findings.iter().map(|(kind, &count)| (kind.as_str(), count));
            table.row(&["findings", &grouped(findings.values().sum()), &parts(by_kind)]);
        }
        if self.windows_limited > 0 {
            table.row(&["closed early", &grouped(self.windows_limited), "windows, because too many were open"]);
        }
        let left_out = LeftOut::ALL.iter().zip(counts.left_out).map(|(reason, count)| (reason.as_str(), count));
        if counts.left_out.iter().any(|&count| count > 0) {
            table.row(&["left out", &grouped(counts.left_out.iter().sum()), &parts(left_out)]);
        }
        if counts.controls > 0 {
            table.row(&["control messages", &grouped(counts.controls), "sent by CloudWatch Logs as a test; dropped"]);
        }
        let inputs = if self.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", self.inputs) };
        let records =
            format!("{inputs}, {} records, inflated {}", grouped(counts.records), bytes(counts.inflated_bytes));
        table.row(&["read", &bytes(self.input_bytes), &records]);
        let secs = self.elapsed.as_secs_f64();
        let rate = format!("{} queries/s", short(counts.queries as f64 / secs.max(1e-9)));
        table.row(&["took", &format!("{secs:.2} s"), &rate]);
        table
    }

    fn zones(&self) -> Table {
        let digest = &self.observed.digest;
        let mut zones: Vec<&Zone> = digest.zones().collect();
        zones.sort_by_key(|zone| (Reverse(zone.total()), zone.key()));
        let mut table = Table::new("<>>>>>");
        table.row(&["zone", "queries", "share", "NXDOMAIN", "SERVFAIL", "names"]);
        for zone in zones.iter().take(ZONES_SHOWN) {
            let id = if zone.key() == zone.name() { String::new() } else { format!("  {}", shown(zone.key())) };
            table.row(&cells(&format!("{}{id}", shown(zone.name())), zone, digest.total()));
        }
        if let Some(rest) = zones.get(ZONES_SHOWN..).filter(|rest| !rest.is_empty()) {
            let total = rest.iter().map(|zone| zone.total()).sum();
            let name = format!("{} more", rest.len());
            table.row(&[&name, &grouped(total), &percent(total, digest.total()), "", "", ""]);
        }
        if digest.other().total() > 0 {
            table.row(&cells("zones over the limit", digest.other(), digest.total()));
        }
        table
    }

    fn codes(&self) -> Table {
        let all = ResponseCode::ALL.iter();
        self.shares("response code", all.map(|&code| (code.as_str(), self.sum(|zone| zone.with_code(code)))))
    }

    fn types(&self) -> Table {
        let all = QueryType::ALL.iter();
        self.shares("type", all.map(|&kind| (kind.as_str(), self.sum(|zone| zone.with_type(kind)))))
    }

    fn shares<'a>(&self, head: &str, counts: impl Iterator<Item = (&'a str, u64)>) -> Table {
        let mut counts: Vec<_> = counts.filter(|&(_, count)| count > 0).collect();
        counts.sort_by_key(|&(name, count)| (Reverse(count), name));
        let mut table = Table::new("<>>");
        table.row(&[head, "queries", "share"]);
        for (name, count) in counts {
            table.row(&[name, &grouped(count), &percent(count, self.observed.digest.total())]);
        }
        table
    }

    fn names(&self) -> Table {
        let total = self.observed.digest.total();
        // A count within the error may be of a name like all others: in a flood of made-up names, none stands out.
        let names = zones(&self.observed.digest).flat_map(Zone::top_names);
        let mut names: Vec<_> = names.filter(|name| name.count > name.error).collect();
        names.sort_by(|one, two| two.count.cmp(&one.count).then_with(|| one.name.cmp(&two.name)));
        let mut table = Table::new("<>>");
        table.row(&["top names", "queries", "share"]);
        if names.is_empty() {
            table.row(&["none stands out", "", ""]);
        }
        for name in names.iter().take(NAMES_SHOWN) {
            // Counts of a bounded set of counters: never too high, too low by at most the error.
            let least = if name.error > 0 { "at least " } else { "" };
            table.row(&[&shown(&name.name), &format!("{least}{}", grouped(name.count)), &percent(name.count, total)]);
        }
        table
    }

    fn sum(&self, count: impl Fn(&Zone) -> u64) -> u64 {
        zones(&self.observed.digest).map(count).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.totals())?;
        if self.observed.digest.is_empty() {
            return Ok(());
        }
        for table in [self.zones(), self.codes(), self.types(), self.names()] {
            write!(formatter, "\n{table}")?;
        }
        Ok(())
    }
}

fn zones(digest: &Digest) -> impl Iterator<Item = &Zone> {
    digest.zones().chain([digest.other()])
}

fn cells(name: &str, zone: &Zone, all: u64) -> [String; 6] {
    let total = zone.total();
    [
        name.to_owned(),
        grouped(total),
        percent(total, all),
        percent(zone.with_code(ResponseCode::NxDomain), total),
        percent(zone.with_code(ResponseCode::ServFail), total),
        grouped(zone.names().estimate()),
    ]
}

/// Rows of cells; a column is as wide as its widest cell.
struct Table {
    /// `<` or `>` a column: left or right.
    sides: &'static str,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(sides: &'static str) -> Self {
        Self { sides, rows: Vec::new() }
    }

    fn row<T: AsRef<str>, const N: usize>(&mut self, cells: &[T; N]) {
        self.rows.push(cells.iter().map(|cell| cell.as_ref().to_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let mut line = String::new();
            for (at, (cell, side)) in row.iter().zip(self.sides.chars()).enumerate() {
                let width = self.rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
                let gap = if at == 0 { "" } else { "  " };
                line += &match side {
                    '<' => format!("{gap}{cell:<width$}"),
                    _ => format!("{gap}{cell:>width$}"),
                };
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `name 3, other 1`: what is not zero, the most first.
fn parts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut counts: Vec<_> = counts.filter(|&(_, count)| count > 0).collect();
    counts.sort_by_key(|&(name, count)| (Reverse(count), name));
    counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect::<Vec<_>>().join(", ")
}

/// Text that an attacker may have chosen, safe for a terminal and of bounded width.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == NAME_CHARS {
            return shown + "...";
        }
        match character {
            ' '..='~' => shown.push(character),
            _ => shown.extend(character.escape_default()),
        }
    }
    shown
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.23 M`.
pub fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{:.2} M", number / 1e6),
        _ if number >= 1e3 => format!("{:.1} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{bytes} B"),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// `2026-11-22 06:00:00 UTC`.
pub fn utc(ms: i64) -> String {
    rfc3339(ms).replacen('T', " ", 1).replacen('Z', " UTC", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rfc3339_ms;

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2017-12-13T08:16:02Z", "2026-11-22T12:00:00Z"] {
            let ms = rfc3339_ms(text).expect("a time");
            assert_eq!(utc(ms), text.replace('T', " ").replace('Z', " UTC"));
        }
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12.4, 12_340.0, 1_234_000.0].map(short), ["12", "12.3 k", "1.23 M"]);
        assert_eq!([12, 12_340, 1_234_000].map(bytes), ["12 B", "12.3 kB", "1.2 MB"]);
    }

    #[test]
    fn names_cannot_write_on_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(shown(&"x".repeat(100)).len(), NAME_CHARS + 3);
    }
}
