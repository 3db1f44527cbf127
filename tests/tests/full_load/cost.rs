//! What a process has cost, as `/proc` says it. Linux only.

use std::fs;

/// Clock ticks a second in `/proc`: the same on every Linux that user space sees.
const TICKS_PER_SEC: f64 = 100.0;

/// CPU time of a process, user and system together, seconds.
pub(crate) fn cpu_secs(process_id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).expect("a living process");
    // The name, in brackets, may hold anything; what follows is counted from field 3 on.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name in brackets").1.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number");
    (ticks(14) + ticks(15)) / TICKS_PER_SEC
}

/// The most memory a process has ever had in use, bytes.
pub(crate) fn peak_bytes(process_id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
