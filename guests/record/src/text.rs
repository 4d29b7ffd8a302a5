//! The inside of JSON strings, decoded as Go decodes it.

use std::str::Utf8Chunks;

use crate::simd::{BLOCK, plain_prefix, plain_run};

/// A piece of a decoded string.
enum Piece<'a> {
    Text(&'a str),
    Char(char),
}

/// Decodes the inside of a string that `scan` has accepted. Lone surrogates
/// become U+FFFD, and so does each single byte that is no UTF-8: three for a
/// surrogate in UTF-8, where Rust's own lossy conversion may write fewer.
struct Pieces<'a> {
    /// Valid, and not decoded yet. Escapes are ASCII, so none is torn.
    text: &'a str,
    /// Bytes behind `text` that are no UTF-8.
    invalid: usize,
    chunks: Utf8Chunks<'a>,
}

fn pieces(raw: &[u8]) -> Pieces<'_> {
    // Most strings are valid, and this way of finding it out is the fastest.
    let (text, rest) = match std::str::from_utf8(raw) {
        Ok(text) => (text, &[][..]),
        Err(_) => ("", raw),
    };
    Pieces { text, invalid: 0, chunks: rest.utf8_chunks() }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        while self.text.is_empty() {
            if let Some(left) = self.invalid.checked_sub(1) {
                self.invalid = left;
                return Some(Piece::Char(char::REPLACEMENT_CHARACTER));
            }
            let chunk = self.chunks.next()?;
            self.text = chunk.valid();
            self.invalid = chunk.invalid().len();
        }
        if let Some(escape) = self.text.strip_prefix('\\') {
            let (decoded, length) = unescape(escape.as_bytes());
            self.text = escape.get(length..).unwrap_or_default();
            return Some(Piece::Char(decoded));
        }
        // Nothing else in a string is special to `scan` than a backslash.
        let end = plain_prefix(self.text.as_bytes()).max(1);
        let (plain, rest) = self.text.split_at_checked(end).unwrap_or((self.text, ""));
        self.text = rest;
        Some(Piece::Text(plain))
    }
}

/// Decodes what follows a backslash, and tells how many bytes that are.
fn unescape(escape: &[u8]) -> (char, usize) {
    let decoded = match escape {
        [b'u', digits @ ..] => return unicode(digits),
        [b'b', ..] => '\u{8}',
        [b'f', ..] => '\u{c}',
        [b'n', ..] => '\n',
        [b'r', ..] => '\r',
        [b't', ..] => '\t',
        [itself, ..] => char::from(*itself),
        [] => char::REPLACEMENT_CHARACTER,
    };
    (decoded, 1)
}

/// Decodes what follows `\u`, which is counted too. Only a high surrogate with
/// a low one behind it takes both; any other leaves what is behind it to be
/// looked at again.
fn unicode(digits: &[u8]) -> (char, usize) {
    let (first, rest) = code_unit(digits);
    if let [b'\\', b'u', second @ ..] = rest {
        let (second, _) = code_unit(second);
        if let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
            && u32::from(pair) > 0xffff
        {
            return (pair, "uXXXX\\uXXXX".len());
        }
    }
    let decoded = char::from_u32(u32::from(first));
    let decoded = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
    (decoded, "uXXXX".len())
}

fn code_unit(text: &[u8]) -> (u16, &[u8]) {
    let (digits, rest) = text.split_at_checked(4).unwrap_or((text, &[]));
    let unit = digits.iter().fold(0, |unit, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => 0,
        };
        unit << 4 | u16::from(digit)
    });
    (unit, rest)
}

/// Where decoded text goes.
pub(crate) trait Out {
    fn push(&mut self, c: char);
    fn push_str(&mut self, text: &str);
}

impl Out for String {
    #[inline(always)]
    fn push(&mut self, c: char) {
        self.push(c);
    }

    #[inline(always)]
    fn push_str(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// The length that a text would have.
pub(crate) struct Length(pub(crate) usize);

impl Out for Length {
    fn push(&mut self, c: char) {
        self.0 += c.len_utf8();
    }

    fn push_str(&mut self, text: &str) {
        self.0 += text.len();
    }
}

/// The decoded string, in as much memory as it needs.
pub(crate) fn decode(raw: &[u8]) -> String {
    let mut decoded = String::new();
    decode_into(raw, &mut decoded);
    decoded.shrink_to_fit();
    decoded
}

/// Decodes the string in place of what `out` holds.
pub(crate) fn decode_into(raw: &[u8], out: &mut String) {
    let buffer = std::mem::take(out).into_bytes();
    *out = decode_valid(raw, buffer).unwrap_or_else(|| decode_any(raw));
}

/// The decoded string, if `raw` is UTF-8: escapes stand for whole characters,
/// so what is valid stays so, and what isn't does too.
fn decode_valid(raw: &[u8], mut decoded: Vec<u8>) -> Option<String> {
    decoded.clear();
    decoded.reserve_exact(raw.len() + BLOCK);
    let mut rest = raw;
    loop {
        // A whole block is copied, and what is special in it dropped again:
        // quicker than to copy as much as is plain.
        while let Some(block) = rest.first_chunk::<BLOCK>() {
            let run = plain_run(block);
            decoded.extend_from_slice(block);
            decoded.truncate(decoded.len() - (BLOCK - run));
            rest = rest.get(run..).unwrap_or_default();
            if run < BLOCK {
                break;
            }
        }
        match rest {
            [] => return String::from_utf8(decoded).ok(),
            [b'\\', escape @ ..] => {
                let (character, length) = unescape(escape);
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = escape.get(length..).unwrap_or_default();
            }
            [byte, after @ ..] => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
}

fn decode_any(raw: &[u8]) -> String {
    let mut length = Length(0);
    decode_pieces(raw, &mut length);
    let mut decoded = String::with_capacity(length.0);
    decode_pieces(raw, &mut decoded);
    decoded
}

fn decode_pieces(raw: &[u8], out: &mut impl Out) {
    for piece in pieces(raw) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Char(c) => out.push(c),
        }
    }
}

/// The characters of the decoded string, where it isn't worth an allocation.
/// Their order is the order of the UTF-8 bytes.
pub(crate) fn chars(raw: &[u8]) -> impl Iterator<Item = char> {
    pieces(raw).flat_map(|piece| {
        let (text, c) = match piece {
            Piece::Text(text) => (text, None),
            Piece::Char(c) => ("", Some(c)),
        };
        text.chars().chain(c)
    })
}

/// Writes the decoded string as Go writes JSON: in quotes, safe inside HTML.
pub(crate) fn write(raw: &[u8], out: &mut impl Out) {
    out.push('"');
    for piece in pieces(raw) {
        match piece {
            Piece::Text(text) => write_text(text, out),
            Piece::Char(c) => write_char(c, out),
        }
    }
    out.push('"');
}

fn write_text(text: &str, out: &mut impl Out) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(begins_escaped) {
        let (plain, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let mut chars = after.chars();
        out.push_str(plain);
        chars.by_ref().take(1).for_each(|c| write_char(c, out));
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// Whether a character that begins with `byte` may be escaped.
fn begins_escaped(byte: u8) -> bool {
    // U+2028 and U+2029 begin with 0xe2.
    matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

fn is_escaped(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn write_char(c: char, out: &mut impl Out) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_escaped(c) => {
            out.push_str("\\u");
            for shift in [12, 8, 4, 0] {
                out.push(char::from_digit(u32::from(c) >> shift & 0xf, 16).unwrap_or('0'));
            }
        }
        c => out.push(c),
    }
}

/// Whether the inside of a key's quotes means `name`.
#[inline(always)]
pub(crate) fn is_key(key: &[u8], escaped: bool, name: &str) -> bool {
    if escaped { chars(key).eq(name.chars()) } else { key == name.as_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_go() {
        for (raw, expected) in [
            (&b"plain"[..], "plain"),
            (br#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (br"a\u00e9\u4E2db", "aéb".replace('é', "é中").as_str()),
            (br"\ud83d\ude00", "😀"),
            (br"\uD83D", "\u{fffd}"),
            (br"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (br"\ud83d\u0041", "\u{fffd}A"),
            (br"\ud83d\n", "\u{fffd}\n"),
            (br"\u0041\u0042", "AB"),
            (b"\xe2\x82", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98x", "\u{fffd}\u{fffd}\u{fffd}x"),
            (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
            (b"\xe2\x82\\u0041", "\u{fffd}\u{fffd}A"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("é😀".as_bytes(), "é😀"),
        ] {
            assert_eq!(decode(raw), expected, "{raw:?}");
            assert_eq!(chars(raw).collect::<String>(), expected, "{raw:?}");
        }
    }

    #[test]
    fn writes_as_go() {
        let mut out = String::new();
        write("<b>&\u{2028}\\u2029\\\"\\\\\\/\\u0001\\b\u{7f}é".as_bytes(), &mut out);
        assert_eq!(out, "\"\\u003cb\\u003e\\u0026\\u2028\\u2029\\\"\\\\/\\u0001\\b\u{7f}é\"");
    }
}
