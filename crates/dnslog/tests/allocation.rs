//! Decoding allocates for records, not for queries, and keeps no outsized buffer.

mod common;

use common::{envelope, event, gzip};
use dnslog::{Decoder, Limits, Query, Reject, Source, Visit};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES_HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's own, counted before.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES_HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES_HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES_HELD.fetch_add(bytes, Ordering::Relaxed);
        BYTES_HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Count {
    queries: usize,
    rejects: usize,
}

impl Visit for Count {
    fn query(&mut self, _: &Source<'_>, _: &Query<'_>) {
        self.queries += 1;
    }

    fn reject(&mut self, _: &Source<'_>, _: &Reject<'_>) {
        self.rejects += 1;
    }
}

// The only test of this file: another one's allocations would be counted too.
#[test]
fn allocations_are_bounded() {
    queries_cost_none();
    outsized_records_leave_nothing_behind();
}

fn queries_cost_none() {
    const RECORDS: usize = 50;
    // Plain and escaped names, rejected events, extracted fields: none of them costs an allocation.
    let events: Vec<String> = (0..2_000)
        .map(|number| match number % 8 {
            0 => event("1", "a\\052.example.com"),
            1 => event("1", "").replace('}', ",\"extractedFields\":{\"@aws.account\":\"1\"}}"),
            2 => event("1", "a.example").replace("192.0.2.7", "2001:db8::7"),
            _ => event("1", &format!("n{number}.example.com")),
        })
        .collect();
    let record = gzip(envelope(&events).as_bytes());
    let mut decoder = Decoder::new(Limits::default());
    let mut count = Count::default();
    decoder.decode(&record, &mut count);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..RECORDS {
        decoder.decode(&record, &mut count);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!((count.queries, count.rejects), ((RECORDS + 1) * 1_750, (RECORDS + 1) * 250));
    assert!(allocations <= 4 * RECORDS, "{allocations} allocations for {RECORDS} records");
}

fn outsized_records_leave_nothing_behind() {
    const OUTSIZED_BYTES: usize = 60 << 20;
    // A bomb of white space, and one message all of whose characters are escaped.
    let records = [vec![b' '; OUTSIZED_BYTES], event("1", &"\\n".repeat(OUTSIZED_BYTES / 2)).into_bytes()];
    for record in records.map(|record| gzip(&record)) {
        let mut decoder = Decoder::new(Limits::default());
        decoder.decode(&record, &mut Count::default());
        let before = BYTES_HELD.load(Ordering::Relaxed);
        drop(decoder);
        let held = before - BYTES_HELD.load(Ordering::Relaxed);
        assert!(held < 9 << 20, "{held} bytes held after a record that was done with");
    }
}
