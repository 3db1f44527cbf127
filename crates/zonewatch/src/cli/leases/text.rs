//! The document as people read it.

use super::super::columns::{columns, printable};
use super::view::{Document, Row};
use std::fmt::Write as _;

const LEASES: [&str; 9] =
    ["SHARD", "OWNER", "OWNER IS", "COUNTER", "CHECKPOINT", "PENDING", "LOAD", "PARENTS", "CHILDREN"];
const WORKERS: [&str; 6] = ["WORKER", "STANDING", "BEATS", "LEASES", "WEIGHT", "CAPACITY"];

/// All leases, a line each, and the workers below.
pub fn list(document: &Document) -> String {
    let mut text = String::new();
    if document.leases.is_empty() && document.unreadable.is_empty() {
        let _ = writeln!(
            text,
            "the lease table {} has no leases yet: workers make them at their first start",
            document.table
        );
    } else {
        let rows: Vec<Vec<String>> = document.leases.iter().map(|row| cells(row, document)).collect();
        text.push_str(&columns(&LEASES, &rows));
    }
    for row in &document.unreadable {
        let _ = writeln!(text, "{}  can't be read: {}", printable(&row.shard), printable(&row.error));
    }
    text.push_str(&totals(document));
    text.push_str(&workers(document));
    text
}

fn cells(row: &Row, document: &Document) -> Vec<String> {
    let owner = match (&row.owner, &row.next_owner) {
        (Some(owner), Some(next)) => format!("{owner} > {next}"),
        (Some(owner), None) => owner.clone(),
        _ => "-".to_owned(),
    };
    let ours = if row.checkpoint_ours { "" } else { " (moved by another consumer)" };
    vec![
        row.shard.clone(),
        owner,
        standing(row, document),
        row.counter.to_string(),
        format!("{}{ours}", short(&row.checkpoint)),
        if row.pending.is_some() { "yes".to_owned() } else { "no".to_owned() },
        load(row),
        names(&row.parents),
        names(&row.children),
    ]
}

/// What the owner's row says of it. One look can't tell whether it lives.
fn standing(row: &Row, document: &Document) -> String {
    let Some(owner) = &row.owner else {
        return match () {
            () if row.ended => "ended".to_owned(),
            () if !row.waits_for.is_empty() => "waits for parents".to_owned(),
            () => "free".to_owned(),
        };
    };
    if let Some(worker) = document.workers.iter().find(|worker| worker.id == *owner) {
        return format!("{}, {}", worker.standing, beats(worker.period_ms));
    }
    match document.state_table_error {
        _ if document.other_consumers.contains_key(owner) => "another consumer".to_owned(),
        Some(_) => "unknown".to_owned(),
        None => "without a row".to_owned(),
    }
}

fn beats(period_ms: u64) -> String {
    format!("every {} s", period_ms as f64 / 1_000.0)
}

fn load(row: &Row) -> String {
    match (row.bytes_per_sec, row.cpu_micros_per_sec) {
        (None, _) => "-".to_owned(),
        (Some(bytes), None) => format!("{} kB/s", bytes.div_ceil(1_000)),
        (Some(bytes), Some(cpu)) => format!("{} kB/s, {:.1}% CPU", bytes.div_ceil(1_000), cpu as f64 / 10_000.0),
    }
}

/// The start and the end of a long sequence number: neighbours differ at the end.
fn short(checkpoint: &str) -> String {
    if checkpoint.len() <= 20 || !checkpoint.is_ascii() {
        return checkpoint.to_owned();
    }
    format!("{}..{}", &checkpoint[..4], &checkpoint[checkpoint.len() - 12..])
}

/// Shards, without what all names begin with.
fn names(shards: &[String]) -> String {
    let name = |shard: &String| {
        let number = shard.strip_prefix("shardId-").map(|digits| digits.trim_start_matches('0'));
        match number {
            Some("") => "0".to_owned(),
            Some(number) => number.to_owned(),
            None => shard.clone(),
        }
    };
    if shards.is_empty() { "-".to_owned() } else { shards.iter().map(name).collect::<Vec<_>>().join(",") }
}

fn totals(document: &Document) -> String {
    let totals = document.totals;
    let mut text = format!(
        "\n{}: {} leases: {} owned, {} free, {} waiting for parents, {} ended; {} with a pending epoch",
        document.table, totals.leases, totals.owned, totals.free, totals.waiting, totals.ended, totals.pending
    );
    if totals.unreadable > 0 {
        let _ = write!(text, "; {} rows can't be read", totals.unreadable);
    }
    text + "\n"
}

fn workers(document: &Document) -> String {
    let mut text = String::new();
    match &document.state_table_error {
        Some(error) => {
            let _ = writeln!(text, "\nno workers' table: {}", printable(error));
        }
        None if document.workers.is_empty() => {
            let _ = writeln!(text, "\n{}: no workers", document.state_table);
        }
        None => {
            let row = |worker: &super::view::Worker| {
                vec![
                    worker.id.clone(),
                    worker.standing.to_owned(),
                    beats(worker.period_ms),
                    worker.leases.to_string(),
                    worker.weight.to_string(),
                    format!("{} cores", f64::from(worker.capacity_millicores) / 1_000.0),
                ]
            };
            text.push('\n');
            text.push_str(&columns(&WORKERS, &document.workers.iter().map(row).collect::<Vec<_>>()));
        }
    }
    for (id, last) in &document.other_consumers {
        let _ = writeln!(text, "another consumer's worker: {}, last heard at {last} of its own time", printable(id));
    }
    text
}

/// Everything of one row, and what happens next with it.
pub fn show(row: &Row, document: &Document) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let facts = [
        ("shard", row.shard.clone()),
        ("owner", format!("{} ({})", or_none(&row.owner), standing(row, document))),
        ("next owner", or_none(&row.next_owner)),
        ("counter", row.counter.to_string()),
        (
            "checkpoint",
            match row.sub_sequence {
                Some(sub @ 1..) => format!("{} (sub-sequence {sub})", row.checkpoint),
                _ => row.checkpoint.clone(),
            },
        ),
        ("moved by", if row.checkpoint_ours { "Zonewatch" } else { "another consumer" }.to_owned()),
        (
            "pending epoch",
            row.pending.as_ref().map_or("-".to_owned(), |epoch| format!("{} to {}", epoch.first, epoch.last)),
        ),
        ("floor", or_none(&row.floor)),
        ("start", or_none(&row.start)),
        ("read until", or_none(&row.read_until)),
        ("load", load(row)),
        ("owner changes", format!("{} since the last commit", row.owner_switches)),
        (
            "hash keys",
            row.hash_range.as_ref().map_or("-".to_owned(), |range| format!("{} to {}", range.start, range.end)),
        ),
        ("parents", if row.parents.is_empty() { "-".to_owned() } else { row.parents.join(", ") }),
        ("children", if row.children.is_empty() { "-".to_owned() } else { row.children.join(", ") }),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<14} {}", printable(&value));
    }
    text.push_str("\nWhat happens next\n");
    for sentence in next(row, document) {
        let _ = writeln!(text, "  {}", printable(&sentence));
    }
    text
}

/// What happens next with a lease.
pub fn next(row: &Row, document: &Document) -> Vec<String> {
    if row.ended {
        return vec![
            "The shard has ended and everything of it is delivered. Nothing of it is read again, unless its checkpoint is \
             reset."
                .to_owned(),
        ];
    }
    let mut sentences = vec![whose(row, document)];
    match (&row.pending, row.checkpoint_ours) {
        (Some(epoch), true) => sentences.push(format!(
            "The records {} to {} are being delivered, or have been without being acknowledged. Whoever takes the lease \
             over delivers them again, as one epoch.",
            epoch.first, epoch.last
        )),
        (_, false) => sentences.push(
            "Another consumer moved the checkpoint. Reading goes on from there, and a pending epoch is void.".to_owned(),
        ),
        (None, true) => {}
    }
    sentences.push(begins(row));
    if let Some(floor) = &row.floor {
        sentences.push(format!(
            "Up to {floor} records are delivered again and nothing else is made of them: they were counted before."
        ));
    }
    sentences
}

fn whose(row: &Row, document: &Document) -> String {
    match (&row.owner, &row.next_owner) {
        (Some(owner), Some(next)) => {
            format!("{owner} is handing it over to {next}, which reads on as soon as {owner} has committed.")
        }
        (Some(owner), None) if row.owner_standing == Some("left") => {
            format!("{owner} has left without giving it back. The next worker that looks takes it.")
        }
        (Some(owner), None) if row.owner_standing == Some("leaving") => format!("{owner} is about to hand it over."),
        (Some(owner), None) => format!(
            "{owner} reads it, if it lives ({}). If it does not, another worker takes the lease as soon as it is sure.",
            standing(row, document)
        ),
        (None, _) if !row.waits_for.is_empty() => {
            format!("It waits until {} has ended: a child is not read before its parents.", row.waits_for.join(" and "))
        }
        (None, _) => {
            "It is nobody's. The next worker that looks takes it, within seconds if one is running.".to_owned()
        }
    }
}

fn begins(row: &Row) -> String {
    match (row.checkpoint.as_str(), &row.start) {
        _ if row.pending.is_some() && row.checkpoint_ours => "Reading goes on after that epoch.".to_owned(),
        ("TRIM_HORIZON", _) => "Reading begins at the oldest record that the stream has.".to_owned(),
        ("LATEST" | "AT_TIMESTAMP", Some(start)) => {
            format!("Reading begins with the first record that arrived at {start} or later.")
        }
        ("LATEST", None) => "Reading begins with what arrives once a worker takes it.".to_owned(),
        ("AT_TIMESTAMP", None) => {
            "Reading begins at a time that the next take writes into the row: source.start_at, else now.".to_owned()
        }
        (checkpoint, _) => format!("Reading goes on after record {checkpoint}."),
    }
}

#[cfg(test)]
#[path = "text_test.rs"]
mod tests;
