//! The rules of cutting and saying, one by one. The simulation shows what they give together.

use super::*;
use crate::{ShardId, WorkerId, Write};

const RULES: Rules = Rules { epoch: Duration::from_secs(5), kept_ms: 1_000 };
const NOW: Duration = Duration::from_secs(100);

fn number(digits: u64) -> SequenceNumber {
    SequenceNumber::parse(&digits.to_string()).unwrap()
}

fn at(digits: u64) -> Checkpoint {
    Checkpoint::through(number(digits))
}

fn range(first: u64, last: u64) -> Epoch {
    Epoch { first: number(first), last: number(last) }
}

/// Read until 500 ms, through record 10.
fn row() -> Lease {
    let owner = Some(WorkerId::new("a"));
    Lease { owner, counter: 7, read_until_ms: Some(500), ..Lease::fresh(ShardId::new("s"), at(10)) }
}

fn epochs(row: &Lease) -> Epochs {
    Epochs::new(row, row.checkpoint_is_ours(), RULES)
}

fn join(epochs: &mut Epochs, numbers: impl IntoIterator<Item = u64>) {
    for digits in numbers {
        assert!(epochs.may_join(&number(digits)), "{digits}");
        epochs.join(&number(digits), 500 + digits as i64, NOW);
    }
}

fn landed(row: &Lease, commit: &Commit) -> Lease {
    let write = Write::Commit { key: row.key.clone(), counter: row.counter, commit: commit.clone() };
    write.apply(Some(row)).unwrap()
}

/// Cuts what is open, puts it at 600 ms; the row and what was put.
fn cut(epochs: &mut Epochs, row: &Lease) -> (Lease, Put) {
    let row = match epochs.cut() {
        Some(commit) => {
            let row = landed(row, &commit);
            assert!(epochs.committed(&row));
            row
        }
        None => row.clone(),
    };
    (row, epochs.put(600))
}

#[test]
fn an_epoch_is_named_put_acknowledged_and_then_committed() {
    let row = row();
    let mut epochs = epochs(&row);
    join(&mut epochs, 11..=13);
    assert!(!epochs.is_due(NOW + Duration::from_secs(4), Next::Tip));
    assert!(epochs.is_due(NOW + Duration::from_secs(5), Next::Unknown));
    let commit = epochs.cut().unwrap();
    assert_eq!((commit.checkpoint.clone(), commit.pending.clone()), (at(10), Some(range(11, 13))));
    let named = landed(&row, &commit);
    assert!(epochs.committed(&named));
    let put = epochs.put(600);
    assert_eq!((put.after.clone(), put.through.clone(), put.time_ms), (Some(number(10)), Some(number(13)), 513));
    assert_eq!((put.hole_ms, put.end, put.records_only), (None, false, false));
    join(&mut epochs, [14]);
    assert!(!epochs.is_due(NOW + Duration::from_secs(99), Next::End), "one epoch is in flight");
    assert_eq!(epochs.commit_due(None), None);
    assert_eq!(epochs.checkpoint(), &at(10));
    epochs.acknowledged();
    let next = epochs.cut().unwrap();
    assert_eq!((next.checkpoint, next.pending, next.read_until_ms), (at(13), Some(range(14, 14)), Some(513)));
}

#[test]
fn when_nothing_follows_the_checkpoint_is_committed_alone() {
    let row = row();
    let mut epochs = epochs(&row);
    join(&mut epochs, [11]);
    let (row, _) = cut(&mut epochs, &row);
    epochs.acknowledged();
    let commit = epochs.commit_due(None).unwrap();
    assert_eq!((commit.checkpoint.clone(), commit.pending.clone()), (at(11), None));
    assert!(epochs.committed(&landed(&row, &commit)));
    assert_eq!(epochs.commit_due(None), None);
}

#[test]
fn the_row_is_believed_not_what_was_meant() {
    let row = row();
    let mut epochs = epochs(&row);
    join(&mut epochs, 11..=13);
    epochs.cut();
    let other = Lease { counter: 8, pending: Some(range(11, 12)), ..row.clone() };
    assert!(!epochs.committed(&other));
    // What the row says is a former owner's, if only this one's former self's.
    let mut epochs = self::epochs(&other);
    join(&mut epochs, 11..=12);
    assert!(!epochs.may_join(&number(13)));
}

#[test]
fn a_pending_epoch_is_made_again_from_its_first_to_its_last_record() {
    let row = Lease { pending: Some(range(11, 13)), ..row() };
    let mut epochs = epochs(&row);
    assert!(epochs.is_remaking() && !epochs.is_at_rest());
    join(&mut epochs, 11..=12);
    assert!(!epochs.is_due(NOW + Duration::from_secs(99), Next::Full), "a shorter one is not put in its place");
    assert_eq!(epochs.release(Then::Release).pending, Some(range(11, 13)), "nor forgotten when the lease goes on");
    join(&mut epochs, [13]);
    assert!(!epochs.may_join(&number(14)));
    assert!(epochs.is_due(NOW, Next::Unknown));
    assert_eq!(epochs.cut(), None, "the row names it already");
    assert_eq!(epochs.put(600).through, Some(number(13)));
}

#[test]
fn records_of_a_pending_epoch_that_were_trimmed_are_left_out() {
    let row = Lease { pending: Some(range(11, 13)), ..row() };
    for (there, next) in [(vec![12], Next::Tip), (vec![12], Next::Beyond), (vec![], Next::Beyond), (vec![], Next::End)]
    {
        let mut epochs = epochs(&row);
        join(&mut epochs, there.clone());
        assert!(!epochs.is_due(NOW, Next::Unknown));
        assert!(epochs.is_due(NOW, next));
        let (_, put) = cut(&mut epochs, &row);
        assert_eq!((put.after, put.through), (Some(number(10)), Some(number(13))));
        assert_eq!(put.records, there.first().map(|first| range(*first, *first)));
    }
}

#[test]
fn a_mark_is_put_at_rest_only_and_says_the_clock_before_the_read() {
    let row = row();
    let mut epochs = epochs(&row);
    let mark = epochs.mark(600, 650).unwrap();
    assert_eq!(
        (&mark.after, &mark.through, mark.time_ms, mark.end),
        (&Some(number(10)), &Some(number(10)), 600, false)
    );
    join(&mut epochs, [11]);
    assert_eq!(epochs.mark(600, 650), None);
    cut(&mut epochs, &row);
    assert_eq!(epochs.mark(600, 650), None);
    epochs.acknowledged();
    assert_eq!(epochs.mark(600, 650).unwrap().after, Some(number(11)));
    epochs.mark_acknowledged(&mark);
    assert_eq!(epochs.read_until_ms(), Some(600));
}

#[test]
fn no_mark_speaks_before_the_row_knows_since_when_the_shard_is_read() {
    let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon);
    let mut epochs = epochs(&fresh);
    assert_eq!(epochs.mark(600, 650), None);
    let commit = epochs.commit_due(Some(600)).unwrap();
    assert_eq!(commit.read_until_ms, Some(600));
    assert!(epochs.committed(&landed(&fresh, &commit)));
    assert!(epochs.mark(700, 750).is_some());
    let pinned = Lease { start_ms: Some(800), ..Lease::fresh(ShardId::new("s"), Checkpoint::AtTimestamp) };
    assert_eq!(
        self::epochs(&pinned).mark(700, 750).unwrap().time_ms,
        800,
        "a mark speaks for no time before the start"
    );
}

#[test]
fn what_only_marks_have_read_is_told_to_the_row_now_and_then() {
    let mut epochs = epochs(&row());
    for (sent_ms, due) in [(600, false), (500 + READ_UNTIL_PERIOD_MS - 1, false), (500 + READ_UNTIL_PERIOD_MS, true)] {
        let mark = epochs.mark(sent_ms, sent_ms).unwrap();
        epochs.mark_acknowledged(&mark);
        assert_eq!(epochs.commit_due(Some(sent_ms)).is_some(), due, "{sent_ms}");
    }
}

#[test]
fn a_hole_is_said_until_it_is_acknowledged() {
    let row = row();
    let mut epochs = epochs(&row);
    assert_eq!(epochs.mark(1_400, 1_500).unwrap().hole_ms, None, "read until 500, kept for 1,000");
    let mark = epochs.mark(1_400, 1_501).unwrap();
    assert_eq!(mark.hole_ms, Some(1_501 + CLOCKS_APART_MS));
    join(&mut epochs, [900]);
    let commit = epochs.cut().unwrap();
    assert!(epochs.committed(&landed(&row, &commit)));
    assert_eq!(epochs.put(1_600).hole_ms, Some(1_400 + CLOCKS_APART_MS), "what is lost arrived before what is there");
    epochs.acknowledged();
    assert_eq!(epochs.mark(1_700, 1_700).unwrap().hole_ms, None);
    epochs.mark_acknowledged(&mark);
    assert_eq!(epochs.read_until_ms(), Some(1_400));
}

#[test]
fn a_first_epoch_leaves_behind_since_when_records_may_be_lost() {
    let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon);
    let mut epochs = epochs(&fresh);
    join(&mut epochs, [11, 12]);
    assert_eq!(epochs.cut().unwrap().read_until_ms, Some(511));
}

#[test]
fn another_consumers_progress_is_a_hole_also_for_the_next_owner() {
    let row = Lease { pending: Some(range(8, 9)), own_checkpoint: Some(at(7)), ..row() };
    let mut epochs = epochs(&row);
    assert!(!epochs.is_remaking());
    join(&mut epochs, [11]);
    let commit = epochs.cut().unwrap();
    let named = landed(&row, &commit);
    assert!(named.checkpoint_is_ours());
    assert!(epochs.committed(&named));
    assert_eq!(epochs.put(1_600).hole_ms, Some(511 + CLOCKS_APART_MS));
    assert_eq!(self::epochs(&named).read_until_ms(), Some(0));
}

#[test]
fn a_shards_last_word_is_an_empty_epoch_that_ends_it() {
    let mut epochs = epochs(&row());
    let word = epochs.last_word(600).unwrap();
    assert_eq!((word.after, word.through, word.time_ms), (Some(number(10)), Some(number(10)), 500));
    assert!(word.end && word.records.is_none());
    assert!(!epochs.is_at_rest());
    epochs.acknowledged();
    assert_eq!(epochs.read_until_ms(), Some(500));
}

#[test]
fn what_was_told_before_a_reset_is_delivered_only_and_cut_there() {
    let row = Lease { floor: Some(at(20)), read_until_ms: Some(0), ..row() };
    let mut epochs = epochs(&row);
    join(&mut epochs, [19, 20]);
    assert!(!epochs.may_join(&number(21)));
    assert!(epochs.is_due(NOW, Next::Beyond));
    let (row, put) = cut(&mut epochs, &row);
    assert!(put.records_only);
    epochs.acknowledged();
    assert_eq!((epochs.checkpoint(), epochs.read_until_ms()), (&at(20), Some(0)), "the hole is still to be said");
    join(&mut epochs, [21]);
    let commit = epochs.cut().unwrap();
    assert!(epochs.committed(&landed(&row, &commit)));
    let put = epochs.put(600);
    assert_eq!((put.after, put.records_only), (Some(number(20)), false));
}

#[test]
fn of_a_shard_that_was_told_to_its_end_nothing_is_put_again() {
    let mut epochs = epochs(&Lease { floor: Some(Checkpoint::ShardEnd), ..row() });
    join(&mut epochs, [11]);
    assert!(cut(&mut epochs, &row()).1.records_only);
    epochs.acknowledged();
    assert_eq!((epochs.mark(600, 600), epochs.last_word(600)), (None, None));
}

#[test]
fn a_start_that_was_moved_on_is_a_hole() {
    let moved = |start_ms, read_until_ms, floor: Option<Checkpoint>| {
        let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::AtTimestamp);
        let row = Lease { start_ms: Some(start_ms), read_until_ms, floor, ..fresh };
        epochs(&row).read_until_ms() == Some(0)
    };
    assert!(moved(600, Some(500), None) && !moved(500, Some(500), None) && !moved(600, None, None));
    let floor = || Some(at(10));
    assert!(moved(600, Some(60_599), floor()), "the two times may be of different clocks");
    assert!(!moved(600, Some(60_600), floor()) && moved(600, None, floor()));
}
