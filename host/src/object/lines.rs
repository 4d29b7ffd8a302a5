//! Chunks of whole lines, numbered from 0 over the decompressed object, blank
//! ones included: the unit of account. Memory is bounded by a chunk and a line.

use std::collections::VecDeque;
use std::io::Read;

use super::decompress::{Decompressor, ReadError};
use crate::model::Reason;

/// Bytes kept of something that is too long or damaged.
const HEAD_BYTES: usize = 4 * 1024;

/// Lines of this many times MAX_LINE_BYTES are not searched for their end:
/// that is no log but a bomb. Where MAX_LINE_BYTES is small, so may a log's
/// lines be that are longer; the lines after them are not to be lost.
const HOPELESS: u64 = 64;
const LEAST_HOPELESS_BYTES: u64 = 64 * 1024 * 1024;

/// What bounds the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of whole lines in a chunk; a longer line makes a chunk of its own.
    pub chunk_bytes: usize,
    /// MAX_LINE_BYTES: longest line, without its newline.
    pub max_line_bytes: usize,
    /// MAX_OBJECT_BYTES, decompressed; 0: none.
    pub max_object_bytes: u64,
}

/// Whole lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Number of the first line.
    pub first_line: u64,
    /// Offset of the first byte in the decompressed object.
    pub offset: u64,
    /// The lines; each ends with a newline, but for the object's last.
    pub bytes: Vec<u8>,
    /// Where each line ends in `bytes`, its newline included.
    pub ends: Vec<usize>,
}

impl Chunk {
    /// The line after the last.
    pub fn end_line(&self) -> u64 {
        self.first_line + self.ends.len() as u64
    }

    /// A line without its newline, and its offset in the object.
    pub fn line(&self, number: u64) -> Option<(&[u8], u64)> {
        let index = usize::try_from(number.checked_sub(self.first_line)?).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let line = self.bytes.get(start..end)?;
        Some((line.strip_suffix(b"\n").unwrap_or(line), self.offset + start as u64))
    }

    /// Each line without its newline.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let line = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            line.strip_suffix(b"\n").unwrap_or(line)
        })
    }
}

/// The rest of an object, from where it can't be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Number of the line that is not whole.
    pub line: u64,
    /// Whether anything of that line was there: then it counts as a line.
    pub partial: bool,
    /// Where it begins in the decompressed object.
    pub offset: u64,
    /// Bytes of it that were read.
    pub length: u64,
    /// Why.
    pub reason: Reason,
    /// Why in words.
    pub detail: String,
    /// The first bytes of that line.
    pub head: Vec<u8>,
}

/// What an object is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Whole lines.
    Chunk(Chunk),
    /// A line over MAX_LINE_BYTES.
    TooLong {
        /// Its number.
        line: u64,
        /// Where it begins in the decompressed object.
        offset: u64,
        /// Its bytes.
        length: u64,
        /// The first of them.
        head: Vec<u8>,
    },
    /// The object ends here, before its end.
    Rest(Rest),
}

/// A line that is too long, on the way to its end.
struct Long {
    offset: u64,
    length: u64,
    head: Vec<u8>,
}

/// Reads an object as pieces.
pub struct LineReader<R> {
    source: Decompressor<R>,
    limits: ReadLimits,
    /// Begins with a line's first byte; the line after its last newline is open.
    buffer: Vec<u8>,
    filled: usize,
    /// The buffer is looked at when this much of it is filled: by the content alone,
    /// and not by how much each read brings, it is decided where chunks end. Else a
    /// component would be given other chunks at another attempt.
    wanted: usize,
    /// Before this, `buffer` holds no newline.
    scanned: usize,
    /// Offset of `buffer` in the decompressed object.
    offset: u64,
    line: u64,
    long: Option<Long>,
    /// A buffer that came back.
    spare: Vec<u8>,
    ready: VecDeque<Piece>,
    ended: bool,
}

impl<R: Read> LineReader<R> {
    /// Reads from `source`.
    pub fn new(source: Decompressor<R>, limits: ReadLimits) -> Self {
        Self {
            source,
            limits,
            buffer: Vec::new(),
            filled: 0,
            wanted: block(limits),
            scanned: 0,
            offset: 0,
            line: 0,
            long: None,
            spare: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// What it reads from.
    pub fn source(&self) -> &Decompressor<R> {
        &self.source
    }

    /// Takes a chunk's buffer back, so that the next needs no new one.
    pub fn recycle(&mut self, chunk: Chunk) {
        if chunk.bytes.capacity() <= self.limits.chunk_bytes.saturating_mul(2) {
            self.spare = chunk.bytes;
        }
    }

    /// The next piece; none: the end of the object.
    ///
    /// # Errors
    /// When the source can't be read; damage is no error but a [`Rest`].
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

    /// Reads on, and queues the whole lines when there is as much as is wanted.
    fn read_more(&mut self) -> std::io::Result<()> {
        self.buffer.resize(self.wanted.max(self.buffer.len()), 0);
        let spare = self.buffer.get_mut(self.filled..self.wanted).unwrap_or_default();
        match self.source.read(spare) {
            Ok(0) => self.finish(None),
            Ok(read) => {
                self.filled += read;
                if self.cut_object() {
                    self.finish(Some((Reason::ObjectTooLarge, self.too_large())));
                } else if self.filled >= self.wanted {
                    self.split(false);
                    // A line that didn't fit gets room to double, up to what a line may have.
                    let block = block(self.limits);
                    self.wanted = if self.filled < block { block } else { self.filled.saturating_mul(2) };
                }
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(damage) => self.finish(Some((Reason::Damaged, damage.to_string()))),
        }
        Ok(())
    }

    fn too_large(&self) -> String {
        format!("the object has more than {} bytes decompressed (MAX_OBJECT_BYTES)", self.limits.max_object_bytes)
    }

    /// Drops what is over MAX_OBJECT_BYTES; true: something was.
    fn cut_object(&mut self) -> bool {
        let max = self.limits.max_object_bytes;
        let read = self.offset + self.long.as_ref().map_or(0, |long| long.length) + self.filled as u64;
        if max == 0 || read <= max {
            return false;
        }
        let over = usize::try_from(read - max).unwrap_or(usize::MAX);
        self.filled = self.filled.saturating_sub(over);
        true
    }

    /// Queues the whole lines of the buffer; `all`: the last one needs no newline.
    fn split(&mut self, all: bool) {
        if self.long.is_some() && !self.skip_long() {
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
        self.hand_over(buffer, chunk, start, begin);
        self.look_for_long();
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
    fn hand_over(&mut self, mut buffer: Vec<u8>, mut chunk: Chunk, start: usize, begin: usize) {
        let open = buffer.get(begin..self.filled).unwrap_or_default();
        self.line = chunk.end_line();
        self.offset += begin as u64;
        if begin == 0 {
            self.scanned = self.filled;
            self.buffer = buffer;
            return;
        }
        // What is left of the last use stays: filling it again with zeros costs.
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

    /// Begins to skip the open line when it can't end within the limit any more.
    fn look_for_long(&mut self) {
        if self.filled > self.limits.max_line_bytes {
            let head = self.buffer.get(..self.filled.min(HEAD_BYTES)).unwrap_or_default().to_vec();
            self.long = Some(Long { offset: self.offset, length: self.filled as u64, head });
            self.drop_buffer();
        }
    }

    fn drop_buffer(&mut self) {
        self.buffer.truncate(block(self.limits));
        self.buffer.shrink_to_fit();
        (self.filled, self.scanned) = (0, 0);
    }

    /// Goes on to the end of a line that is too long; true: it was found.
    fn skip_long(&mut self) -> bool {
        let Some(long) = &mut self.long else { return true };
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', bytes) else {
            long.length += self.filled as u64;
            (self.filled, self.scanned) = (0, 0);
            let most = (self.limits.max_line_bytes as u64).saturating_mul(HOPELESS).max(LEAST_HOPELESS_BYTES);
            if long.length > most {
                let detail = format!("no end of line within {most} bytes, far over MAX_LINE_BYTES: this is no log");
                self.give_up(Reason::LineTooLong, detail);
            }
            return false;
        };
        long.length += at as u64;
        self.end_long();
        self.buffer.drain(..=at);
        self.filled -= at + 1;
        self.offset += 1; // its newline
        true
    }

    fn end_long(&mut self) {
        if let Some(Long { offset, length, head }) = self.long.take() {
            self.ready.push_back(Piece::TooLong { line: self.line, offset, length, head });
            self.line += 1;
            self.offset = offset + length;
        }
    }

    /// The source ended, with `cause` before its end.
    fn finish(&mut self, cause: Option<(Reason, String)>) {
        self.split(cause.is_none());
        match cause {
            _ if self.ended => {}
            None => self.end_long(),
            Some((reason, detail)) => self.give_up(reason, detail),
        }
        self.ended = true;
    }

    fn give_up(&mut self, reason: Reason, detail: String) {
        let long = self.long.take();
        let open = self.buffer.get(..self.filled).unwrap_or_default();
        let (offset, length, head) = match long {
            Some(Long { offset, length, head }) => (offset, length, head),
            None => (self.offset, open.len() as u64, open.get(..HEAD_BYTES).unwrap_or(open).to_vec()),
        };
        self.ready.push_back(Piece::Rest(Rest {
            line: self.line,
            partial: length > 0,
            offset,
            length,
            reason,
            detail,
            head,
        }));
        self.ended = true;
    }
}

/// Bytes that are read before lines are looked for.
fn block(limits: ReadLimits) -> usize {
    limits.chunk_bytes.max(4 * 1024)
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
