//! One window beside what is known: the questions that rules ask.

use super::Expected;
use crate::baseline::{Known, Look, Looks, Signal, code};
use crate::score::Threshold;
use crate::{TopName, Window};
use dnslog::ResponseCode;

/// So many addresses that make half of the difference are few.
const FEW_RESOLVERS: usize = 4;
const FEW_RESOLVERS_SHARE: f64 = 0.5;
/// A client of a public resolver comes from many of its addresses, which are in two or three networks.
const FEW_NETWORKS: usize = 3;
const FEW_NETWORKS_SHARE: f64 = 0.8;

/// Names are other ones if they have so much more entropy: between words and letters by chance lies more than half a bit.
const OTHER_ENTROPY_BITS: f64 = 0.3;

/// From then on a scorer corrects its expectation by the hours of the week.
const WEEK_KNOWN_S: i64 = 8 * 86_400;

/// A window, how it looks, and what is known.
pub(super) struct View<'a> {
    pub(super) window: &'a Window,
    pub(super) looks: &'a Looks,
    pub(super) known: &'a Known,
    pub(super) threshold: Threshold,
    /// What rules ask for in proportion: 1 to open a finding, and less to let it go on.
    pub(super) level: f64,
    /// The score that they ask for.
    pub(super) score_level: f64,
    /// The end of the last finding that is over, milliseconds since 1970.
    pub(super) ended_ms: i64,
}

impl View<'_> {
    /// The look at a signal: of this window alone if that alerts, since its numbers are the clearer ones, or if a sum of
    /// windows has some that have been told of and says nothing new.
    pub(super) fn look(&self, signal: Signal) -> Option<Look> {
        let is_alone = |look: &Look| self.threshold.score(look.sudden) >= 1.0 || self.is_explained(look);
        self.looks[signal as usize].map(|look| if is_alone(&look) { look.alone() } else { look })
    }

    pub(super) fn score(&self, look: &Look) -> f64 {
        self.threshold.score(look.surprise)
    }

    /// The look at a signal if it alerts, goes on, and is up.
    pub(super) fn up(&self, signal: Signal) -> Option<Look> {
        self.look(signal).filter(|look| look.is_up() && self.alerts(look))
    }

    /// The same if it is down.
    pub(super) fn down(&self, signal: Signal) -> Option<Look> {
        self.look(signal).filter(|look| !look.is_up() && self.alerts(look))
    }

    fn alerts(&self, look: &Look) -> bool {
        look.goes_on() && self.score(look) >= self.score_level
    }

    fn is_explained(&self, look: &Look) -> bool {
        let sum_ms = (look.rows as i64).saturating_mul(self.window.length_ms);
        let end_ms = self.window.start_ms.saturating_add(self.window.length_ms);
        look.rows > 1 && end_ms.saturating_sub(sum_ms) < self.ended_ms
    }

    /// The look of those up that alerts most.
    pub(super) fn highest(&self, signals: &[Signal]) -> Option<Look> {
        let up = signals.iter().filter_map(|signal| self.up(*signal));
        up.max_by(|left, right| left.surprise.total_cmp(&right.surprise))
    }

    /// Whether something is known of the zone.
    pub(super) fn is_known(&self) -> bool {
        self.look(Signal::Queries).is_some()
    }

    /// Whether each day of the week has been seen: a zone's first weekend looks like an outage, and the Monday after like a
    /// flood.
    pub(super) fn knows_the_week(&self) -> bool {
        let since_s = self.known.edges.since_s();
        since_s.is_some_and(|since_s| self.window.start_ms / 1000 - since_s >= WEEK_KNOWN_S)
    }

    /// Length of the window, seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.window.length_ms as f64 / 1000.0
    }

    /// Queries expected of this window; 0 if nothing is known.
    pub(super) fn expected_queries(&self) -> f64 {
        self.look(Signal::Queries).map_or(0.0, |look| look.row_expected.max(0.0))
    }

    /// Queries beyond those expected, 0 or more.
    pub(super) fn excess_queries(&self) -> f64 {
        (self.window.queries as f64 - self.expected_queries()).max(0.0)
    }

    /// Queries that can be other than the usual ones. Of a window that counts too little, all: nobody knows how many of the
    /// usual ones it would have had by now.
    pub(super) fn other_queries(&self) -> f64 {
        if self.window.whole { self.excess_queries() } else { self.window.queries as f64 }
    }

    /// Different names that can be other than the usual ones, likewise.
    pub(super) fn other_names(&self) -> f64 {
        if self.window.whole { self.excess(Signal::Names) } else { self.window.distinct_names as f64 }
    }

    /// What of a count is beyond the expected, 0 or more.
    pub(super) fn excess(&self, signal: Signal) -> f64 {
        self.look(signal).map_or(0.0, |look| (look.row_observed - look.row_expected).max(0.0))
    }

    /// Queries of a sort beyond those that the usual share of the usual queries makes, 0 or more.
    pub(super) fn excess_of(&self, part: u64, share: Signal) -> f64 {
        let usual = self.look(share).map_or(0.0, |look| look.row_expected * self.expected_queries());
        (part as f64 - usual).max(0.0)
    }

    /// Answers with a code, beyond the usual.
    pub(super) fn excess_code(&self, response_code: ResponseCode) -> f64 {
        let share = match response_code {
            ResponseCode::ServFail => Signal::ServFailShare,
            ResponseCode::Refused => Signal::RefusedShare,
            _ => Signal::NxDomainShare,
        };
        self.excess_of(code(self.window, response_code), share)
    }

    /// Whether the names of the excess are unlike the usual ones: fewer come twice, or they look more like chance. A launch
    /// brings more of the same; not that they are longer, since the rarer ones that it brings are.
    pub(super) fn has_other_names(&self) -> bool {
        let queries = self.other_queries();
        let unlike =
            |signal: Signal, is: &dyn Fn(f64) -> bool| self.up(signal).is_some_and(|look| is(look.row_expected));
        // Half way from the usual to names that are all asked once.
        unlike(Signal::NameShare, &|usual| self.excess(Signal::Names) >= f64::midpoint(usual, 1.0) * queries)
            || unlike(Signal::Entropy, &|usual| {
                let all = self.window.entropy_millibits_sum as f64 / 1000.0;
                let bits = if self.window.whole { all - usual * self.expected_queries() } else { all };
                bits >= (usual + OTHER_ENTROPY_BITS) * queries
            })
    }

    /// Whether the names of the excess are so many times as long as the usual ones.
    pub(super) fn has_longer_names(&self, factor: f64) -> bool {
        let usual = self.look(Signal::NameBytes).map_or(0.0, |look| look.row_expected);
        let bytes =
            if self.window.whole { self.excess(Signal::SubNameBytes) } else { self.window.sub_name_bytes as f64 };
        bytes >= factor * usual * self.other_names()
    }

    /// Whether few addresses or networks make most of so many queries.
    pub(super) fn is_by_few(&self, excess: f64) -> bool {
        let part = |list: &[TopName], shares: &crate::baseline::Shares, count: usize| {
            let beyond =
                |top: &TopName| (top.count as f64 - shares.share(&top.name) * self.expected_queries()).max(0.0);
            let mut parts: Vec<f64> = list.iter().map(beyond).collect();
            parts.sort_by(|left, right| right.total_cmp(left));
            parts.iter().take(count).sum::<f64>()
        };
        let resolvers = part(&self.window.top_resolvers, &self.known.resolvers, FEW_RESOLVERS);
        let networks = part(&self.window.top_networks, &self.known.networks, FEW_NETWORKS);
        resolvers >= FEW_RESOLVERS_SHARE * excess || networks >= FEW_NETWORKS_SHARE * excess
    }
}

impl Expected {
    /// Of the window alone, whatever the windows before it came to.
    pub(crate) fn of_row(look: &Look) -> Self {
        Self { value: look.row_expected, low: look.low, high: look.high }
    }
}

impl From<&Look> for Expected {
    fn from(look: &Look) -> Self {
        Self { value: look.expected, low: look.low, high: look.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Baseline;

    const LOOK: Look = Look {
        signal: Signal::Queries,
        surprise: 20.0,
        sudden: 2.0,
        rows: 12,
        observed: 300.0,
        expected: 100.0,
        low: 80.0,
        high: 120.0,
        row_observed: 250.0,
        row_expected: 90.0,
    };

    fn with_view<T>(look: Look, ended_ms: i64, whole: bool, ask: impl FnOnce(&View<'_>) -> T) -> T {
        let window = Window { start_ms: 6_000_000, length_ms: 60_000, whole, queries: 250, ..Window::default() };
        let (baseline, mut looks) = (Baseline::new(), [None; crate::score::SIGNALS]);
        looks[look.signal as usize] = Some(look);
        ask(&View {
            window: &window,
            looks: &looks,
            known: baseline.known(),
            threshold: Threshold::default(),
            level: 1.0,
            score_level: 1.0,
            ended_ms,
        })
    }

    #[test]
    fn a_sum_alerts_unless_some_of_it_was_told_of_or_it_does_not_go_on() {
        let first_ms = 6_060_000 - 12 * 60_000;
        let up = |look, ended_ms| with_view(look, ended_ms, true, |view| view.up(Signal::Queries).is_some());
        assert!(up(LOOK, first_ms));
        assert!(!up(LOOK, first_ms + 1), "its first window was told of");
        assert!(!up(Look { row_observed: 180.0, ..LOOK }, 0), "less than half of it goes on");
        assert!(up(Look { sudden: 9.0, ..LOOK }, first_ms + 1), "the window alone alerts");
        assert!(!with_view(LOOK, 0, true, |view| view.down(Signal::Queries).is_some()));
    }

    #[test]
    fn a_window_that_alerts_alone_is_told_by_its_own_numbers() {
        let seen = |sudden| {
            let look = with_view(Look { sudden, ..LOOK }, 0, true, |view| view.look(Signal::Queries).unwrap());
            (look.rows, look.observed, look.expected)
        };
        assert_eq!(seen(2.0), (12, 300.0, 100.0));
        assert_eq!(seen(9.0), (1, 250.0, 90.0));
    }

    #[test]
    fn of_an_open_window_nobody_knows_which_queries_are_the_usual_ones() {
        assert_eq!(with_view(LOOK, 0, true, |view| view.other_queries()), 160.0);
        assert_eq!(with_view(LOOK, 0, false, |view| view.other_queries()), 250.0);
    }
}
