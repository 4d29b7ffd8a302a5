//! White space as Go's `strings.TrimSpace` sees it: Unicode's `White_Space`.

/// Whether `line` holds nothing but Unicode white space; bytes that are no
/// UTF-8 are not white space.
#[must_use]
pub fn is_blank(line: &[u8]) -> bool {
    trim_start(line).is_empty()
}

/// `line` without the white space before its first other character.
pub(crate) fn trim_start(line: &[u8]) -> &[u8] {
    let mut rest = line;
    loop {
        match rest {
            [b'!'..=b'~', ..] => return rest,
            [b' ' | b'\t'..=b'\r', after @ ..] => rest = after,
            _ => match (2..=3).find_map(|length| space_first(rest, length)) {
                Some(after) => rest = after,
                None => return rest,
            },
        }
    }
}

/// `line` without the white space at both ends.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let mut rest = trim_start(line);
    loop {
        match rest {
            [before @ .., b' ' | b'\t'..=b'\r'] => rest = before,
            _ => match (2..=3).find_map(|length| space_last(rest, length)) {
                Some(before) => rest = before,
                None => return rest,
            },
        }
    }
}

fn space_first(text: &[u8], length: usize) -> Option<&[u8]> {
    let (head, rest) = text.split_at_checked(length)?;
    is_space(head).then_some(rest)
}

fn space_last(text: &[u8], length: usize) -> Option<&[u8]> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(length)?)?;
    is_space(tail).then_some(rest)
}

/// Whether these bytes are exactly one white space character.
fn is_space(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let mut chars = text.chars();
        chars.next().is_some_and(char::is_whitespace) && chars.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_white_space_character_is_trimmed_and_no_other() {
        for c in '\0'..=char::MAX {
            let line = format!("{c}x{c}");
            let expected = if c.is_whitespace() { "x" } else { &line };
            assert_eq!(trim(line.as_bytes()), expected.as_bytes(), "{c:?}");
            assert_eq!(is_blank(c.to_string().as_bytes()), c.is_whitespace());
        }
    }

    #[test]
    fn invalid_bytes_are_not_blank() {
        assert!(is_blank(b""));
        assert!(is_blank(" \t\r\u{a0}\u{3000}\u{85}\n".as_bytes()));
        for line in [&b"\xc2"[..], b" \xe2\x80", b"\xa0", b"\x85 ", b"\x80\xa8"] {
            assert!(!is_blank(line), "{line:?}");
        }
        assert_eq!(trim(b" \xe2\x80 "), b"\xe2\x80");
    }
}
