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

/// The usual line that bytes begin with, where its first three spaces are known.
struct Usual<'t>(&'t [u8], [usize; 3]);

impl<'t> Work for Usual<'t> {
    type Done = Option<Line<'t>>;

    #[inline(always)]
    fn by(self, look: impl Look) -> Option<Line<'t>> {
        Line::usual(look, self.0, self.1)
    }
}

/// By what this processor has.
fn look_at(block: &[u8; BLOCK]) -> Masks {
    struct At<'b>(&'b [u8; BLOCK]);
    impl Work for At<'_> {
        type Done = Masks;

        #[inline(always)]
        fn by(self, look: impl Look) -> Masks {
            look.masks(self.0)
        }
    }
    Scanner::new().processor().run(At(block))
}

fn texts<'t>(line: &Line<'t>) -> Option<[&'t str; FIELDS]> {
    line.fields().map(|fields| fields.map(|field| field.text))
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
            let plain = Scanner::new().plain(&block, 0).text();
            assert_eq!(plain.len(), end.min(BLOCK), "{byte:#x} at {index}");
            assert_eq!(look_at(&block), expected, "{byte:#x} at {index}");
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
    fn ends_are_those_of_a_byte_by_byte_search(text in "[ a-c\"]{0,200}", from in 0_usize..70) {
        let bytes = text.as_bytes();
        let from = from.min(bytes.len());
        let expected = bytes[from..].iter().position(|&byte| byte == b'"').map_or(bytes.len(), |at| from + at);
        for scanner in [Scanner::new(), Scanner::portable()] {
            prop_assert_eq!(scanner.plain(bytes, from).text(), &text[from..expected]);
        }
    }

    #[test]
    fn a_usual_line_is_what_a_search_finds(
        text in "1 [a-c]{0,3} [a-c]{0,50} [a-c]{0,9}([a-c]{90}){0,3}( [a-c]{0,20}){5,7}\"(| {0,150})", odd in 0_usize..300,
    ) {
        let mut bytes = text.into_bytes();
        // Plain or not, wherever it is behind what is known.
        let known: Vec<usize> = memchr::memchr_iter(b' ', &bytes).take(3).collect();
        if let Some(byte) = bytes.get_mut(odd) && *byte == b'c' && odd > known[2] {
            *byte = b'\\';
        }
        let plain = Scanner::portable().plain(&bytes, 0).text();
        let expected = Line::of(plain);
        let spaces: Vec<usize> = memchr::memchr_iter(b' ', plain.as_bytes()).collect();
        // Ten fields, from the name's end to the last space no more than is looked at together, to the end neither.
        let is_short = bytes.len() >= BLOCK && spaces.len() == FIELDS - 1
            && spaces[8] - spaces[3] <= BLOCK && spaces[3] > known[2] + 1 && plain.len() - spaces[3] < WINDOW;
        for scanner in [Scanner::new(), Scanner::portable()] {
            let line = scanner.processor().run(Usual(&bytes, *known.first_chunk().unwrap()));
            if let Some(line) = line {
                prop_assert_eq!(line.text(), expected.text());
                prop_assert_eq!(texts(&line), texts(&expected));
                prop_assert_eq!(spaces.len(), FIELDS - 1);
            }
            prop_assert!(line.is_some() || !is_short);
        }
    }

    #[test]
    fn what_is_said_to_be_known_must_be_ascii_and_in_order(at in 0_usize..BLOCK, known in prop::array::uniform3(0_usize..70)) {
        let mut bytes = *b"1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A NOERROR TCP FRA56-C1 192.0.2.1 -\"                    ";
        let usual = |bytes: &[u8], known| Scanner::new().processor().run(Usual(bytes, known)).is_some();
        prop_assert!(usual(&bytes, [3, 28, 42]));
        let [a, b, c] = known;
        prop_assert!(!usual(&bytes, known) || a < b && b < c && c < BLOCK);
        bytes[at] = 0xc3;
        prop_assert!(!usual(&bytes, [3, 28, 42]));
    }

    #[test]
    fn fields_are_what_is_between_spaces(text in "([a-c\u{e9}]{0,9} ){0,12}[a-c]{0,3}") {
        let line = Line::of(&text);
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
