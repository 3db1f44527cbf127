//! Looks whether a process listens on loopback addresses only. Linux; elsewhere there is no `/proc` and nothing is said.

use std::collections::HashSet;
use std::fs;

/// The addresses outside loopback on which the process accepts connections, as `/proc/net/tcp` writes them.
pub(crate) fn outside_loopback(process_id: u32) -> Vec<String> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process_id}/fd")) else { return Vec::new() };
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let sockets: HashSet<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
    tables.flat_map(|table| listening_elsewhere(&table, &sockets)).collect()
}

/// The rows of one table that listen, belong to `sockets` and are not bound to loopback.
fn listening_elsewhere(table: &str, sockets: &HashSet<String>) -> Vec<String> {
    const LISTEN: &str = "0A";
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|cells| cells.len() > 9 && cells[3] == LISTEN && sockets.contains(cells[9]))
        .map(|cells| cells[1].to_owned())
        .filter(|address| !is_loopback(address))
        .collect()
}

/// Addresses stand there as hexadecimal words of the host's (little-endian) order: `0100007F:1F90` is 127.0.0.1:8080.
fn is_loopback(address: &str) -> bool {
    let host = address.split(':').next().unwrap_or_default();
    match host.len() {
        8 => host.ends_with("7F"),
        _ => {
            host == "00000000000000000000000001000000"
                || (host.starts_with("0000000000000000FFFF0000") && host.ends_with("7F"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_on_loopback_is_not_reported() {
        let _held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        assert_eq!(outside_loopback(std::process::id()), Vec::<String>::new());
    }

    #[test]
    fn rows_of_other_addresses_are_reported() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n\
             1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1\n\
             2: 00000000:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 79 1\n\
             3: 00000000:1F93 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n";
        let ours = HashSet::from(["77".to_owned(), "78".to_owned()]);
        assert_eq!(listening_elsewhere(table, &ours), ["00000000:1F90"]);
        assert!(is_loopback("00000000000000000000000001000000:1F90"));
        assert!(is_loopback("0000000000000000FFFF00000100007F:1F90"));
        assert!(!is_loopback("00000000000000000000000000000000:1F90"));
    }
}
