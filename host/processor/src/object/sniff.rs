//! Guesses at content that isn't lines of JSON. Only error texts use them.

/// First bytes, and the format that they belong to.
const SIGNATURES: [(&[u8], &str); 22] = [
    (b"\x1f\x8b", "gzip within gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\xff\x06\0\0sNaPpY", "Snappy"),
    (b"\x78\x01", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PAR1", "Parquet"),
    (b"Obj\x01", "Avro"),
    // Before UTF-16's mark, which is a prefix of this one.
    (b"\xff\xfe\0\0", "UTF-32 text"),
    (b"\0\0\xfe\xff", "UTF-32 text"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"{\0\0\0", "UTF-32 text"),
    (b"\0\0\0{", "UTF-32 text"),
    (b"{\0", "UTF-16 text"),
    (b"\0{", "UTF-16 text"),
    (b"\x1e{", "a JSON text sequence (RFC 7464)"),
];

/// Texts in the first line, and the format that they belong to.
const FIRST_LINE_MARKERS: [(&[u8], &str); 3] = [
    (b";chunk-signature=", "a signed upload in chunks (aws-chunked)"),
    (b" stdout F ", "a container's log as the kubelet keeps it (CRI)"),
    (b" stderr F ", "a container's log as the kubelet keeps it (CRI)"),
];

/// The number of bytes in which [`FIRST_LINE_MARKERS`] are searched.
const FIRST_BYTES: usize = 128;

/// Guesses the format of content that begins with `head`, if it is known and isn't lines of
/// JSON.
pub(super) fn looks_like(head: &[u8]) -> Option<&'static str> {
    let begins = SIGNATURES.iter().find(|(beginning, _)| head.starts_with(beginning));
    let first = head.get(..FIRST_BYTES).unwrap_or(head);
    let within = || FIRST_LINE_MARKERS.iter().find(|(part, _)| memchr::memmem::find(first, part).is_some());
    let named = begins.or_else(within).map(|(_, what)| *what);
    named.or_else(|| is_tar(head).then_some("a tar archive")).or_else(|| {
        let padding = head.iter().take_while(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r')).count();
        head.get(padding..)?.starts_with(b"\x1f\x8b").then_some("gzip that doesn't begin with its first byte")
    })
}

/// Whether content is a tar archive: a name, padded with zeros to 100 bytes, and a mode in
/// octal digits. POSIX archives have a magic number too, but older ones don't.
fn is_tar(head: &[u8]) -> bool {
    let (Some(name), Some(mode)) = (head.get(..100), head.get(100..107)) else { return false };
    let begins = name.first().is_some_and(|&byte| byte != 0) && name.ends_with(&[0]);
    begins && mode.iter().all(|byte| (b'0'..=b'7').contains(byte)) && matches!(head.get(107), Some(0 | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_named() {
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf32: Vec<u8> = "\u{feff}{}".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        let tar = [&b"a.json"[..], &[0; 94], b"0000644\0", &[0; 404]].concat();
        for (head, expected) in [
            (&b"\x1f\x8b\x08"[..], "gzip within gzip"),
            (b"\x28\xb5\x2f\xfd\0", "Zstandard"),
            (&utf16, "UTF-16 text"),
            (&utf16[2..], "UTF-16 text"),
            (&utf32, "UTF-32 text"),
            (b"40;chunk-signature=aa\r\n", "a signed upload in chunks (aws-chunked)"),
            (b"2024-07-02T12:40:06Z stdout F x", "a container's log as the kubelet keeps it (CRI)"),
            (&tar, "a tar archive"),
            (b"\n\0\x1f\x8b\x08", "gzip that doesn't begin with its first byte"),
        ] {
            assert_eq!(looks_like(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn lines_are_nothing_else() {
        let long = vec![b'x'; 600];
        for head in
            [&b""[..], b"{}", b"[", b"{\"message\":\"x\"}\n", b"\x1f", b"plain text\n", b"\xef\xbb\xbf{}", &long]
        {
            assert_eq!(looks_like(head), None, "{head:?}");
        }
    }
}
