//! What repeats from query to query, rendered once.
//!
//! A Kinesis record of CloudWatch Logs is of one log stream, so of one zone and one edge location: the parts of a line
//! that depend on these alone stay the same for hundreds of lines.

/// Bytes rendered from some texts. It compares the texts themselves, never where they are: their buffers are reused.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    key: Vec<u8>,
    key_lengths: Vec<usize>,
    /// What was rendered, in two parts.
    bytes: Vec<u8>,
    middle: usize,
}

impl Memo {
    /// The two parts rendered from these texts, by `render` if they are not at hand. `render` appends
    /// both and returns where the second begins.
    pub(super) fn of(&mut self, key: &[&str], render: impl FnOnce(&mut Vec<u8>) -> usize) -> (&[u8], &[u8]) {
        if !self.holds(key) {
            self.key.clear();
            self.key_lengths.clear();
            for part in key {
                self.key.extend_from_slice(part.as_bytes());
                self.key_lengths.push(part.len());
            }
            self.bytes.clear();
            self.middle = render(&mut self.bytes);
        }
        self.bytes.split_at(self.middle)
    }

    fn holds(&self, key: &[&str]) -> bool {
        let mut rest = self.key.as_slice();
        self.key_lengths.len() == key.len()
            && key.iter().zip(&self.key_lengths).all(|(part, length)| {
                let (known, after) = rest.split_at(*length);
                rest = after;
                part.as_bytes() == known
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_wherever_they_are_cut() {
        let mut memo = Memo::default();
        let mut renders = 0;
        for (key, expected) in [(["ab", "c"], 1), (["ab", "c"], 1), (["a", "bc"], 2), (["a", "bd"], 3), (["", ""], 4)] {
            let (first, second) = memo.of(&key, |out| {
                renders += 1;
                out.extend_from_slice(key[0].as_bytes());
                out.extend_from_slice(key[1].as_bytes());
                key[0].len()
            });
            assert_eq!((first, second), (key[0].as_bytes(), key[1].as_bytes()));
            assert_eq!(renders, expected, "{key:?}");
        }
    }
}
