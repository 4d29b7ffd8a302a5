//! The form-encoding that S3's events have their keys in.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that are encoded: those that mean something else in the encoding, or could
/// be mistaken for it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Form-encodes a key. A space becomes `%20`, which all readers understand.
pub fn encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string()
}

/// Decodes a form-encoded key: `+` is a space, `%XX` a byte.
///
/// # Errors
/// A `%` without two hex digits (never taken literally: it would name another object), or
/// bytes that are no UTF-8.
pub(super) fn decode(encoded: &str) -> Result<String, &'static str> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("is not form-encoded: % without two hex digits"),
            },
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| "is not UTF-8 once decoded")
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_decoded_as_forms() {
        for (encoded, key) in [
            ("a/b/c.json.gz", "a/b/c.json.gz"),
            ("a+b", "a b"),
            ("a%20b", "a b"),
            ("a%2Bb", "a+b"),
            ("a%2fb%2Fc", "a/b/c"),
            ("M%C3%BCnchen", "München"),
            ("München", "München"),
            ("100%25", "100%"),
            ("%2525", "%25"),
            ("", ""),
        ] {
            assert_eq!(decode(encoded).as_deref(), Ok(key), "{encoded}");
        }
    }

    #[test]
    fn broken_escapes_and_bytes_are_refused() {
        for encoded in ["%", "a%", "a%2", "%zz", "%2", "%+1", "100%", "%%25", "%2é"] {
            assert_eq!(decode(encoded), Err("is not form-encoded: % without two hex digits"), "{encoded}");
        }
        for encoded in ["%FF", "a%C3", "%ED%A0%80"] {
            assert_eq!(decode(encoded), Err("is not UTF-8 once decoded"), "{encoded}");
        }
    }

    #[test]
    fn keys_are_encoded() {
        assert_eq!(encode("a/b c+d%é=.~-_"), "a/b%20c%2Bd%25%C3%A9%3D.~-_");
    }

    proptest! {
        #[test]
        fn any_key_comes_back(key in any::<String>()) {
            let encoded = encode(&key);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode(&encoded), Ok(key));
        }

        #[test]
        fn no_text_panics_it(text in "[a%+0-9A-Fé]{0,20}") {
            let _ = decode(&text);
        }
    }
}
