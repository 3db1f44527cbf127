//! The known word nearest to a mistyped one.

/// The member of `known` with the fewest edits from `word`; `None` if even that one is another word altogether.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (edits, best) = known.into_iter().map(|other| (edits(word, other), other)).min_by_key(|(edits, _)| *edits)?;
    (edits <= best.len().max(word.len()) / 2).then_some(best)
}

/// The optimal-string-alignment distance: insertions, deletions, changes and swaps of neighbours.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for row in 1..=from.len() {
        let mut line = vec![row];
        for column in 1..=to.len() {
            let change = usize::from(from[row - 1] != to[column - 1]);
            let mut least =
                (rows[row - 1][column] + 1).min(line[column - 1] + 1).min(rows[row - 1][column - 1] + change);
            if row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1] {
                least = least.min(rows[row - 2][column - 2] + 1);
            }
            line.push(least);
        }
        rows.push(line);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_key_and_another_word_finds_none() {
        let known = ["source.stream", "source.start", "source.start_at", "records.sample"];
        assert_eq!(nearest("source.strem", known), Some("source.stream"));
        assert_eq!(nearest("source.satrt", known), Some("source.start"));
        assert_eq!(nearest("record.sample", known), Some("records.sample"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(edits("abc", "acb"), 1);
        assert_eq!(edits("", "abc"), 3);
    }
}
