//! What the masks and the scanner find, against searches byte by byte.

use super::*;
use proptest::prelude::*;

fn simple_masks(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks { special: 0, space: 0 };
    for (index, &byte) in block.iter().enumerate() {
        masks.special |= u64::from(matches!(byte, b'"' | b'\\' | ..=0x1f | 0x7f)) << index;
        masks.space |= u64::from(byte == b' ') << index;
    }
    masks
}

#[test]
fn every_byte_is_told_apart_in_every_place() {
    for byte in 0..=u8::MAX {
        for index in 0..BLOCK {
            let mut block = [b'x'; BLOCK];
            block[index] = byte;
            let expected = simple_masks(&block);
            assert_eq!(portable_masks(&block), expected, "{byte:#x} at {index}");
            let mut scanner = Scanner::new();
            let end = expected.special.trailing_zeros() as usize;
            assert_eq!(scanner.message_end(&block, 0), end, "{byte:#x} at {index}");
            assert_eq!(scanner.spaces().len(), usize::from(byte == b' '), "{byte:#x} at {index}");
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
        for mut scanner in [Scanner::new(), Scanner::portable()] {
            prop_assert_eq!(scanner.string_end(bytes, from), expected);
            prop_assert_eq!(scanner.message_end(bytes, from), expected);
            prop_assert_eq!(scanner.spaces(), &expected_spaces[..]);
            scanner.find_spaces(&bytes[from..expected]);
            prop_assert_eq!(scanner.spaces(), &expected_spaces[..]);
        }
    }
}
