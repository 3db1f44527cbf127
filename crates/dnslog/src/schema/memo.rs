//! What repeats from query to query, rendered once.
//!
//! A Kinesis record of CloudWatch Logs is of one log stream, so of one zone and one edge location: the parts of a line
//! that depend on these alone stay the same for hundreds of lines.

use crate::enrich::same;

/// Bytes rendered from some texts. It compares the texts themselves, never where they are: their buffers are reused.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    key: Vec<String>,
    /// What was rendered, in two parts.
    bytes: Vec<u8>,
    middle: usize,
}

impl Memo {
    /// The two parts rendered from these texts, by `render` if they are not at hand. `render` appends both and returns
    /// where the second begins.
    pub(super) fn of<const TEXTS: usize>(
        &mut self,
        key: &[&str; TEXTS],
        render: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> (&[u8], &[u8]) {
        let holds = self.key.len() == TEXTS && self.key.iter().zip(key).all(|(known, text)| same(known, text));
        if !holds {
            self.key.resize(TEXTS, String::new());
            for (known, text) in self.key.iter_mut().zip(key) {
                known.clear();
                known.push_str(text);
            }
            self.bytes.clear();
            self.middle = render(&mut self.bytes);
        }
        self.bytes.split_at(self.middle)
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
