//! JSON strings at the speed of a copy: runs without escapes are copied whole.

/// The number of bytes that are scanned at once; a multiple of a vector register.
const CHUNK: usize = 32;

/// Appends `text` as a JSON string, quotes included. Only `"`, `\` and control
/// characters are escaped, as JSON asks.
pub(in crate::delivery) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let (chunks, rest) = text.as_bytes().as_chunks::<CHUNK>();
    for chunk in chunks {
        // Without a branch in the loop, the compiler vectorizes it.
        if chunk.iter().fold(false, |any, b| any | is_special(*b)) {
            push_bytes(out, chunk);
        } else {
            out.extend_from_slice(chunk);
        }
    }
    push_bytes(out, rest);
    out.push(b'"');
}

/// Appends a number.
pub(in crate::delivery) fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// A stretch with specials in it, eight bytes at a time: log messages that are JSON
/// themselves have one every few bytes, where a search for each would cost too much.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        push_word(out, u64::from_le_bytes(*word));
    }
    for byte in rest {
        if is_special(*byte) {
            push_escape(out, *byte);
        } else {
            out.push(*byte);
        }
    }
}

/// Eight bytes, the first in the lowest bits. A run is written as eight bytes, of
/// which what is too much is taken back: cheaper than a copy of a length not known.
fn push_word(out: &mut Vec<u8>, mut word: u64) {
    let mut specials = specials(word);
    let mut left = 8;
    while specials != 0 {
        let run = specials.trailing_zeros() / 8;
        push_run(out, word, run);
        // Two shifts, as one by 64 bits is none.
        word >>= run * 8;
        let [special, ..] = word.to_le_bytes();
        push_escape(out, special);
        word >>= 8;
        specials = specials >> (run * 8) >> 8;
        left -= run + 1;
    }
    push_run(out, word, left);
}

fn push_run(out: &mut Vec<u8>, word: u64, run: u32) {
    let end = out.len() + usize::try_from(run).unwrap_or(0);
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// The high bit of each byte that must be escaped.
fn specials(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * EACH;
    // Exact for every byte: no carry leaves its byte.
    let zeros = |w: u64| !(((w & LOW) + LOW) | w | LOW);
    let is = |byte: u8| zeros(word ^ (EACH * u64::from(byte)));
    zeros(word & (0xe0 * EACH)) | is(b'"') | is(b'\\')
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_of_one_byte_is_written_as_serde_does() {
        for byte in 0..0x80u8 {
            let text = format!("{}x", char::from(byte));
            assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn numbers() {
        let mut out = Vec::new();
        for n in [0, -1, i64::MIN, i64::MAX] {
            push_number(&mut out, n);
            out.push(b' ');
        }
        assert_eq!(out, b"0 -1 -9223372036854775808 9223372036854775807 ");
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_does(text in "(\\PC|[\\x00-\\x7f]|[a-z ]{40}){0,40}") {
            prop_assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
