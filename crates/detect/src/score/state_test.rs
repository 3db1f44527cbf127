//! A state comes back as it was, is bounded, and no bytes make it panic.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const KINDS: [Kind; 4] = [Kind::Value, Kind::Count, Kind::Share, Kind::Mean];

fn observation(kind: Kind, number: f64) -> Observation {
    match kind {
        Kind::Value => Observation::Value(number),
        Kind::Count => Observation::Count(number.abs().round()),
        Kind::Share => Observation::Share { part: number.abs().round() % 50.0, whole: 50.0 },
        Kind::Mean => Observation::Mean { sum: number, items: 1.0 + number.abs().round() % 7.0 },
    }
}

fn bytes_of(scorer: &Scorer) -> Vec<u8> {
    let mut bytes = Vec::new();
    scorer.encode(&mut bytes);
    bytes
}

/// Rows of ten minutes.
fn after(kind: Kind, numbers: &[f64], repeats: usize) -> Scorer {
    let mut scorer = Scorer::new(kind);
    for (row, &number) in numbers.iter().cycle().take(numbers.len() * repeats).enumerate() {
        scorer.push(600 * row as i64, observation(kind, number));
    }
    scorer
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    let number =
        prop_oneof![4 => -100.0..100.0f64, 1 => Just(0.0), 1 => -1e15..1e15f64, 1 => Just(1e-300), 1 => Just(9e29)];
    vec(number, 1..150)
}

#[test]
fn a_state_is_as_small_as_it_is_said_to_be() {
    let usual: Vec<f64> = (0..3000).map(|row| 100.0 + 40.0 * f64::from(row % 7) + f64::from(row % 11)).collect();
    let sizes = KINDS.map(|kind| bytes_of(&after(kind, &usual, 1)).len());
    for (kind, size) in KINDS.into_iter().zip(sizes) {
        let said = if kind == Kind::Value { 4_000..4_800 } else { 3_600..4_200 };
        assert!(said.contains(&size), "{kind:?}: {size}");
    }
    // Every bin of every tail in use.
    let wide: Vec<f64> = (0..9000).map(|row| (f64::from(row % 300) - 150.0).exp2().min(1e30)).collect();
    for kind in KINDS {
        assert!(bytes_of(&after(kind, &wide, 1)).len() <= STATE_BYTES_MAX);
    }
}

#[test]
fn another_version_and_torn_bytes_are_told_apart() {
    let bytes = bytes_of(&after(Kind::Count, &[3.0, 4.0], 300));
    let mut newer = bytes.clone();
    newer[0] += 1;
    assert_eq!(Scorer::decode(&newer), Err(Damaged::Version(2)));
    for length in 0..bytes.len() {
        assert_eq!(Scorer::decode(&bytes[..length]), Err(Damaged::Content), "{length} bytes");
    }
    assert_eq!(Scorer::decode(&[&bytes[..], &[0]].concat()), Err(Damaged::Content));
}

proptest! {
    #[test]
    fn a_scorer_that_was_read_back_goes_on_as_if_nothing_had_been(kind in 0..4usize, numbers in numbers(), repeats in 1..8usize) {
        let kind = KINDS[kind];
        let mut scorer = after(kind, &numbers, repeats);
        let bytes = bytes_of(&scorer);
        prop_assert!(bytes.len() <= STATE_BYTES_MAX);
        let mut read = Scorer::decode(&bytes).expect("its own state");
        prop_assert!(read == scorer);
        for (row, &number) in numbers.iter().enumerate() {
            let time_s = 600 * (numbers.len() * repeats + row) as i64;
            let scores = [&mut scorer, &mut read].map(|scorer| scorer.push(time_s, observation(kind, number)));
            prop_assert_eq!(scores[0], scores[1]);
            if let Some(score) = scores[0] {
                prop_assert!((0.0..43.0).contains(&score.surprise), "{:?}", score);
                prop_assert!(score.observed.is_finite() && score.expected.is_finite());
                let (low, high) = scorer.band(&score);
                prop_assert!(low.is_finite() && high.is_finite());
            }
        }
        prop_assert_eq!(bytes_of(&read), bytes_of(&scorer));
    }

    #[test]
    fn damaged_bytes_are_refused_or_harmless(
        kind in 0..4usize,
        numbers in numbers(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let kind = KINDS[kind];
        let mut bytes = bytes_of(&after(kind, &numbers, 3));
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let Ok(mut scorer) = Scorer::decode(&bytes) else { return Ok(()) };
        for (row, &number) in numbers.iter().enumerate() {
            for kind in KINDS {
                if let Some(score) = scorer.push(i64::MAX / 2 + 600 * row as i64, observation(kind, number)) {
                    prop_assert!((0.0..43.0).contains(&score.surprise), "{:?}", score);
                    let _ = scorer.band(&score);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in vec(any::<u8>(), 0..6000)) {
        prop_assert!(Scorer::decode(&bytes).is_err());
    }
}
