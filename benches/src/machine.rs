//! What the figures were measured on.

use std::process::Command;

/// Cores, CPU, load and compiler, one line each.
pub fn facts() -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = Command::new(rustc).arg("--version").output().ok();
    let rustc = rustc.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let unknown = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
    vec![
        format!("cores {cores}"),
        format!("cpu {}", unknown(model.unwrap_or_default())),
        format!("load {}", unknown(load.split(' ').next().unwrap_or_default().to_owned())),
        format!("compiler {}", unknown(rustc)),
    ]
}
