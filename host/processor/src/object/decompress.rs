//! Bytes as they were logged: gunzipped where the content is gzip, in any
//! number of members, else as they are. The name of an object only hints.
//!
//! Padding of any length may stand between and after members: zeros (a tape's or disk's
//! blocks) and white space (a shipper's newline after each member). Anything else that isn't a
//! member ends the content, and is reported.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Compressed bytes per read.
const INPUT_BYTES: usize = 64 * 1024;

/// The first bytes of a gzip member (RFC 1952, 2.3.1): ID1, ID2.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The most bytes that are kept of a tail: of what follows a member and isn't one.
const TAIL_BYTES: usize = 4 * 1024;

/// zlib's largest window: any gzip file fits.
const WINDOW_BITS: u8 = 15;

/// Whether content that begins with `head` is gzip.
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&GZIP_MAGIC)
}

/// Why the content ends early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source can't be read; it may be tried again.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The gzip stream is damaged or cut short, for good.
    #[error("the gzip stream {what} at compressed byte {compressed_offset}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// The offset in the stored object at which the damage was noticed.
        compressed_offset: u64,
    },
    /// A gzip member is followed by neither padding nor another member, for good. Everything
    /// before it is whole.
    #[error("bytes that are no gzip follow a gzip member, from compressed byte {compressed_offset} on")]
    Tail {
        /// The offset of the tail in the stored object.
        compressed_offset: u64,
        /// The tail's first bytes.
        head: Vec<u8>,
    },
}

enum DecompressState {
    /// Nothing was read yet.
    Start,
    Plain,
    /// The source is within a gzip member.
    Member(Box<Decompress>),
    /// The source is after a member.
    Between,
    /// The source is at bytes after a member that aren't gzip.
    Tail,
    Done,
}

/// A reader's content, decompressed.
pub struct Decompressor<R> {
    source: R,
    input: Vec<u8>,
    /// The range of `input` that was read and isn't used yet.
    unused: std::ops::Range<usize>,
    compressed_offset: u64,
    state: DecompressState,
    /// Damage that was found after good bytes; returned by the next call.
    pending_damage: Option<&'static str>,
}

impl<R: Read> Decompressor<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            input: vec![0; INPUT_BYTES],
            unused: 0..0,
            compressed_offset: 0,
            state: DecompressState::Start,
            pending_damage: None,
        }
    }

    /// Fills the beginning of `out`, which must not be empty. Returns 0 at the end.
    ///
    /// # Errors
    /// The source can't be read, is damaged, or has a tail that isn't gzip. All bytes before
    /// that were returned before.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            if let Some(what) = self.pending_damage {
                return Err(ReadError::Damaged { what, compressed_offset: self.compressed_offset });
            }
            match &mut self.state {
                DecompressState::Done => return Ok(0),
                DecompressState::Start => {
                    self.fill(GZIP_MAGIC.len())?;
                    self.state = if is_gzip(self.buffered()) { member() } else { DecompressState::Plain };
                }
                DecompressState::Plain => return self.copy(out),
                DecompressState::Member(_) => {
                    let read = self.inflate(out)?;
                    if read > 0 {
                        return Ok(read);
                    }
                }
                DecompressState::Between => {
                    self.skip_padding()?;
                    self.fill(GZIP_MAGIC.len())?;
                    self.state = match self.buffered() {
                        [] => DecompressState::Done,
                        next if is_gzip(next) => member(),
                        _ => DecompressState::Tail,
                    };
                }
                DecompressState::Tail => {
                    self.fill(TAIL_BYTES)?;
                    let tail = self.buffered();
                    let head = tail.get(..TAIL_BYTES).unwrap_or(tail).to_vec();
                    return Err(ReadError::Tail { compressed_offset: self.compressed_offset, head });
                }
            }
        }
    }

    /// Skips to the first byte that isn't padding, or to the end.
    fn skip_padding(&mut self) -> io::Result<()> {
        loop {
            self.fill(1)?;
            let padding = self.buffered().iter().take_while(|byte| is_padding(**byte)).count();
            self.unused.start += padding;
            self.compressed_offset += padding as u64;
            if padding == 0 || !self.unused.is_empty() {
                return Ok(());
            }
        }
    }

    /// Inflates into `out`. Returns 0 if the member ended, or if another call is needed.
    fn inflate(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        if self.unused.is_empty() {
            self.fill(1)?;
        }
        let at_end = self.unused.is_empty();
        let DecompressState::Member(member) = &mut self.state else { return Ok(0) };
        let input = self.input.get(self.unused.clone()).unwrap_or_default();
        let before = (member.total_in(), member.total_out());
        let result = member.decompress(input, out, FlushDecompress::None);
        let used = member.total_in() - before.0;
        let read = usize::try_from(member.total_out() - before.1).unwrap_or(usize::MAX);
        self.unused.start = self.unused.start.saturating_add(usize::try_from(used).unwrap_or(usize::MAX));
        self.compressed_offset += used;
        match result {
            Ok(Status::StreamEnd) => self.state = DecompressState::Between,
            Ok(_) if at_end && read == 0 => self.pending_damage = Some("ends too soon (truncated)"),
            Ok(_) => {}
            // Bytes that were inflated before the damage are good.
            Err(_) => self.pending_damage = Some("is damaged (bad deflate data or checksum)"),
        }
        Ok(read)
    }

    fn copy(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        let buffered = self.buffered();
        if buffered.is_empty() {
            return Ok(read_some(&mut self.source, out)?);
        }
        let count = buffered.len().min(out.len());
        for (to, from) in out.iter_mut().zip(buffered) {
            *to = *from;
        }
        self.unused.start += count;
        Ok(count)
    }

    fn buffered(&self) -> &[u8] {
        self.input.get(self.unused.clone()).unwrap_or_default()
    }

    /// Reads until at least `count` bytes are buffered, or the source ends.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        if self.unused.len() >= count {
            return Ok(());
        }
        self.input.copy_within(self.unused.clone(), 0);
        self.unused = 0..self.unused.len();
        while self.unused.len() < count {
            let spare = self.input.get_mut(self.unused.end..).unwrap_or_default();
            let read = read_some(&mut self.source, spare)?;
            if read == 0 {
                break;
            }
            self.unused.end += read;
        }
        Ok(())
    }
}

/// Whether a byte is padding: zero, or ASCII white space.
fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t'..=b'\r')
}

fn member() -> DecompressState {
    DecompressState::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)))
}

fn read_some(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
#[path = "decompress_tests.rs"]
mod tests;
