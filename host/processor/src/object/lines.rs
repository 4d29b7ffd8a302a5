//! Chunks of whole lines, the unit of accounting: numbered from 0 over the decompressed
//! object, blank lines included. Memory is bounded by a chunk and a line.

use std::collections::VecDeque;
use std::io::Read;

use super::decompress::{Decompressor, ReadError};
use super::piece::{Chunk, Piece, ReadLimits, Remainder};
use super::sniff::looks_like;
use crate::memory::SHORT_BYTES;
use model::Reason;

/// UTF-8's byte order mark. Before the first line it is no content: no JSON parser should trip
/// over it. Offsets count it.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// The size from which a line's buffer gets at once all the room that a line may have.
/// Untouched memory costs nothing; growing means copying, with both copies there.
const LARGE_LINE_BYTES: usize = 1024 * 1024;

/// The most bytes that are kept of something too long or damaged.
const HEAD_BYTES: usize = 4 * 1024;

/// A line of this many times MAX_LINE_BYTES isn't searched for its end: that is no log but a
/// bomb. MAX_LINE_BYTES may be small and a log's lines longer; the lines after them must not
/// be lost, hence the minimum.
const ABANDON_FACTOR: u64 = 64;
const MIN_ABANDON_BYTES: u64 = 64 * 1024 * 1024;

/// How reading an object ends.
enum ReadEnd {
    /// Reading ends with the object.
    Whole,
    /// Reading ends early, somewhere within a line.
    Cut(Reason, String),
    /// Reading ends with the last gzip member; other bytes follow, from `stored_from` on in
    /// the stored object.
    Tail { detail: String, stored_from: u64, head: Vec<u8> },
}

/// A line that is too long, while its end is searched.
struct LongLine {
    offset: u64,
    length: u64,
    head: Vec<u8>,
}

/// Reads an object piece by piece.
pub struct LineReader<R> {
    source: Decompressor<R>,
    limits: ReadLimits,
    /// Bytes from a line's first byte on; what follows the last newline is the open line.
    buffer: Vec<u8>,
    filled: usize,
    /// The fill level at which the buffer is split into lines. Only the content may decide
    /// where chunks end, not how much each read returns: otherwise a component would get other
    /// chunks at another attempt.
    fill_target: usize,
    /// The offset in `buffer` before which there is no newline.
    scanned: usize,
    /// Offset of `buffer` in the decompressed object.
    offset: u64,
    line: u64,
    long: Option<LongLine>,
    /// A recycled buffer.
    spare: Vec<u8>,
    ready: VecDeque<Piece>,
    /// Whether the byte order mark was looked for.
    mark_checked: bool,
    /// The kind of content that the beginning looks like, if it isn't a log; outer `None`:
    /// nothing was read yet.
    looks_like: Option<Option<&'static str>>,
    ended: bool,
    /// Called before a long line takes memory.
    claim: Option<ClaimLine>,
}

/// Claims the memory of the longest line, or fails.
type ClaimLine = Box<dyn FnMut() -> std::io::Result<()> + Send>;

impl<R: Read> LineReader<R> {
    /// Reads from `source`.
    pub fn new(source: Decompressor<R>, limits: ReadLimits) -> Self {
        Self {
            source,
            limits,
            buffer: Vec::new(),
            filled: 0,
            fill_target: read_size(limits),
            scanned: 0,
            offset: 0,
            line: 0,
            long: None,
            spare: Vec::new(),
            ready: VecDeque::new(),
            mark_checked: false,
            looks_like: None,
            ended: false,
            claim: None,
        }
    }

    /// Calls `claim` before more than `SHORT_BYTES` are taken for a line. If it fails, so does
    /// reading.
    #[must_use]
    pub fn with_claim(self, claim: impl FnMut() -> std::io::Result<()> + Send + 'static) -> Self {
        Self { claim: Some(Box::new(claim)), ..self }
    }

    /// The kind of content that the object's first bytes look like, if they are known and no
    /// log. Only error texts use it.
    pub fn looks_like(&self) -> Option<&'static str> {
        self.looks_like.flatten()
    }

    /// Takes a chunk's buffer back, so that the next needs no new one.
    pub fn recycle(&mut self, chunk: Chunk) {
        if chunk.bytes.capacity() <= self.limits.chunk_bytes.saturating_mul(2) {
            self.spare = chunk.bytes;
        }
    }

    /// Returns the next piece; `None` at the object's end.
    ///
    /// # Errors
    /// The source can't be read. Damage is no error but a [`Remainder`].
    pub fn next_piece(&mut self) -> std::io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more()?;
        }
    }

    /// Reads on, and queues whole lines when the buffer is full enough.
    fn read_more(&mut self) -> std::io::Result<()> {
        self.make_room()?;
        let spare = self.buffer.get_mut(self.filled..self.fill_target).unwrap_or_default();
        match self.source.read(spare) {
            Ok(0) => self.finish(ReadEnd::Whole),
            Ok(read) => {
                self.filled += read;
                self.strip_byte_order_mark();
                if self.truncate_at_limit() {
                    self.finish(ReadEnd::Cut(Reason::ObjectTooLarge, self.too_large()));
                } else if self.filled >= self.fill_target {
                    self.queue_whole_lines(false);
                    self.fill_target = self.next_fill_target();
                }
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(error) => {
                let detail = error.to_string();
                self.finish(match error {
                    ReadError::Tail { compressed_offset, head } => {
                        ReadEnd::Tail { detail, stored_from: compressed_offset, head }
                    }
                    _ => ReadEnd::Cut(Reason::Damaged, detail),
                });
            }
        }
        Ok(())
    }

    /// The next fill level: a line that didn't fit gets double the room, up to the size that
    /// shows that it is too long.
    fn next_fill_target(&self) -> usize {
        let read_size = read_size(self.limits);
        let most = self.limits.max_line_bytes.saturating_add(1);
        if self.filled < read_size { read_size } else { self.filled.saturating_mul(2).min(most).max(read_size) }
    }

    fn make_room(&mut self) -> std::io::Result<()> {
        if self.fill_target > SHORT_BYTES.max(read_size(self.limits))
            && self.fill_target > self.buffer.len()
            && let Some(claim) = &mut self.claim
        {
            claim()?;
        }
        if self.fill_target > LARGE_LINE_BYTES && self.fill_target > self.buffer.capacity() {
            let most = self.limits.max_line_bytes.saturating_add(1).max(self.fill_target);
            self.buffer.reserve_exact(most.saturating_sub(self.buffer.len()));
        }
        self.buffer.resize(self.fill_target.max(self.buffer.len()), 0);
        Ok(())
    }

    /// Removes a byte order mark at the object's beginning.
    fn strip_byte_order_mark(&mut self) {
        if self.mark_checked || self.filled < BYTE_ORDER_MARK.len() {
            return;
        }
        self.mark_checked = true;
        if self.buffer.starts_with(&BYTE_ORDER_MARK) {
            self.buffer.drain(..BYTE_ORDER_MARK.len());
            self.filled -= BYTE_ORDER_MARK.len();
            self.offset = BYTE_ORDER_MARK.len() as u64;
        }
    }

    fn too_large(&self) -> String {
        format!("the object has more than {} bytes decompressed (MAX_OBJECT_BYTES)", self.limits.max_object_bytes)
    }

    /// Drops what is over MAX_OBJECT_BYTES; returns whether there was any.
    fn truncate_at_limit(&mut self) -> bool {
        let max = self.limits.max_object_bytes;
        let read = self.offset + self.long.as_ref().map_or(0, |long| long.length) + self.filled as u64;
        if max == 0 || read <= max {
            return false;
        }
        let over = usize::try_from(read - max).unwrap_or(usize::MAX);
        self.filled = self.filled.saturating_sub(over);
        true
    }

    /// Queues the buffer's whole lines. `all`: the last line needs no newline.
    fn queue_whole_lines(&mut self, all: bool) {
        self.looks_like.get_or_insert_with(|| looks_like(self.buffer.get(..self.filled).unwrap_or_default()));
        if self.long.is_some() && !self.skip_long_line() {
            return;
        }
        let mut chunk = Chunk { first_line: self.line, offset: self.offset, ..Chunk::default() };
        let mut start = 0; // of the chunk
        let mut begin = 0; // of the line
        let from = self.scanned;
        let (buffer, filled) = (std::mem::take(&mut self.buffer), self.filled);
        let bytes = buffer.get(..filled).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()).map(|at| (from + at + 1, 1));
        let last = (all && bytes.last().is_some_and(|&byte| byte != b'\n')).then_some((filled, 0));
        for (end, newline) in newlines.chain(last) {
            let too_long = end - begin - newline > self.limits.max_line_bytes;
            if !chunk.ends.is_empty() && (too_long || end - start > self.limits.chunk_bytes) {
                self.queue(&mut chunk, bytes.get(start..begin).unwrap_or_default());
                start = begin;
            }
            if too_long {
                let line = bytes.get(begin..end - newline).unwrap_or_default();
                let head = line.get(..HEAD_BYTES).unwrap_or(line).to_vec();
                let offset = self.offset + begin as u64;
                self.ready.push_back(Piece::TooLong {
                    line: chunk.first_line,
                    offset,
                    length: line.len() as u64,
                    head,
                });
                start = end;
                chunk =
                    Chunk { first_line: chunk.first_line + 1, offset: self.offset + end as u64, ..Chunk::default() };
            } else {
                chunk.ends.push(end - start);
            }
            begin = end;
        }
        self.queue_last_chunk(buffer, chunk, start, begin);
        self.start_long_line();
    }

    /// Queues a copy of `bytes` as a chunk, and makes `chunk` the next one.
    fn queue(&mut self, chunk: &mut Chunk, bytes: &[u8]) {
        let next =
            Chunk { first_line: chunk.end_line(), offset: chunk.offset + bytes.len() as u64, ..Chunk::default() };
        let mut whole = std::mem::replace(chunk, next);
        whole.bytes = bytes.to_vec();
        self.ready.push_back(Piece::Chunk(whole));
    }

    /// Queues the last chunk (`start..begin`), without a copy where it is all
    /// that the buffer held, and keeps the line that is not whole.
    fn queue_last_chunk(&mut self, mut buffer: Vec<u8>, mut chunk: Chunk, start: usize, begin: usize) {
        let open = buffer.get(begin..self.filled).unwrap_or_default();
        self.line = chunk.end_line();
        self.offset += begin as u64;
        if begin == 0 {
            self.scanned = self.filled;
            self.buffer = buffer;
            return;
        }
        // The recycled buffer keeps its old bytes: zeroing it again would cost time.
        let mut next = std::mem::take(&mut self.spare);
        next.resize(next.len().max(open.len()), 0);
        next.iter_mut().zip(open).for_each(|(to, from)| *to = *from);
        (self.filled, self.scanned) = (open.len(), open.len());
        self.buffer = next;
        if !chunk.ends.is_empty() {
            buffer.truncate(begin);
            buffer.drain(..start);
            chunk.bytes = buffer;
            self.ready.push_back(Piece::Chunk(chunk));
        }
    }

    /// Starts to skip the open line if it can't end within the limit any more.
    fn start_long_line(&mut self) {
        if self.filled > self.limits.max_line_bytes {
            let head = self.buffer.get(..self.filled.min(HEAD_BYTES)).unwrap_or_default().to_vec();
            self.long = Some(LongLine { offset: self.offset, length: self.filled as u64, head });
            self.drop_buffer();
        }
    }

    fn drop_buffer(&mut self) {
        self.buffer.truncate(read_size(self.limits));
        self.buffer.shrink_to_fit();
        (self.filled, self.scanned) = (0, 0);
    }

    /// Skips to the end of a line that is too long; returns whether it was found.
    fn skip_long_line(&mut self) -> bool {
        let Some(long) = &mut self.long else { return true };
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', bytes) else {
            long.length += self.filled as u64;
            (self.filled, self.scanned) = (0, 0);
            let most = (self.limits.max_line_bytes as u64).saturating_mul(ABANDON_FACTOR).max(MIN_ABANDON_BYTES);
            if long.length > most {
                let detail = format!("no end of line within {most} bytes, far over MAX_LINE_BYTES: this is no log");
                self.give_up(Reason::LineTooLong, detail);
            }
            return false;
        };
        long.length += at as u64;
        self.finish_long_line();
        self.buffer.drain(..=at);
        self.filled -= at + 1;
        self.offset += 1; // its newline
        true
    }

    fn finish_long_line(&mut self) {
        if let Some(LongLine { offset, length, head }) = self.long.take() {
            self.ready.push_back(Piece::TooLong { line: self.line, offset, length, head });
            self.line += 1;
            self.offset = offset + length;
        }
    }

    fn finish(&mut self, end: ReadEnd) {
        self.queue_whole_lines(!matches!(end, ReadEnd::Cut(..)));
        if self.ended {
            return;
        }
        match end {
            ReadEnd::Cut(reason, detail) => return self.give_up(reason, detail),
            ReadEnd::Whole => self.finish_long_line(),
            ReadEnd::Tail { detail, stored_from, head } => {
                self.finish_long_line();
                self.ready.push_back(Piece::Remainder(Remainder {
                    line: self.line,
                    partial: false,
                    offset: self.offset,
                    length: 0,
                    reason: Reason::Damaged,
                    detail,
                    head,
                    stored_from: Some(stored_from),
                }));
            }
        }
        self.ended = true;
    }

    fn give_up(&mut self, reason: Reason, detail: String) {
        let long = self.long.take();
        let open = self.buffer.get(..self.filled).unwrap_or_default();
        let (offset, length, head) = match long {
            Some(LongLine { offset, length, head }) => (offset, length, head),
            None => (self.offset, open.len() as u64, open.get(..HEAD_BYTES).unwrap_or(open).to_vec()),
        };
        self.ready.push_back(Piece::Remainder(Remainder {
            line: self.line,
            partial: length > 0,
            offset,
            length,
            reason,
            detail,
            head,
            stored_from: None,
        }));
        self.ended = true;
    }
}

/// The number of bytes that are read before lines are searched.
fn read_size(limits: ReadLimits) -> usize {
    limits.chunk_bytes.max(4 * 1024)
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
