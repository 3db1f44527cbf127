//! When reading goes on, and how often a snapshot is stored.

use super::*;

#[test]
fn reading_goes_on_while_a_stream_refuses_and_not_without_end() {
    let (few, many) = (TOLD_BYTES_MAX - 1, TOLD_BYTES_MAX);
    let cases = [(false, few), (false, many), (true, few), (true, many)];
    assert_eq!(cases.map(|(stuck, held)| reads_on(stuck, held)), [false, false, true, false]);
}

#[test]
fn a_large_snapshot_is_stored_less_often() {
    let period = Duration::from_secs(60);
    assert_eq!([0, 1 << 20, 240 << 20].map(|bytes| save_pause(bytes, period)), [period; 3]);
    assert_eq!(save_pause(400 << 20, period), Duration::from_secs(100));
}
