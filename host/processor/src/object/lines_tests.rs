use super::*;
use proptest::prelude::*;

const LIMITS: ReadLimits = ReadLimits { chunk_bytes: 100, max_line_bytes: 50, max_object_bytes: 0 };

fn pieces(bytes: impl Read, limits: ReadLimits) -> Vec<Piece> {
    let mut reader = LineReader::new(Decompressor::new(bytes), limits);
    let mut pieces = Vec::new();
    while let Some(piece) = reader.next_piece().unwrap() {
        if let Piece::Chunk(chunk) = &piece {
            // A recycled buffer must leave nothing behind.
            reader.recycle(Chunk { bytes: vec![b'\n'; 90], ..chunk.clone() });
        }
        pieces.push(piece);
    }
    pieces
}

/// A source of which each read brings another part.
struct Slow<'a, P> {
    bytes: &'a [u8],
    parts: P,
}

impl<P: Iterator<Item = usize>> Read for Slow<'_, P> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let part = self.parts.next().unwrap().min(out.len());
        self.bytes.read(&mut out[..part])
    }
}

/// What the pieces say of each line, by the obvious way.
fn told(pieces: &[Piece]) -> Vec<(u64, u64, Result<Vec<u8>, u64>)> {
    let mut lines = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Chunk(chunk) => {
                assert_eq!(chunk.ends.last(), Some(&chunk.bytes.len()));
                for (index, line) in chunk.lines().enumerate() {
                    let number = chunk.first_line + index as u64;
                    let (same, offset) = chunk.line(number).unwrap();
                    assert_eq!(same, line);
                    lines.push((number, offset, Ok(line.to_vec())));
                }
            }
            Piece::TooLong { line, offset, length, head } => {
                assert!(head.len() as u64 <= *length);
                lines.push((*line, *offset, Err(*length)));
            }
            Piece::Remainder(_) => {}
        }
    }
    lines
}

/// The same by splitting the whole.
fn expected(bytes: &[u8], max: usize) -> Vec<(u64, u64, Result<Vec<u8>, u64>)> {
    let mut offset = 0;
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let at = offset;
            offset += line.len() as u64 + 1;
            let told = if line.len() > max { Err(line.len() as u64) } else { Ok(line.to_vec()) };
            (number as u64, at, told)
        })
        .collect()
}

proptest! {
    #[test]
    fn lines_are_those_of_the_whole(
        lines in prop::collection::vec((0_usize..120, any::<u8>()), 0..60),
        newline_at_end: bool,
        chunk_bytes in prop::sample::select(vec![1_usize, 2, 40, 100, 5000]),
        max_line_bytes in prop::sample::select(vec![1_usize, 50, 119, 20_000]),
    ) {
        let line = |&(length, byte): &(usize, u8)| vec![if byte == b'\n' { b' ' } else { byte }; length];
        let mut bytes = lines.iter().map(line).collect::<Vec<_>>().join(&b'\n');
        if newline_at_end && !bytes.is_empty() {
            bytes.push(b'\n');
        }
        prop_assume!(!super::super::is_gzip(&bytes));
        let limits = ReadLimits { chunk_bytes, max_line_bytes, max_object_bytes: 0 };
        prop_assert_eq!(told(&pieces(&bytes[..], limits)), expected(&bytes, max_line_bytes));
    }

    #[test]
    fn where_chunks_end_is_decided_by_the_content_alone(
        lengths in prop::collection::vec(prop::sample::select(vec![0_usize, 1, 30, 3_000, 5_000, 9_000, 30_000]), 1..40),
        parts in prop::collection::vec(1_usize..7_000, 1..10),
        chunk_bytes in prop::sample::select(vec![100_usize, 4096, 6_000]),
        max_object_bytes in prop::sample::select(vec![0_u64, 40_000]),
    ) {
        let bytes: Vec<u8> = lengths.iter().flat_map(|&length| [vec![b'x'; length], vec![b'\n']].concat()).collect();
        let limits = ReadLimits { chunk_bytes, max_line_bytes: 20_000, max_object_bytes };
        let slow = Slow { bytes: &bytes, parts: parts.iter().copied().cycle() };
        prop_assert_eq!(pieces(slow, limits), pieces(&bytes[..], limits));
    }

    #[test]
    fn an_object_over_the_limit_keeps_its_whole_lines(
        lengths in prop::collection::vec(0_usize..70, 1..200),
        max in 1_u64..9000,
    ) {
        let bytes: Vec<u8> = lengths.iter().flat_map(|&length| [vec![b'x'; length], vec![b'\n']].concat()).collect();
        let limits = ReadLimits { max_object_bytes: max, ..LIMITS };
        let pieces = pieces(&bytes[..], limits);
        if bytes.len() as u64 <= max {
            prop_assert_eq!(told(&pieces), expected(&bytes, 50));
        } else {
            let Some(Piece::Remainder(rest)) = pieces.last() else { panic!("no rest") };
            let kept: Vec<_> = expected(&bytes, 50).into_iter()
                .filter(|(_, at, told)| at + told.as_ref().map_or_else(|&length| length, |line| line.len() as u64) < max)
                .collect();
            prop_assert_eq!(rest.line, kept.len() as u64);
            prop_assert_eq!(rest.offset + rest.length, max);
            prop_assert_eq!(rest.partial, rest.length > 0);
            prop_assert_eq!(rest.reason, Reason::ObjectTooLarge);
            prop_assert_eq!(told(&pieces), kept);
        }
    }
}

#[test]
fn chunks_hold_as_many_lines_as_fit() {
    let bytes = "0123456789\n".repeat(1000);
    for piece in pieces(bytes.as_bytes(), LIMITS) {
        let Piece::Chunk(chunk) = piece else { panic!() };
        assert!(chunk.bytes.len() <= 100);
    }
    let single = pieces(&b"a\n\nb"[..], ReadLimits { chunk_bytes: 1, ..LIMITS });
    assert_eq!(single.len(), 3, "one line a chunk");
}

/// Endless bytes of one value.
struct Endless(u8, u64);
impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        out.fill(self.0);
        self.1 += out.len() as u64;
        assert!(self.1 < 2 * MIN_ABANDON_BYTES, "read on and on");
        Ok(out.len())
    }
}

#[test]
fn a_line_without_end_is_given_up() {
    let mut reader = LineReader::new(Decompressor::new(Endless(b'x', 0)), LIMITS);
    let Some(Piece::Remainder(rest)) = reader.next_piece().unwrap() else { panic!() };
    assert_eq!((rest.line, rest.offset, rest.reason), (0, 0, Reason::LineTooLong));
    assert!(rest.length > MIN_ABANDON_BYTES && rest.detail.contains("MAX_LINE_BYTES"), "{}", rest.detail);
    assert!(reader.next_piece().unwrap().is_none());
    assert!(reader.buffer.capacity() <= 8192);
}

#[test]
fn damage_is_told_after_the_whole_lines() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all("0123456789\n".repeat(10_000).as_bytes()).unwrap();
    let mut stored = encoder.finish().unwrap();
    stored.truncate(stored.len() - 30);
    let pieces = pieces(&stored[..], LIMITS);
    let Some(Piece::Remainder(rest)) = pieces.last() else { panic!() };
    assert_eq!(rest.reason, Reason::Damaged);
    assert_eq!(told(&pieces).len() as u64, rest.line);
    assert_eq!(rest.offset, rest.line * 11);
    assert!(rest.line > 5_000);
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[test]
fn a_byte_order_mark_is_no_content_but_has_its_place() {
    let text = b"{\"a\":1}\n\n{\"b\":2}\n0123456789012345678901234567890123456789012345678901234567890\nend";
    let marked = [BYTE_ORDER_MARK, text].concat();
    for parts in [vec![1], vec![2], vec![3, 1], vec![4], vec![1 << 20]] {
        for limits in [LIMITS, ReadLimits { chunk_bytes: 1, ..LIMITS }] {
            let slow = Slow { bytes: &marked, parts: parts.iter().copied().cycle() };
            let moved = |(line, offset, told)| (line, offset + BYTE_ORDER_MARK.len() as u64, told);
            let expected: Vec<_> = expected(text, 50).into_iter().map(moved).collect();
            assert_eq!(told(&pieces(slow, limits)), expected, "{parts:?}");
        }
    }
    assert!(pieces(BYTE_ORDER_MARK, LIMITS).is_empty(), "it is nothing by itself");
    // Elsewhere it is what it is; so is a part of one.
    for other in
        [[b"x", BYTE_ORDER_MARK].concat(), BYTE_ORDER_MARK[..2].to_vec(), [&BYTE_ORDER_MARK[..2], b"x"].concat()]
    {
        assert_eq!(told(&pieces(&other[..], LIMITS)), expected(&other, 50));
    }
    assert_eq!(
        told(&pieces(&[BYTE_ORDER_MARK, BYTE_ORDER_MARK].concat()[..], LIMITS)),
        [(0, 3, Ok(BYTE_ORDER_MARK.to_vec()))],
        "one is enough"
    );
}

#[test]
fn a_marked_line_that_is_too_long_or_cut_begins_after_its_mark() {
    let long = [BYTE_ORDER_MARK, &[b'x'; 100], b"\n1"].concat();
    assert_eq!(told(&pieces(&long[..], LIMITS)), [(0, 3, Err(100)), (1, 104, Ok(b"1".to_vec()))]);
    let limits = ReadLimits { max_object_bytes: 10, ..LIMITS };
    let Some(Piece::Remainder(rest)) = pieces(&long[..], limits).pop() else { panic!("no rest") };
    assert_eq!((rest.line, rest.offset, rest.length, rest.partial), (0, 3, 7, true));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_follows_the_last_member_is_told_after_whole_lines() {
    let long = vec![b'y'; 100];
    for (content, line) in [(&b"a\nb\n"[..], 2), (b"a\nb", 2), (b"", 0), (&long, 1), (&[b"a\n", &long[..]].concat(), 2)]
    {
        let before = [gzip(content), b"\0\n".to_vec()].concat();
        let stored = [&before[..], b"{\"plain\":1}\n"].concat();
        let pieces = pieces(&stored[..], LIMITS);
        assert_eq!(told(&pieces), expected(content, 50), "the last line is whole");
        let Some(Piece::Remainder(rest)) = pieces.last() else { panic!("no rest") };
        assert_eq!((rest.line, rest.offset, rest.length, rest.partial), (line, content.len() as u64, 0, false));
        assert_eq!((rest.stored_from, &rest.head[..]), (Some(before.len() as u64), &b"{\"plain\":1}\n"[..]));
        assert_eq!(rest.reason, Reason::Damaged);
        assert!(rest.detail.contains(&before.len().to_string()), "{}", rest.detail);
    }
}

#[test]
fn no_more_is_held_than_a_line_may_have() {
    let limits = ReadLimits { chunk_bytes: 8192, max_line_bytes: 3 << 20, max_object_bytes: 0 };
    let mut most = 0;
    // In reads that are seen in between.
    let slow = Slow { bytes: &vec![b'x'; 20 << 20], parts: std::iter::repeat(100_000) };
    let mut reader = LineReader::new(Decompressor::new(slow), limits);
    while !reader.ended {
        reader.read_more().unwrap();
        most = most.max(reader.buffer.capacity());
    }
    assert!(most <= limits.max_line_bytes + 1, "{most}");
    // What a line may have, a line has.
    let line = [vec![b'x'; limits.max_line_bytes], b"\nnext".to_vec()].concat();
    assert_eq!(told(&pieces(&line[..], limits)), expected(&line, limits.max_line_bytes));
}

#[test]
fn what_it_looks_like_is_judged_by_its_beginning() {
    let looks = |bytes: &[u8]| {
        let mut reader = LineReader::new(Decompressor::new(bytes), LIMITS);
        while reader.next_piece().unwrap().is_some() {}
        reader.looks_like()
    };
    assert_eq!(looks(&gzip(&gzip(b"{}"))), Some("gzip within gzip"));
    assert_eq!(looks(&gzip(b"{}")), None);
    assert_eq!(looks(&[BYTE_ORDER_MARK, b"{}"].concat()), None);
    assert_eq!(looks(&vec![b'x'; 10_000]), None);
    assert_eq!(looks(b""), None);
}
