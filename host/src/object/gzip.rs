//! Gzip whose bytes depend on nothing but its content: no time, no name.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder, write::GzEncoder};

/// Compresses what is written, or passes it on as it is.
pub enum GzipWriter<W: Write> {
    /// Compressed.
    Gzip(Box<GzEncoder<W>>),
    /// As it is.
    Plain(W),
}

impl<W: Write> GzipWriter<W> {
    /// Compresses where the source was compressed.
    pub fn new(to: W, gzip: bool) -> Self {
        if !gzip {
            return Self::Plain(to);
        }
        Self::Gzip(Box::new(GzBuilder::new().mtime(0).write(to, Compression::default())))
    }

    /// Writes the end, and returns what was written to.
    ///
    /// # Errors
    /// Where the end can't be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Plain(to) => Ok(to),
        }
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Plain(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Plain(to) => to.flush(),
        }
    }
}
