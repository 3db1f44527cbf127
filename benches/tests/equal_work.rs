//! The opponent that we say does the same work does the same work.

use dnslog::schema::Schema;
use serde_json::{Map, Value};
use traffic::sets;
use zonewatch_benches::ordinary::Ordinary;
use zonewatch_benches::ours::Records;

type Line = Map<String, Value>;

fn lines(text: &[u8]) -> Vec<Line> {
    let text = std::str::from_utf8(text).expect("lines are UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("lines are JSON")).collect()
}

/// Takes the entropy out: sums of the same terms in another order differ in the last decimal.
fn entropy_of(line: &mut Line) -> f64 {
    line.remove("ent").and_then(|value| value.as_f64()).expect("each line has its entropy")
}

#[test]
fn ordinary_rust_writes_the_same_records() {
    for name in sets::NAMES {
        let set = sets::named(name, 3).unwrap();
        let payloads = &set.payloads[..set.payloads.len().min(60)];
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let counted = Records::new(Schema::Lean).each(payloads, |text| ours.extend(lines(text)));
        let others = Ordinary::default().each(payloads, |text| theirs.extend(lines(text))).unwrap();
        assert_eq!((counted, others), (ours.len(), theirs.len()), "{name}");
        assert_eq!(ours.len(), theirs.len(), "{name}");
        assert!(!ours.is_empty());
        for (mine, other) in ours.iter_mut().zip(&mut theirs) {
            let difference = entropy_of(mine) - entropy_of(other);
            assert!(difference.abs() < 0.0015, "{name}: entropy differs by {difference} in {mine:?}");
            assert_eq!(mine, other, "{name}");
        }
    }
}
