//! CPU time of this thread: what else the machine does then counts little.

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the calling thread since it began, nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu_ns(work: impl FnOnce()) -> u64 {
        let start = thread_cpu_ns();
        work();
        thread_cpu_ns() - start
    }

    #[test]
    fn sleeping_takes_no_cpu_time_and_working_does() {
        let asleep = cpu_ns(|| std::thread::sleep(std::time::Duration::from_millis(50)));
        let at_work = cpu_ns(|| {
            let sum = (0..20_000_000u64).fold(0, |sum, term| std::hint::black_box(sum ^ term));
            std::hint::black_box(sum);
        });
        assert!(asleep < 20_000_000 && at_work > asleep, "{asleep} {at_work}");
    }
}
