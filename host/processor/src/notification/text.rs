//! Texts as errors and messages may have them: bounded.

/// Bytes that are kept of `last_error`.
pub(super) const MAX_ERROR_BYTES: usize = 512;

/// The beginning of a text as an error shows it: quoted, escaped, 200 bytes of it.
pub(super) fn quote(text: &str) -> String {
    const MAX_BYTES: usize = 200;
    let end = text.floor_char_boundary(MAX_BYTES);
    let cut = if end < text.len() { "…" } else { "" };
    format!("{:?}{cut}", text.get(..end).unwrap_or_default())
}

/// An error's text as a message may carry it.
pub(crate) fn truncate_error(error: &str) -> String {
    error.get(..error.floor_char_boundary(MAX_ERROR_BYTES)).unwrap_or_default().to_owned()
}
