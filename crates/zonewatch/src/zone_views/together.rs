//! Zones that are counted together, under the empty key: each key group of a shard counts its own, and tells them when its minute
//! closes. They are shown as one.
//!
//! Only what adds up is kept of their windows. Different names or the most frequent ones of some groups say nothing of all, and
//! nobody judges what many zones do together.

use super::ZoneView;
use detect::Window;
use detect::detector::Seen;

/// Whether it is the key of such zones.
pub fn is_together(zone_key: &str) -> bool {
    zone_key.is_empty()
}

/// What a group has counted, without what cannot be added to another's.
pub(super) fn countable(seen: &Seen) -> Seen {
    let window = &seen.window;
    Seen::unjudged(Window {
        zone_key: window.zone_key.clone(),
        zone_name: window.zone_name.clone(),
        start_ms: window.start_ms,
        length_ms: window.length_ms,
        whole: window.whole,
        coverage: window.coverage,
        queries: window.queries,
        codes: window.codes,
        types: window.types,
        transports: window.transports,
        late: window.late,
        future: window.future,
        missed: window.missed,
        ..Window::default()
    })
}

impl ZoneView {
    /// Takes in another group's minute. Groups are told in turn, and one may be some minutes behind another.
    pub(super) fn add(&mut self, seen: &Seen) {
        let seen = countable(seen);
        // The task before has told what was before this one's first minute, of all groups.
        if seen.window.start_ms < self.since_ms {
            return;
        }
        let last_ms = self.seen.window.start_ms;
        self.history.add(&seen);
        if seen.window.start_ms == last_ms {
            add(&mut self.seen.window, &seen.window);
        } else if seen.window.start_ms > last_ms {
            self.seen = seen;
        }
    }
}

fn add(sum: &mut Window, part: &Window) {
    sum.whole &= part.whole;
    sum.coverage = sum.coverage.min(part.coverage);
    let lists =
        [(&mut sum.codes[..], &part.codes[..]), (&mut sum.types, &part.types), (&mut sum.transports, &part.transports)];
    for (counts, more) in lists {
        counts.iter_mut().zip(more).for_each(|(count, more)| *count = count.saturating_add(*more));
    }
    for (count, more) in [
        (&mut sum.queries, part.queries),
        (&mut sum.late, part.late),
        (&mut sum.future, part.future),
        (&mut sum.missed, part.missed),
    ] {
        *count = count.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{minute, views};
    use bytes::Bytes;
    use detect::TopName;
    use detect::detector::Outcome;
    use serde_json::{Value, json};

    /// One group's minute of zones that are counted together.
    fn part(number: i64, queries: u64, coverage: f64) -> Outcome {
        let mut seen = Seen::unjudged(minute("", number, queries).window);
        (seen.window.zone_name, seen.window.coverage) = ("".into(), coverage);
        (seen.window.codes[0], seen.window.distinct_names) = (queries, queries);
        seen.window.top_names = vec![TopName { name: "www".into(), count: queries, error: 0 }];
        Outcome { windows: vec![seen], ..Outcome::default() }
    }

    fn shown(views: &crate::zone_views::ZoneViews) -> (Value, Value) {
        let document = views.document(0);
        let [zone] = &document["zones"].as_array().expect("a list")[..] else { panic!("one zone: {document}") };
        let minutes = zone["minutes"].as_array().expect("a list").iter().map(|minute| minute[1].clone()).collect();
        (zone["window"].clone(), minutes)
    }

    #[test]
    fn what_groups_count_together_adds_up_and_of_the_rest_nothing_is_said() {
        let views = views("together-groups");
        for (number, queries, coverage) in
            [(0, 10, 1.0), (0, 5, 0.5), (1, 20, 1.0), (2, 30, 1.0), (1, 4, 1.0), (2, 3, 1.0)]
        {
            views.told(&part(number, queries, coverage));
            if (number, queries) == (0, 5) {
                let (window, _) = shown(&views);
                assert_eq!((&window["coverage"], &window["distinct_names"]), (&0.5.into(), &0.into()));
            }
        }
        let (window, minutes) = shown(&views);
        assert_eq!(minutes, json!([15, 24, 33]), "one that is behind adds to its own minute");
        assert_eq!((&window["queries"], &window["response_codes"]["NOERROR"]), (&33.into(), &33.into()));
        assert_eq!((&window["distinct_names"], &window["top_names"]), (&0.into(), &json!([])));
    }

    #[test]
    fn the_next_owner_adds_nothing_to_minutes_that_were_told() {
        let before = views("together-before");
        (0..3).for_each(|number| before.told(&part(number, 10, 1.0)));
        let next = views("together-next");
        before.0.histories().for_each(|part| next.adopt_histories(&Bytes::from(part)));
        for number in [2, 3, 1, 2, 3] {
            next.told(&part(number, 7, 1.0));
        }
        assert_eq!(shown(&next).1, json!([10, 10, 14, 14]));
    }
}
