//! What a tally promises.

use super::*;
use crate::stable_hash;
use proptest::prelude::*;

const QUERY: Asked<'static> = Asked {
    zone: "example.com",
    relative_name: "www",
    query_type: QueryType::A,
    response_code: ResponseCode::NoError,
    transport: Transport::Udp,
    edge: "FRA6-C1",
    source_ip: None,
    longest_label: 7,
    entropy_millibits: 1_500,
    event_id: "",
};

/// One query in a few numbers.
type Few = (u16, usize, usize, usize, u32, u8, u64);

fn few(names: u16, addresses: u32) -> impl Strategy<Value = Few> {
    let (codes, types, transports) = (ResponseCode::ALL.len(), QueryType::ALL.len(), Transport::ALL.len());
    (0..names, 0..codes, 0..types, 0..transports, 0..addresses, any::<u8>(), 0_u64..20_000)
}

fn add(tally: &mut Tally, &(name, code, query_type, transport, address, label, id): &Few) {
    let source_ip = match address % 5 {
        0 => None,
        1 => Some(IpAddr::from(((0x2001_0db8_u128 << 96) + u128::from(address)).to_be_bytes())),
        _ => Some(IpAddr::from(address.wrapping_mul(0x0102_0305).to_be_bytes())),
    };
    tally.add(&Asked {
        zone: "example.com",
        relative_name: &format!("{name}{}", ".long-label".repeat(usize::from(name % 40))),
        query_type: QueryType::ALL[query_type],
        response_code: ResponseCode::ALL[code],
        transport: Transport::ALL[transport],
        edge: ["FRA6-C1", "", "IAD79-C3"][code % 3],
        source_ip,
        longest_label: label,
        entropy_millibits: u32::from(name),
        event_id: &format!("{id:056}"),
    });
}

fn of(queries: &[Few]) -> Tally {
    let mut tally = Tally::default();
    queries.iter().for_each(|query| add(&mut tally, query));
    tally
}

fn encoded(tally: &Tally) -> Vec<u8> {
    let mut out = Vec::new();
    tally.encode(&mut out);
    out
}

fn decoded(bytes: &[u8]) -> Option<Tally> {
    let mut input = Input::new(bytes);
    Tally::decode(&mut input).filter(|_| input.is_empty())
}

fn merged(left: &Tally, right: &Tally) -> Tally {
    let mut sum = left.clone();
    sum.merge(right);
    sum
}

proptest! {
    #[test]
    fn it_comes_back_and_merges_like_the_one_that_left(
        left in proptest::collection::vec(few(900, 4_000), 0..1_500),
        right in proptest::collection::vec(few(40, 100), 0..200),
    ) {
        let (left, right) = (of(&left), of(&right));
        let back = decoded(&encoded(&left)).expect("it was encoded");
        prop_assert!(back == left);
        prop_assert!(encoded(&left).len() <= left.bytes() && encoded(&right).len() <= right.bytes());
        prop_assert_eq!(back.window(), left.window());
        prop_assert!(merged(&back, &right) == merged(&left, &right));
        prop_assert!(merged(&right, &back) == merged(&left, &right));
    }

    /// As long as no list of the most frequent has let a name go, merging is counting all of it at one place.
    #[test]
    fn merging_is_as_if_all_had_come_to_one(
        parts in proptest::array::uniform3(proptest::collection::vec(few(60, 30), 0..300)),
    ) {
        let whole = of(&parts.concat());
        let [one, two, three] = parts.map(|queries| of(&queries));
        prop_assert!(merged(&merged(&one, &two), &three) == whole);
        prop_assert!(merged(&three, &merged(&two, &one)) == whole);
    }

    /// With any number of names this holds for all but those lists.
    #[test]
    fn merging_in_any_order_gives_the_same_estimates(
        parts in proptest::array::uniform3(proptest::collection::vec(few(5_000, 50_000), 0..1_000)),
    ) {
        let sketches = |tally: &Tally| {
            let window = tally.window();
            let lists = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let (top_names, top_resolvers, top_networks, top_edges) = lists;
            Window { top_names, top_resolvers, top_networks, top_edges, ..window }
        };
        let whole = sketches(&of(&parts.concat()));
        let [one, two, three] = parts.map(|queries| of(&queries));
        prop_assert_eq!(sketches(&merged(&merged(&one, &two), &three)), whole.clone());
        prop_assert_eq!(sketches(&merged(&three, &merged(&two, &one))), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        queries in proptest::collection::vec(few(300, 900), 0..600),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let mut damaged = encoded(&of(&queries));
        for (at, value) in flips {
            let at = at % damaged.len();
            damaged[at] = value;
        }
        for bytes in [bytes, damaged] {
            if let Some(tally) = Tally::decode(&mut Input::new(&bytes)) {
                // Whatever it is, it can be used, and it stays what it is.
                prop_assert!(tally.bytes() <= BYTES_MAX);
                prop_assert!(decoded(&encoded(&tally)).as_ref() == Some(&tally));
                let _ = merged(&tally, &tally).window();
            }
        }
    }
}

#[test]
fn a_flood_of_hostile_names_stays_small_and_hides_no_heavy_one() {
    let mut tally = Tally::default();
    let mut state = 1_u64;
    for number in 0..1_000_000_u32 {
        state = stable_hash(state, &number.to_le_bytes());
        let label = format!("{state:016x}").repeat(4);
        let name = format!("{}.{}.{}.{}", &label[..63], &label[..63], &label[..63], &label[..60]);
        assert_eq!(name.len(), 252);
        let address = IpAddr::from(number.wrapping_mul(0x9e37_79b1).to_be_bytes());
        let id = format!("{state:056}");
        tally.add(&Asked { relative_name: &name, source_ip: Some(address), event_id: &id, longest_label: 63, ..QUERY });
        if number.is_multiple_of(20) {
            tally.add(&QUERY);
        }
        if number.is_power_of_two() || number == 999_999 {
            assert!(tally.bytes() <= BYTES_MAX, "{} bytes after {number}", tally.bytes());
        }
    }
    let window = tally.window();
    assert_eq!(window.queries, 1_050_000);
    assert_eq!(window.top_names[0].name, "www");
    assert!(window.top_names[0].count + window.top_names[0].error >= 50_000);
    assert!((window.distinct_names as f64 / 1e6 - 1.0).abs() < 0.05, "{}", window.distinct_names);
    assert!((window.distinct_resolvers as f64 / 1e6 - 1.0).abs() < 0.05, "{}", window.distinct_resolvers);
    let bytes = encoded(&tally);
    assert!(bytes.len() < 48 << 10, "{} bytes on the wire", bytes.len());
    assert!(decoded(&bytes) == Some(tally));
}

#[test]
fn a_part_of_the_names_is_estimated_within_its_standard_error() {
    let (mut beyond_two, mut tries) = (0, 0);
    for run in 0..100 {
        let mut tally = Tally::default();
        for number in 0..8_000 {
            let (below, response_code) = match number % 4 {
                0 => (".api", ResponseCode::NxDomain),
                _ => ("", ResponseCode::NoError),
            };
            let relative_name = format!("{run}-{number}{below}");
            tally.add(&Asked { relative_name: &relative_name, response_code, ..QUERY });
        }
        let (kept, window) = (tally.names.sample().len() as f64, tally.window());
        let expected = window.distinct_names as f64 / 4.0;
        let standard = 1.0 / (kept / 4.0).sqrt();
        let suffix =
            window.suffixes.iter().find(|suffix| suffix.name == "api").expect("a quarter of the names is below");
        assert_eq!(window.suffixes[0].name, "", "all names are below the zone");
        assert_eq!(suffix.distinct, suffix.nxdomain_distinct);
        assert_eq!(window.distinct_nxdomain_names, suffix.distinct);
        let error = suffix.distinct as f64 / expected - 1.0;
        assert!(error.abs() < 5.0 * standard, "run {run}: {error}, the standard error is {standard}");
        beyond_two += u32::from(error.abs() > 2.0 * standard);
        tries += 1;
    }
    assert!(beyond_two * 10 <= tries, "{beyond_two} of {tries}");
}

#[test]
fn few_names_are_told_exactly() {
    let mut tally = Tally::default();
    for number in 0..200 {
        let name = format!("n{number:03}.{}", ["a", "b.a"][usize::from(number % 10 == 0)]);
        let response_code = if number < 50 { ResponseCode::NxDomain } else { ResponseCode::NoError };
        for _ in 0..3 {
            tally.add(&Asked { relative_name: &name, response_code, ..QUERY });
        }
    }
    tally.add(&Asked { relative_name: "", source_ip: Some("198.51.100.7".parse().unwrap()), ..QUERY });
    tally.add(&Asked { relative_name: "", source_ip: Some("2001:db8:1::7".parse().unwrap()), ..QUERY });
    let window = tally.window();
    assert_eq!((window.queries, window.distinct_names, window.distinct_nxdomain_names), (602, 201, 50));
    assert_eq!((&*window.zone_name, window.distinct_resolvers), ("example.com", 2));
    assert_eq!(window.sub_name_bytes, 180 * 6 + 20 * 8);
    assert_eq!(window.codes[ResponseCode::NxDomain as usize], 150);
    assert_eq!(window.types[QueryType::A as usize], 602);
    assert_eq!(window.entropy_millibits_sum, 602 * 1_500);
    let suffix = |name: &str, distinct, nxdomain_distinct, sub_name_bytes| crate::window::Suffix {
        name: name.into(),
        distinct,
        nxdomain_distinct,
        sub_name_bytes,
    };
    let expected =
        [suffix("", 200, 50, 180 * 6 + 20 * 8), suffix("a", 200, 50, 180 * 4 + 20 * 6), suffix("b.a", 20, 5, 80)];
    assert_eq!(window.suffixes, expected);
    let names = |top: &[crate::TopName]| top.iter().map(|top| top.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&window.top_resolvers), ["198.51.100.7", "2001:db8:1::7"]);
    assert_eq!(names(&window.top_networks), ["198.51.0.0/16", "2001:db8::/32"]);
    assert_eq!(names(&window.top_edges), ["FRA6-C1"]);
    assert_eq!(window.top_edges[0].count, 602);
}

#[test]
fn of_two_names_of_a_zone_the_lesser_is_shown_in_any_order() {
    let of = |zone| {
        let mut tally = Tally::default();
        tally.add(&Asked { zone, ..QUERY });
        tally
    };
    let [one, two, none] = ["example.com", "example.org", ""].map(of);
    for sum in [merged(&merged(&one, &two), &none), merged(&none, &merged(&two, &one))] {
        assert_eq!(&*sum.window().zone_name, "example.com");
    }
}

#[test]
fn a_first_nxdomain_of_a_known_name_is_noticed() {
    let mut tally = Tally::default();
    tally.add(&QUERY);
    tally.add(&Asked { response_code: ResponseCode::NxDomain, ..QUERY });
    tally.add(&QUERY);
    assert_eq!(tally.window().distinct_nxdomain_names, 1);
}

#[test]
fn what_can_be_done_without_goes_in_a_fixed_order_and_counts_stay() {
    let queries: Vec<Few> = (0..60_000).map(|at| (at as u16, 0, 1, 0, at, 9, u64::from(at))).collect();
    let mut tally = of(&queries);
    let (before, mut steps, mut bytes) = (tally.window(), 0, encoded(&tally).len());
    while tally.shrink() {
        steps += 1;
        let smaller = encoded(&tally);
        assert!(smaller.len() < bytes, "step {steps} leaves {} of {bytes} bytes", smaller.len());
        bytes = smaller.len();
        assert!(decoded(&smaller).as_ref() == Some(&tally));
    }
    let after = tally.window();
    assert_eq!((steps, after.queries, after.types), (8, before.queries, before.types));
    assert_eq!((after.distinct_names, after.sub_name_bytes, after.suffixes.len()), (0, 0, 0));
    assert!(bytes < 160, "{bytes} bytes are left");
    // It stays what it is beside one that is whole.
    assert_eq!(merged(&tally, &of(&queries[..500])).window().distinct_nxdomain_names, 0);
}

#[test]
fn a_quiet_zone_is_small_on_the_wire() {
    let mut tally = Tally::default();
    for number in 0..200_u32 {
        let name = format!("host-{}", number % 20);
        let address = IpAddr::from([192, 0, 2, (number % 25) as u8]);
        tally.add(&Asked { relative_name: &name, source_ip: Some(address), ..QUERY });
    }
    let bytes = encoded(&tally).len();
    assert!(bytes <= 500, "{bytes} bytes");
}
