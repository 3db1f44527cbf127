//! What the masks and the scanner find, against searches byte by byte.

use super::*;
use proptest::prelude::*;

fn simple_masks(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks { special: 0, space: 0 };
    for (index, &byte) in block.iter().enumerate() {
        masks.special |= u64::from(matches!(byte, b'"' | b'\\' | ..=0x1f | 0x7f..)) << index;
        masks.space |= u64::from(byte == b' ') << index;
    }
    masks
}

/// The plain line that begins at a place.
struct Plain<'t, 's>(&'t [u8], usize, Option<[usize; 3]>, &'s mut Spaces);

impl<'t, 's> Work for Plain<'t, 's> {
    type Done = Line<'t, 's>;

    #[inline(always)]
    fn by(self, look: impl Look) -> Line<'t, 's> {
        Line::plain(look, self.0, self.1, self.2, self.3)
    }
}

fn plain<'t, 's>(scanner: &Scanner, bytes: &'t [u8], from: usize, spaces: &'s mut Spaces) -> Line<'t, 's> {
    scanner.processor().run(Plain(bytes, from, None, spaces))
}

fn spaces(line: &Line<'_, '_>) -> Vec<u32> {
    line.spaces.at[..line.spaces.count.min(SPACES_MAX)].to_vec()
}

#[test]
fn every_byte_is_told_apart_in_every_place() {
    for byte in 0..=u8::MAX {
        for index in 0..BLOCK {
            let mut block = [b'x'; BLOCK];
            block[index] = byte;
            let expected = simple_masks(&block);
            assert_eq!(portable_masks(&block), expected, "{byte:#x} at {index}");
            let end = expected.special.trailing_zeros() as usize;
            let mut found = Spaces::default();
            let line = plain(&Scanner::new(), &block, 0, &mut found);
            assert_eq!(line.text().len(), end.min(BLOCK), "{byte:#x} at {index}");
            assert_eq!(spaces(&line).len(), usize::from(byte == b' '), "{byte:#x} at {index}");
        }
    }
}

proptest! {
    #[test]
    fn the_bytes_of_a_name_are_told_apart(bytes in prop::collection::vec(any::<u8>(), 16)) {
        let block: &[u8; 16] = bytes.first_chunk().unwrap();
        prop_assert_eq!(label_masks(block), simple_label_masks(block));
        prop_assert_eq!(special_mask(block), simple_special_mask(block));
    }

    #[test]
    fn hexadecimal_digits_and_colons_are_found(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"/09:;@AFGZ`afgz".to_vec())], HEX_BLOCK),
    ) {
        let block: &[u8; HEX_BLOCK] = bytes.first_chunk().unwrap();
        prop_assert_eq!(hex_and_colons(block), simple_hex_and_colons(block));
    }

    #[test]
    fn the_portable_way_gives_the_same_masks(bytes in prop::collection::vec(any::<u8>(), BLOCK)) {
        let block: &[u8; BLOCK] = bytes.first_chunk().unwrap();
        prop_assert_eq!(portable_masks(block), simple_masks(block));
    }

    #[test]
    fn ends_and_spaces_are_those_of_a_byte_by_byte_search(
        text in "[ a-c\"]{0,200}", from in 0_usize..70,
    ) {
        let bytes = text.as_bytes();
        let from = from.min(bytes.len());
        let expected = bytes[from..].iter().position(|&byte| byte == b'"').map_or(bytes.len(), |at| from + at);
        let expected_spaces: Vec<u32> = (from..expected)
            .filter(|&at| bytes[at] == b' ').map(|at| (at - from) as u32).take(SPACES_MAX).collect();
        for scanner in [Scanner::new(), Scanner::portable()] {
            prop_assert_eq!(scanner.plain(bytes, from).text(), &text[from..expected]);
            let mut found = Spaces::default();
            let line = plain(&scanner, bytes, from, &mut found);
            prop_assert_eq!(line.text(), &text[from..expected]);
            prop_assert_eq!(spaces(&line), &expected_spaces[..]);
            prop_assert_eq!(spaces(&Line::of(line.text(), &mut Spaces::default())), &expected_spaces[..]);
        }
    }

    #[test]
    fn what_is_known_of_a_line_changes_nothing(
        text in "1 [a-c]{0,3} [a-c]{0,62} [a-c]{0,9}( [a-c]{0,30}){0,9}\"", before in 0_usize..3, odd in 0_usize..90,
    ) {
        let mut bytes = [&b"\"\"\""[..before], text.as_bytes()].concat();
        // Plain or not, wherever it is.
        if let Some(byte) = bytes.get_mut(before + odd) && *byte == b'c' {
            *byte = b'\\';
        }
        let known: Vec<usize> = memchr::memchr_iter(b' ', &bytes[before..]).take(3).collect();
        for scanner in [Scanner::new(), Scanner::portable()] {
            let (mut found, mut expected) = (Spaces::default(), Spaces::default());
            let line = scanner.processor().run(Plain(&bytes, before, known.first_chunk().copied(), &mut found));
            let by_search = plain(&scanner, &bytes, before, &mut expected);
            prop_assert_eq!(line.text(), by_search.text());
            prop_assert_eq!(spaces(&line), spaces(&by_search));
            let texts = |line: Line<'_, '_>| line.fields().map(|fields| fields.map(|field| field.text.to_owned()));
            prop_assert_eq!(texts(line), texts(by_search));
        }
    }

    #[test]
    fn fields_are_what_is_between_spaces(text in "([a-c\u{e9}]{0,9} ){0,12}[a-c]{0,3}") {
        let mut spaces = Spaces::default();
        let line = Line::of(&text, &mut spaces);
        let expected: Vec<&str> = text.split(' ').take(FIELDS).collect();
        match line.fields() {
            Some(fields) => {
                prop_assert_eq!(fields.map(|field| field.text).to_vec(), expected);
                for field in fields {
                    prop_assert_eq!(&text[field.at..field.end()], field.text);
                }
            }
            None => prop_assert!(expected.len() < FIELDS),
        }
    }

    #[test]
    fn dots_and_colons_are_found(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"-./9:;".to_vec())], 16)) {
        let block: &[u8; 16] = bytes.first_chunk().unwrap();
        prop_assert_eq!(dots_and_colons(block), simple_dots_and_colons(block));
    }

    #[test]
    fn an_id_is_what_is_plain_before_the_last_byte(bytes in prop::collection::vec(prop_oneof![40 => Just(b'x'), 1 => any::<u8>()], BLOCK - 1), last in any::<u8>(), from in 0_usize..9) {
        let block: [u8; BLOCK] = *[&bytes[..], &[last]].concat().first_chunk().unwrap();
        let special = simple_masks(&block).special;
        let is_plain = (from..BLOCK).all(|at| (special >> at & 1 == 1) == (at == BLOCK - 1));
        let found = Ascii::before_last(Portable, &block, from).map(Ascii::text);
        prop_assert_eq!(found, is_plain.then(|| str::from_utf8(&block[from..BLOCK - 1]).unwrap()));
    }
}
