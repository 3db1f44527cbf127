//! Any bytes as a record: no panic, every reject lies in the record, no cap is passed.

#![no_main]

use dnslog::{BytesForm, Decoder, Limits, Query, Reject, Source, Visit};
use libfuzzer_sys::fuzz_target;

struct Check<'a> {
    data: &'a [u8],
    queries: u64,
    rejects: u64,
}

impl Visit for Check<'_> {
    fn query(&mut self, _: &Source<'_>, query: &Query<'_>) {
        assert!(query.time_ms >= 0 && !query.name.is_empty());
        self.queries += 1;
    }

    fn reject(&mut self, _: &Source<'_>, reject: &Reject<'_>) {
        if reject.form == BytesForm::Raw {
            assert_eq!(self.data.get(reject.offset..reject.offset + reject.bytes.len()), Some(reject.bytes));
        }
        self.rejects += 1;
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { inflated_bytes_max: 1 << 20, events_max: 1_000 };
    let mut check = Check { data, queries: 0, rejects: 0 };
    let decoded = Decoder::new(limits).decode(data, &mut check);
    assert_eq!((decoded.queries, decoded.rejects), (check.queries, check.rejects));
    assert!(decoded.queries <= 1_000);
});
