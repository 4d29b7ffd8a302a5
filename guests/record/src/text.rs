//! The inside of JSON strings, decoded as Go decodes it.

use std::str::Utf8Chunks;

use crate::simd::find;

/// What a decoded string is made of.
enum Piece<'a> {
    Text(&'a str),
    Char(char),
}

/// Decodes the inside of a string that `scan` has accepted. Lone surrogates
/// become U+FFFD, and so does each single byte that is no UTF-8: three for a
/// surrogate in UTF-8, where Rust's own lossy conversion may write fewer.
struct Pieces<'a> {
    run: Utf8Chunks<'a>,
    invalid: usize,
    rest: &'a [u8],
}

fn pieces(raw: &[u8]) -> Pieces<'_> {
    Pieces { run: [].utf8_chunks(), invalid: 0, rest: raw }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if let Some(left) = self.invalid.checked_sub(1) {
                self.invalid = left;
                return Some(Piece::Char(char::REPLACEMENT_CHARACTER));
            }
            if let Some(chunk) = self.run.next() {
                self.invalid = chunk.invalid().len();
                return Some(Piece::Text(chunk.valid()));
            }
            if let [b'\\', escape @ ..] = self.rest {
                let (decoded, rest) = unescape(escape);
                self.rest = rest;
                return Some(Piece::Char(decoded));
            }
            if self.rest.is_empty() {
                return None;
            }
            let end = find(b'\\', self.rest).unwrap_or(self.rest.len());
            let (run, rest) = self.rest.split_at_checked(end)?;
            self.run = run.utf8_chunks();
            self.rest = rest;
        }
    }
}

/// Decodes what follows a backslash, and returns what follows that.
fn unescape(escape: &[u8]) -> (char, &[u8]) {
    let (decoded, rest) = match escape {
        [b'u', rest @ ..] => return unicode(rest),
        [b'b', rest @ ..] => ('\u{8}', rest),
        [b'f', rest @ ..] => ('\u{c}', rest),
        [b'n', rest @ ..] => ('\n', rest),
        [b'r', rest @ ..] => ('\r', rest),
        [b't', rest @ ..] => ('\t', rest),
        [itself, rest @ ..] => (char::from(*itself), rest),
        [] => (char::REPLACEMENT_CHARACTER, escape),
    };
    (decoded, rest)
}

/// Decodes what follows `\u`. Only a high surrogate with a low one behind it
/// takes both; any other leaves what is behind it to be looked at again.
fn unicode(digits: &[u8]) -> (char, &[u8]) {
    let (first, rest) = code_unit(digits);
    if let [b'\\', b'u', second @ ..] = rest {
        let (second, after) = code_unit(second);
        if let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
            && u32::from(pair) > 0xffff
        {
            return (pair, after);
        }
    }
    let decoded = char::from_u32(u32::from(first));
    (decoded.unwrap_or(char::REPLACEMENT_CHARACTER), rest)
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

/// The decoded string.
pub(crate) fn decode(raw: &[u8]) -> String {
    let mut decoded = String::with_capacity(raw.len());
    for piece in pieces(raw) {
        match piece {
            Piece::Text(text) => decoded.push_str(text),
            Piece::Char(c) => decoded.push(c),
        }
    }
    decoded
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
pub(crate) fn write(raw: &[u8], out: &mut String) {
    out.push('"');
    for piece in pieces(raw) {
        match piece {
            Piece::Text(text) => write_text(text, out),
            Piece::Char(c) => write_char(c, out),
        }
    }
    out.push('"');
}

fn write_text(text: &str, out: &mut String) {
    for part in text.split_inclusive(is_escaped) {
        let mut chars = part.chars();
        match chars.next_back() {
            Some(last) if is_escaped(last) => {
                out.push_str(chars.as_str());
                write_char(last, out);
            }
            _ => out.push_str(part),
        }
    }
}

fn is_escaped(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn write_char(c: char, out: &mut String) {
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
                out.extend(char::from_digit(u32::from(c) >> shift & 0xf, 16));
            }
        }
        c => out.push(c),
    }
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
