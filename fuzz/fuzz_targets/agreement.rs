//! The vector code, the portable code and the library hand over the same, whatever the input.

#![no_main]

use dnslog::{Decoder, Limits, Query, Reject, Source, Visit};
use libfuzzer_sys::fuzz_target;

#[derive(Default, PartialEq, Debug)]
struct Kept(Vec<String>);

impl Visit for Kept {
    fn query(&mut self, source: &Source<'_>, query: &Query<'_>) {
        self.0.push(format!("{source:?} {query:?}"));
    }

    fn reject(&mut self, source: &Source<'_>, reject: &Reject<'_>) {
        self.0.push(format!("{source:?} {reject:?}"));
    }

    fn control(&mut self, source: &Source<'_>) {
        self.0.push(format!("{source:?}"));
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { inflated_bytes_max: 1 << 20, events_max: 1_000 };
    // Half of the inputs go inside an envelope, where the hand-made scanner works.
    let head = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":["#;
    let inside = [head.as_bytes(), data, b"]}"].concat();
    for data in [data, &inside] {
        let [fast, portable, checked] = [Decoder::new(limits), Decoder::portable(limits), Decoder::checked(limits)]
            .map(|mut decoder| {
                let mut kept = Kept::default();
                decoder.decode(data, &mut kept);
                kept
            });
        assert_eq!(fast, portable);
        assert_eq!(fast, checked);
    }
});
