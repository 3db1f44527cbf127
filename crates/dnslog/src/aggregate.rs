//! Records that the Kinesis Producer Library packed into one: `F3 89 9A C2`, a protobuf message, its MD5.
//!
//! The format is public (aws/amazon-kinesis-producer, aggregation-format.md): `AggregatedRecord` holds its `Record`s as
//! field 3, a `Record` its data as field 3. Keys and tags do not concern the decoder.

use md5::{Digest, Md5};
use std::ops::Range;

pub(crate) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// The field number of both an aggregate's records and a record's data.
const PAYLOAD_FIELD: u64 = 3;

/// The message inside an aggregate, if its MD5 is right.
pub(crate) fn message(record: &[u8]) -> Option<Range<usize>> {
    let end = record.len().checked_sub(DIGEST_BYTES)?;
    let message = MAGIC.len()..end;
    let digest = Md5::digest(record.get(message.clone())?);
    (digest[..] == record[end..]).then_some(message)
}

/// The places of the packed records' data in `record`. An `Err` is the place from which the rest cannot be understood,
/// and the last item.
pub(crate) fn parts(record: &[u8], message: Range<usize>) -> impl Iterator<Item = Result<Range<usize>, usize>> {
    let mut fields = Fields { record, rest: message };
    std::iter::from_fn(move || {
        loop {
            let start = fields.rest.start;
            match fields.next()? {
                Some((PAYLOAD_FIELD, Some(packed))) => match data_of(record, packed) {
                    Some(data) => return Some(Ok(data)),
                    // Only this one cannot be understood, but then the producer is not one we know.
                    None => {
                        fields.rest = 0..0;
                        return Some(Err(start));
                    }
                },
                Some(_) => {}
                None => return Some(Err(start)),
            }
        }
    })
}

/// A packed record's data; empty if it has none.
fn data_of(record: &[u8], packed: Range<usize>) -> Option<Range<usize>> {
    let mut data = packed.end..packed.end;
    for field in (Fields { record, rest: packed }) {
        if let (PAYLOAD_FIELD, Some(place)) = field? {
            data = place;
        }
    }
    Some(data)
}

/// The fields of a protobuf message: number, and the place if it has a length. `None` if the rest breaks the format.
struct Fields<'a> {
    record: &'a [u8],
    rest: Range<usize>,
}

impl Iterator for Fields<'_> {
    type Item = Option<(u64, Option<Range<usize>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = 0..0;
        }
        Some(field)
    }
}

impl Fields<'_> {
    fn field(&mut self) -> Option<(u64, Option<Range<usize>>)> {
        let tag = self.varint()?;
        let bytes = match tag & 7 {
            0 => return self.varint().map(|_| (tag >> 3, None)),
            1 => 8,
            2 => usize::try_from(self.varint()?).ok()?,
            5 => 4,
            _ => return None,
        };
        let start = self.rest.start;
        let end = start.checked_add(bytes).filter(|&end| end <= self.rest.end)?;
        self.rest.start = end;
        Some((tag >> 3, (tag & 7 == 2).then_some(start..end)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.record.get(self.rest.clone())?.first()?;
            self.rest.start += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An aggregate as the KPL writes it: key table, then records with a key index and data.
    fn aggregate(parts: &[&[u8]]) -> Vec<u8> {
        let mut message = b"\x0a\x03key".to_vec();
        for part in parts {
            let mut packed = b"\x08\x00\x1a".to_vec();
            push_length(&mut packed, part.len());
            packed.extend_from_slice(part);
            message.push(0x1a);
            push_length(&mut message, packed.len());
            message.extend(packed);
        }
        sealed(&message)
    }

    fn push_length(out: &mut Vec<u8>, mut length: usize) {
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
    }

    fn sealed(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, &Md5::digest(message)[..]].concat()
    }

    fn unpacked(record: &[u8]) -> Option<Vec<Result<&[u8], usize>>> {
        Some(parts(record, message(record)?).map(|part| part.map(|place| &record[place])).collect())
    }

    #[test]
    fn parts_are_what_was_packed() {
        let long = [b'x'; 300];
        let record = aggregate(&[b"one", b"", &long]);
        assert_eq!(unpacked(&record), Some(vec![Ok(&b"one"[..]), Ok(b""), Ok(&long[..])]));
        assert_eq!(unpacked(&aggregate(&[])), Some(vec![]));
    }

    #[test]
    fn damage_is_found_by_the_digest() {
        let record = aggregate(&[b"one", b"two"]);
        for index in MAGIC.len()..record.len() {
            let mut damaged = record.clone();
            damaged[index] ^= 1;
            assert_eq!(unpacked(&damaged), None, "{index}");
            assert_eq!(unpacked(&record[..index]), None, "{index}");
        }
    }

    #[test]
    fn parts_before_a_broken_field_are_kept() {
        // A record, then a field whose length goes beyond the end, a group (wire type 3), an endless number.
        for broken in [&b"\x1a\x7f"[..], b"\x1b", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x1a\x02\x1a\x05"]
        {
            let record = sealed(&[&b"\x1a\x05\x1a\x03one"[..], broken].concat());
            assert_eq!(unpacked(&record), Some(vec![Ok(&b"one"[..]), Err(MAGIC.len() + 7)]), "{broken:?}");
        }
        // Fields we do not know are passed over, whatever their type.
        let record = sealed(b"\x21\x00\x00\x00\x00\x00\x00\x00\x00\x25\x00\x00\x00\x00\x1a\x05\x1a\x03one");
        assert_eq!(unpacked(&record), Some(vec![Ok(&b"one"[..])]));
    }
}
