//! How much CPU this process may use: what its container allows, or the machine's cores.

use std::num::NonZeroUsize;

/// Millicores. Control groups' quota, version 2 or 1, and never more than there are cores.
pub fn millicores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let version_2 = read("/sys/fs/cgroup/cpu.max").and_then(|text| quota(&text));
    let version_1 = || {
        let [quota_us, period_us] =
            ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|file| read(&format!("/sys/fs/cgroup/cpu/{file}")));
        quota(&format!("{} {}", quota_us?, period_us?))
    };
    let all = u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(1_000);
    version_2.or_else(version_1).map_or(all, |quota| quota.min(all))
}

/// From the time that may be used in a period, and that period, microseconds both; `max` or -1 is no limit.
fn quota(text: &str) -> Option<u32> {
    let mut words = text.split_whitespace();
    let used: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok().filter(|period| *period > 0)?;
    let millicores = used.checked_mul(1_000)? / period;
    // Less than a hundredth of a core would give others everything; it is as good as nothing measured.
    u32::try_from(millicores).ok().filter(|millicores| *millicores >= 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_in_both_forms_and_no_limit_is_none() {
        assert_eq!(quota("150000 100000\n"), Some(1_500));
        assert_eq!(quota("50000\n 100000\n"), Some(500));
        for none in ["max 100000", "-1 100000", "", "100", "1 0", "1 100000", "x y"] {
            assert_eq!(quota(none), None, "{none}");
        }
        assert!((10..=1_000_000).contains(&millicores()));
    }
}
