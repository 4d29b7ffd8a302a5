//! Gzip output that depends on nothing but its content: no time, no name.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder, write::GzEncoder};

/// A writer that compresses, or passes on. If nothing is written nothing comes out, not even a
/// gzip header.
pub enum GzipWriter<W: Write> {
    /// Compresses.
    Gzip(Box<GzEncoder<W>>),
    /// Passes on.
    Plain(W),
    /// Will compress, but nothing was written yet. (`None` only while the state changes.)
    Empty(Option<W>),
}

impl<W: Write> GzipWriter<W> {
    /// A writer that compresses if `gzip`, as the source was.
    pub fn new(to: W, gzip: bool) -> Self {
        if gzip { Self::Empty(Some(to)) } else { Self::Plain(to) }
    }

    /// Writes the end, and returns the inner writer.
    ///
    /// # Errors
    /// The end can't be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Plain(to) => Ok(to),
            Self::Empty(to) => to.ok_or_else(missing_writer),
        }
    }
}

fn missing_writer() -> io::Error {
    io::Error::other("a bug: the writer is gone")
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Plain(to) => to.write(bytes),
            Self::Empty(_) if bytes.is_empty() => Ok(0),
            Self::Empty(to) => {
                let to = to.take().ok_or_else(missing_writer)?;
                let mut encoder = Box::new(GzBuilder::new().mtime(0).write(to, Compression::default()));
                let written = encoder.write(bytes);
                *self = Self::Gzip(encoder);
                written
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Plain(to) => to.flush(),
            Self::Empty(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let compressed = |pieces: &[&str]| {
            let mut writer = GzipWriter::new(Vec::new(), true);
            pieces.iter().for_each(|piece| writer.write_all(piece.as_bytes()).unwrap());
            writer.finish().unwrap()
        };
        let bytes = compressed(&["one\n", "", "two\n"]);
        assert_eq!(bytes, compressed(&["one\ntwo\n"]));
        let mut text = String::new();
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        for gzip in [true, false] {
            let mut writer = GzipWriter::new(Vec::new(), gzip);
            writer.write_all(b"").unwrap();
            writer.flush().unwrap();
            assert!(writer.finish().unwrap().is_empty());
        }
    }
}
