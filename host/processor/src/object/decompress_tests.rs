use super::*;
use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A source that gives so many bytes at a time.
struct Slow<'a, P> {
    bytes: &'a [u8],
    parts: P,
}

impl<P: Iterator<Item = usize>> Read for Slow<'_, P> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out.len().min(self.parts.next().unwrap());
        self.bytes.read(&mut out[..count])
    }
}

/// All bytes, and how it ended; in reads of `step` bytes, from a source
/// that gives a few bytes at a time.
fn all(stored: &[u8], step: usize) -> (Vec<u8>, Result<(), ReadError>) {
    by(stored, step, std::iter::repeat(7))
}

fn by(stored: &[u8], step: usize, parts: impl Iterator<Item = usize>) -> (Vec<u8>, Result<(), ReadError>) {
    let mut decompressor = Decompressor::new(Slow { bytes: stored, parts });
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; step]);
    loop {
        match decompressor.read(&mut buffer) {
            Ok(0) => return (bytes, Ok(())),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                let again = decompressor.read(&mut buffer);
                assert_eq!(again.unwrap_err().to_string(), error.to_string(), "it is told again");
                return (bytes, Err(error));
            }
        }
    }
}

fn text() -> Vec<u8> {
    let mut state = 1_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:x} ", state >> 12)
    };
    (0..20_000).flat_map(|_| word().into_bytes()).collect()
}

#[test]
fn plain_bytes_stay_as_they_are() {
    for bytes in [&b""[..], b"\x1f", b"{}", b"\x1f\x8ax", &text()] {
        assert_eq!(all(bytes, 5).0, bytes);
    }
}

#[test]
fn members_are_joined_and_padding_is_read_over() {
    let paddings: [&[u8]; 6] = [b"", b"\n", b"\0", b" \t\r\n\x0b\x0c\0", &[0; 4096], &[0; 3 * INPUT_BYTES + 1]];
    for padding in paddings {
        let stored = [gzip(b"one"), gzip(b""), gzip(&text())].map(|member| [&member, padding].concat()).concat();
        let whole = [b"one".to_vec(), text()].concat();
        for step in [1, 1000, 1 << 20] {
            let (bytes, end) = all(&stored, step);
            assert!(bytes == whole && end.is_ok(), "{} bytes of padding: {end:?}", padding.len());
        }
    }
}

#[test]
fn what_is_neither_padding_nor_a_member_is_told_with_its_place() {
    let long = [b'x'; 2 * TAIL_BYTES];
    let tails: [&[u8]; 7] =
        [b"x", b"{\"message\":\"plain\"}\n", b"\x1f", b"\x1f\x1f\x8b", b"\x8b\x1f\x8b", b"\x80\0\0", &long];
    for tail in tails {
        for padding in [&b""[..], b"\n", &[0; INPUT_BYTES]] {
            // Whatever comes after it.
            let before = [&gzip(b"one"), padding].concat();
            let stored = [&before, tail, &gzip(b"two")].concat();
            let (bytes, end) = all(&stored, 1000);
            assert_eq!(bytes, b"one");
            let Err(ReadError::Tail { compressed_offset, head }) = end else { panic!("{end:?}") };
            assert_eq!(compressed_offset, before.len() as u64);
            assert!(stored[before.len()..].starts_with(&head) && head.len() >= tail.len().min(TAIL_BYTES));
            assert!(head.len() <= TAIL_BYTES);
        }
    }
}

/// What objects are made of.
#[derive(Debug, Clone)]
enum Part {
    Member(Vec<u8>),
    Padding(Vec<u8>),
    Other(Vec<u8>),
}

fn part() -> impl Strategy<Value = Part> {
    let content = prop_oneof![prop::collection::vec(any::<u8>(), 0..50), Just(vec![b'x'; 100_000])];
    let padding = prop::collection::vec(prop::sample::select(b"\0\0\0 \n\r\t".to_vec()), 0..300);
    let begins =
        any::<u8>().prop_filter("neither padding nor the end of the magic", |byte| !is_padding(*byte) && *byte != 0x8b);
    let other = (begins, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(first, mut rest)| {
        if is_gzip(&[first, rest.first().copied().unwrap_or_default()]) {
            rest.clear();
        }
        rest.insert(0, first);
        Part::Other(rest)
    });
    prop_oneof![5 => content.prop_map(Part::Member), 4 => padding.prop_map(Part::Padding), 1 => other]
}

proptest! {
    /// The slow model: what the parts say, one after the other.
    #[test]
    fn any_row_of_members_padding_and_others_is_read_as_far_as_it_goes(
        parts in prop::collection::vec(part(), 0..8),
        cut in prop::option::of(prop::sample::select(vec![2_usize, 3, 9, 10, 11, 15])),
        step in prop::sample::select(vec![1_usize, 3, 1000, 1 << 16]),
        reads in prop::collection::vec(prop::sample::select(vec![1_usize, 2, 7, 5000, 1 << 20]), 1..6),
    ) {
        let (mut stored, mut content, mut tail) = (gzip(b"first"), b"first".to_vec(), None);
        for part in parts {
            match part {
                Part::Member(bytes) => {
                    stored.extend(gzip(&bytes));
                    content.extend(bytes.iter().filter(|_| tail.is_none()));
                }
                Part::Padding(bytes) => stored.extend(bytes),
                Part::Other(bytes) => {
                    tail.get_or_insert(stored.len());
                    stored.extend(bytes);
                }
            }
        }
        let last = cut.map(|cut| gzip(b"last")[..cut].to_vec());
        stored.extend(last.iter().flatten());
        let (bytes, end) = by(&stored, step, reads.into_iter().cycle());
        match (end, tail, last) {
            (Err(ReadError::Tail { compressed_offset, head }), Some(at), _) => {
                prop_assert_eq!(compressed_offset, at as u64);
                let end = stored.len().min(at + TAIL_BYTES);
                prop_assert_eq!(&head, &stored[at..end]);
                prop_assert_eq!(bytes, content);
            }
            (Err(ReadError::Damaged { compressed_offset, .. }), None, Some(_)) => {
                prop_assert_eq!(compressed_offset, stored.len() as u64);
                prop_assert!(bytes.starts_with(&content) && b"last".starts_with(&bytes[content.len()..]));
            }
            (Ok(()), None, None) => prop_assert_eq!(bytes, content),
            (end, ..) => prop_assert!(false, "{:?}", end),
        }
    }
}

#[test]
fn a_cut_loses_nothing_before_it() {
    let (whole, stored) = (text(), gzip(&text()));
    for cut in [2, 3, 9, 10, 11, 100, stored.len() / 2, stored.len() - 9, stored.len() - 8, stored.len() - 1] {
        let (bytes, end) = all(&stored[..cut], 4096);
        assert!(whole.starts_with(&bytes));
        let Err(ReadError::Damaged { compressed_offset, .. }) = end else { panic!("cut at {cut}") };
        assert_eq!(compressed_offset, cut as u64);
        if cut >= stored.len() - 8 {
            assert_eq!(bytes, whole, "the trailer alone is missing");
        }
    }
    // Within a block, bytes come out up to the cut: no buffer is lost.
    let (half, _) = all(&stored[..stored.len() / 2], 1 << 20);
    assert!(half.len() > whole.len() / 3, "{} of {}", half.len(), whole.len());
}

#[test]
fn a_bad_checksum_is_damage_after_the_last_byte() {
    let mut stored = gzip(&text());
    let crc = stored.len() - 6;
    stored[crc] ^= 1;
    let (bytes, end) = all(&stored, 4096);
    assert_eq!(bytes, text());
    assert!(matches!(end, Err(ReadError::Damaged { .. })));
}

#[test]
fn a_flipped_bit_never_yields_wrong_success() {
    let (whole, stored) = (text(), gzip(&text()));
    for at in (0..stored.len()).step_by(97) {
        let mut broken = stored.clone();
        broken[at] ^= 0x10;
        let (bytes, end) = all(&broken, 10_000);
        assert!(end.is_err() || bytes == whole || !is_gzip(&broken), "at {at}");
    }
}
