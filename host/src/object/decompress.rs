//! Bytes as they were logged: gunzipped where the content is gzip, in any
//! number of members, else as they are. The name of an object only hints.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Compressed bytes that are read at once.
const INPUT_BYTES: usize = 64 * 1024;

/// What a gzip member begins with (RFC 1952, 2.3.1): ID1, ID2.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// zlib's largest window: any gzip file fits.
const WINDOW_BITS: u8 = 15;

/// Whether content that begins with `head` is gzip.
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&GZIP_MAGIC)
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source can't be read; it may be tried again.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The gzip stream is damaged or cut short; it will always be.
    #[error("the gzip stream {what} at compressed byte {compressed_offset}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Bytes of the stored object before the damage was noticed.
        compressed_offset: u64,
    },
}

enum State {
    /// Nothing was read yet.
    Start,
    Plain,
    /// Within a gzip member.
    Member(Box<Decompress>),
    /// Between members.
    Between,
    Done,
}

/// A reader's content, decompressed.
pub struct Decompressor<R> {
    source: R,
    input: Vec<u8>,
    /// What of `input` is read and not yet used.
    unused: std::ops::Range<usize>,
    compressed_offset: u64,
    state: State,
    /// Found after bytes that were good; told at the next call.
    damage: Option<&'static str>,
    trailing: bool,
}

impl<R: Read> Decompressor<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            input: vec![0; INPUT_BYTES],
            unused: 0..0,
            compressed_offset: 0,
            state: State::Start,
            damage: None,
            trailing: false,
        }
    }

    /// Bytes follow the last gzip member; they are ignored.
    pub fn has_trailing_bytes(&self) -> bool {
        self.trailing
    }

    /// The source, for what must be asked of it after the last byte.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Fills the beginning of `out`, which must not be empty; 0: the end.
    ///
    /// # Errors
    /// Where the source can't be read or is damaged. All bytes before the
    /// damage were returned before.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            if let Some(what) = self.damage {
                return Err(ReadError::Damaged { what, compressed_offset: self.compressed_offset });
            }
            match &mut self.state {
                State::Done => return Ok(0),
                State::Start => {
                    self.fill(GZIP_MAGIC.len())?;
                    self.state = if is_gzip(self.buffered()) { member() } else { State::Plain };
                }
                State::Plain => return self.copy(out),
                State::Member(_) => {
                    let read = self.inflate(out)?;
                    if read > 0 {
                        return Ok(read);
                    }
                }
                State::Between => {
                    self.fill(GZIP_MAGIC.len())?;
                    if is_gzip(self.buffered()) {
                        self.state = member();
                    } else {
                        // Padding or a signature: as Go's reader, without its error.
                        self.trailing = !self.unused.is_empty();
                        self.state = State::Done;
                    }
                }
            }
        }
    }

    /// Inflates into `out`; 0: the member ended, or needs another round.
    fn inflate(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        if self.unused.is_empty() {
            self.fill(1)?;
        }
        let at_end = self.unused.is_empty();
        let State::Member(member) = &mut self.state else { return Ok(0) };
        let input = self.input.get(self.unused.clone()).unwrap_or_default();
        let before = (member.total_in(), member.total_out());
        let result = member.decompress(input, out, FlushDecompress::None);
        let used = member.total_in() - before.0;
        let read = usize::try_from(member.total_out() - before.1).unwrap_or(usize::MAX);
        self.unused.start = self.unused.start.saturating_add(usize::try_from(used).unwrap_or(usize::MAX));
        self.compressed_offset += used;
        match result {
            Ok(Status::StreamEnd) => self.state = State::Between,
            Ok(_) if at_end && read == 0 => self.damage = Some("ends too soon (truncated)"),
            Ok(_) => {}
            // What was inflated before the damage is good.
            Err(_) => self.damage = Some("is damaged (bad deflate data or checksum)"),
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

fn member() -> State {
    State::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)))
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
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// All bytes, and how it ended; in reads of `step` bytes, from a source
    /// that gives a few bytes at a time.
    fn all(stored: &[u8], step: usize) -> (Vec<u8>, Result<bool, ReadError>) {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let count = out.len().min(7);
                self.0.read(&mut out[..count])
            }
        }
        let mut decompressor = Decompressor::new(Slow(stored));
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; step]);
        loop {
            match decompressor.read(&mut buffer) {
                Ok(0) => return (bytes, Ok(decompressor.has_trailing_bytes())),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    fn text() -> Vec<u8> {
        let mut state = 1_u32;
        let mut word = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:x} ", state >> 12)
        };
        (0..20_000).flat_map(|_| word().into_bytes()).collect()
    }

    #[test]
    fn plain_bytes_stay_as_they_are() {
        for bytes in [&b""[..], b"\x1f", b"{}", b"\x1f\x8ax", &text()] {
            assert_eq!(all(bytes, 5).0, bytes);
        }
    }

    #[test]
    fn members_are_joined_and_what_follows_is_told() {
        let mut stored = gzip(b"one");
        stored.extend(gzip(b""));
        stored.extend(gzip(&text()));
        let whole = [b"one".to_vec(), text()].concat();
        for step in [1, 1000, 1 << 20] {
            let (bytes, end) = all(&stored, step);
            assert!(bytes == whole && !end.unwrap());
        }
        stored.extend(b"\0\0\0");
        let (bytes, end) = all(&stored, 4096);
        assert!(bytes == whole && end.unwrap());
    }

    #[test]
    fn a_cut_loses_nothing_before_it() {
        let (whole, stored) = (text(), gzip(&text()));
        for cut in [2, 3, 9, 10, 11, 100, stored.len() / 2, stored.len() - 9, stored.len() - 8, stored.len() - 1] {
            let (bytes, end) = all(&stored[..cut], 4096);
            assert!(whole.starts_with(&bytes));
            let Err(ReadError::Damaged { compressed_offset, .. }) = end else { panic!("cut at {cut}") };
            assert_eq!(compressed_offset, cut as u64);
            if cut >= stored.len() - 8 {
                assert_eq!(bytes, whole, "the trailer alone is missing");
            }
        }
        // Within a block, bytes come out up to the cut: no buffer is lost.
        let (half, _) = all(&stored[..stored.len() / 2], 1 << 20);
        assert!(half.len() > whole.len() / 3, "{} of {}", half.len(), whole.len());
    }

    #[test]
    fn a_bad_checksum_is_damage_after_the_last_byte() {
        let mut stored = gzip(&text());
        let crc = stored.len() - 6;
        stored[crc] ^= 1;
        let (bytes, end) = all(&stored, 4096);
        assert_eq!(bytes, text());
        assert!(matches!(end, Err(ReadError::Damaged { .. })));
    }

    #[test]
    fn a_flipped_bit_never_yields_wrong_success() {
        let (whole, stored) = (text(), gzip(&text()));
        for at in (0..stored.len()).step_by(97) {
            let mut broken = stored.clone();
            broken[at] ^= 0x10;
            let (bytes, end) = all(&broken, 10_000);
            assert!(end.is_err() || bytes == whole || !is_gzip(&broken), "at {at}");
        }
    }
}
