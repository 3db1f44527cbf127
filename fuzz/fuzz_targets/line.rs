//! Any text as the message of one log event: it is one query or one reject, and a query's fields are parts of it.

#![no_main]

use dnslog::name::normalize;
use dnslog::{Decoder, Form, Limits, Query, Reject, Source, Visit};
use libfuzzer_sys::fuzz_target;

struct Check<'a> {
    line: &'a str,
    handed_over: usize,
}

impl Visit for Check<'_> {
    fn query(&mut self, _: &Source<'_>, query: &Query<'_>) {
        self.handed_over += 1;
        if query.form == Form::PublicLine {
            for field in [query.zone_id, query.name, query.edge, query.source_ip_text, query.client_subnet_text] {
                assert!(self.line.contains(field));
            }
        }
        let (mut first, mut second) = (String::new(), String::new());
        let name = normalize(query.name, &mut first);
        assert_eq!(name, normalize(name.text, &mut second));
    }

    fn reject(&mut self, _: &Source<'_>, _: &Reject<'_>) {
        self.handed_over += 1;
    }
}

fuzz_target!(|line: &str| {
    // What begins with a version is a line, whatever follows; a line end would make it two.
    if line.contains(['\n', '\r']) {
        return;
    }
    let text = format!("1.0 {line}");
    let mut check = Check { line: &text, handed_over: 0 };
    Decoder::new(Limits::default()).decode(text.as_bytes(), &mut check);
    assert_eq!(check.handed_over, 1);
});
