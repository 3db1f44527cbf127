//! What a digest promises, over generated traffic.

use detect::{Digest, Limits};
use dnslog::{QueryType, ResponseCode};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
struct Asked {
    zone: u8,
    name: u16,
    query_type: QueryType,
    response_code: ResponseCode,
    time_ms: i64,
}

fn asked() -> impl Strategy<Value = Asked> {
    let types = proptest::sample::select(QueryType::ALL);
    let codes = proptest::sample::select(ResponseCode::ALL);
    (0_u8..6, 0_u16..400, types, codes, 0_i64..100_000).prop_map(|(zone, name, query_type, response_code, time_ms)| {
        Asked { zone, name, query_type, response_code, time_ms }
    })
}

fn digest(asked: &[Asked]) -> Digest {
    let mut digest = Digest::new(Limits::default(), 11);
    asked.iter().for_each(|asked| add(&mut digest, asked));
    digest
}

fn add(digest: &mut Digest, asked: &Asked) {
    let zone = format!("Z{}", asked.zone);
    let name = format!("n{}.example.com", asked.name);
    digest.add(&zone, "example.com", &name, asked.query_type, asked.response_code, asked.time_ms);
}

/// A zone's counts, times and distinct names.
type Exact = (Vec<u64>, Option<(i64, i64)>, u64);

/// Everything of a digest that is exact, by zone.
fn exact(digest: &Digest) -> BTreeMap<String, Exact> {
    let counts = |zone: &detect::Zone| {
        let codes = ResponseCode::ALL.iter();
        codes.flat_map(|&code| QueryType::ALL.iter().map(move |&kind| zone.count(code, kind))).collect()
    };
    let zones = digest.zones().chain([digest.other()]);
    zones.map(|zone| (zone.key().to_owned(), (counts(zone), zone.times_ms(), zone.names().estimate()))).collect()
}

fn merged(parts: [&Digest; 3]) -> Digest {
    let mut whole = Digest::new(Limits::default(), 11);
    parts.into_iter().for_each(|part| whole.merge(part));
    whole
}

proptest! {
    #[test]
    fn a_merge_is_what_one_digest_would_have_counted(
        one in proptest::collection::vec(asked(), 0..300),
        two in proptest::collection::vec(asked(), 0..300),
        three in proptest::collection::vec(asked(), 0..300),
    ) {
        let parts = [digest(&one), digest(&two), digest(&three)];
        let whole = exact(&digest(&[one, two, three].concat()));
        let [one, two, three] = &parts;
        prop_assert_eq!(&exact(&merged([one, two, three])), &whole);
        prop_assert_eq!(&exact(&merged([three, one, two])), &whole);
        let mut nested = two.clone();
        nested.merge(three);
        let mut left = one.clone();
        left.merge(&nested);
        prop_assert_eq!(&exact(&left), &whole);
    }

    #[test]
    fn a_cleared_digest_counts_like_a_new_one(
        before in proptest::collection::vec(asked(), 1..300),
        after in proptest::collection::vec(asked(), 1..300),
    ) {
        let mut reused = digest(&before);
        prop_assert!(!reused.is_empty());
        reused.clear();
        prop_assert!(reused.is_empty() && reused.total() == 0 && reused.zones().count() == 0);
        after.iter().for_each(|asked| add(&mut reused, asked));
        let fresh = digest(&after);
        prop_assert_eq!(exact(&reused), exact(&fresh));
        for (reused, fresh) in reused.zones().zip(fresh.zones()) {
            prop_assert_eq!(reused.top_names(), fresh.top_names());
        }
    }
}

#[test]
fn zones_beyond_the_limit_are_counted_together_and_none_is_lost() {
    let mut digest = Digest::new(Limits { zones_max: 3, top_names: 4 }, 1);
    for number in 0..10 {
        let zone = format!("zone{number}.test");
        digest.add(&zone, &zone, "www", QueryType::A, ResponseCode::NoError, number);
    }
    assert_eq!(digest.zones().map(|zone| zone.key()).collect::<Vec<_>>(), ["zone0.test", "zone1.test", "zone2.test"]);
    assert_eq!(digest.other().total(), 7);
    assert_eq!(digest.other().times_ms(), Some((3, 9)));
    assert_eq!(digest.total(), 10);

    let mut merged = digest.clone();
    merged.merge(&digest);
    assert_eq!((merged.zones().count(), merged.other().total(), merged.total()), (3, 14, 20));
}

#[test]
fn a_million_hostile_names_and_zones_stay_within_the_bound() {
    let limits = Limits { zones_max: 50, top_names: 16 };
    let mut digest = Digest::new(limits, 1);
    let tail = "\\377".repeat(250);
    for number in 0..1_000_000_u32 {
        let zone = format!("{number}{tail}");
        let name = format!("{number}.{}", &tail[..(number % 1_000) as usize]);
        let zone = if number % 3 == 0 { zone.as_str() } else { ["a", "b", "c"][number as usize % 3] };
        digest.add(zone, zone, &name, QueryType::Other, ResponseCode::NxDomain, i64::from(number));
    }
    assert_eq!(digest.total(), 1_000_000);
    assert!(digest.heap_bytes() <= limits.bytes_max(), "{} of {}", digest.heap_bytes(), limits.bytes_max());
    let names = digest.zones().find(|zone| zone.key() == "b").expect("b was counted").names().estimate() as f64;
    assert!((names / 333_333.0 - 1.0).abs() < 3.0 * 0.01625, "{names} names");
}

#[test]
#[should_panic(expected = "different seeds")]
fn digests_of_different_seeds_do_not_merge() {
    Digest::new(Limits::default(), 1).merge(&Digest::new(Limits::default(), 2));
}
