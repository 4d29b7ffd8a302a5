//! Guests' texts, as far as they are kept: bounded, and without what moves a cursor.

/// Longest text of a guest that is kept in an error or a note, in bytes.
pub(crate) const MAX_TEXT: usize = 512;

/// A guest's text as it can stand in an error: bounded, and in one line, without what
/// moves a terminal's cursor.
pub(crate) fn bounded(text: String) -> String {
    cut(text).replace(char::is_control, " ")
}

/// Cuts a guest's text to [`MAX_TEXT`] bytes at a character's boundary.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_s_text_is_one_line_of_bounded_length() {
        assert_eq!(bounded("a\nlevel=ERROR \u{1b}[2J\u{9b}b €".to_owned()), "a level=ERROR  [2J b €");
        let long = bounded("€".repeat(1_000));
        assert!(long.len() <= MAX_TEXT + "…".len() && long.ends_with("€…"), "{long}");
    }
}
