//! Lines judged alone, each a value of its own: the usual case.

use crate::blank;
use crate::found::{Event, Transformed, Verdict};
use crate::record::{Record, value};
use crate::scan::{Cursor, Fault, Malformed, Walk};
use crate::simd::find;
use crate::time::{Clock, Numbers};

/// UTF-8's byte order mark: before a line's value (files that were put one after the
/// other) it is no content.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Records that a line may hold: more, and they would not fit into a guest's
/// memory, which would fail the whole object again and again.
pub(crate) const MAX_RECORDS: usize = 1 << 21;

/// Reads values of one object; made once, for its [`Walk`] is not small.
pub(crate) struct Reader {
    pub(crate) clock: Clock,
    pub(crate) numbers: Numbers,
    pub(crate) walk: Walk,
}

impl Reader {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, numbers: Numbers::default(), walk: Walk::new() }
    }

    /// Judges each line of `text` alone; the first of them is number `line`.
    pub(crate) fn judge<'a>(&mut self, line: u64, text: &'a [u8], found: &mut Transformed<'a>) {
        let mut line = line;
        let mut rest = text;
        while !rest.is_empty() {
            let before = found.events.len();
            let length = match self.line(line, rest, found) {
                Ok(length) => length,
                Err(malformed) => {
                    found.events.truncate(before);
                    self.again(line, rest, malformed, found)
                }
            };
            rest = rest.get(length..).unwrap_or_default();
            line += 1;
        }
    }

    /// [Judges](Reader::judge) text that doesn't outlive its findings.
    pub(crate) fn judge_buffered(&mut self, line: u64, text: &[u8], found: &mut Transformed<'_>) {
        let mut alone = Transformed::default();
        self.judge(line, text, &mut alone);
        found.append(alone.into_owned());
    }

    /// Finds the events of the first line of `text`, and returns its length.
    #[inline(always)]
    fn line<'a>(&mut self, line: u64, text: &'a [u8], found: &mut Transformed<'a>) -> Result<usize, Malformed> {
        let mut cursor = Cursor { text, pos: 0 };
        match cursor.token() {
            None => {}
            Some(b'{') => {
                let record = Record::read(&mut cursor, &mut self.walk, 0)?;
                found.events.push(self.event(line, text, &record));
            }
            Some(b'[') => self.elements(line, &mut cursor, found)?,
            Some(_) => drop(value(&mut cursor, &mut self.walk, 0)?),
        }
        match cursor.token() {
            None => Ok(cursor.pos + 1),
            Some(_) => cursor.fault(Fault::Trailing),
        }
    }

    /// Finds the events of an array, all of which stands on one line.
    fn elements<'a>(
        &mut self,
        line: u64,
        cursor: &mut Cursor<'a>,
        found: &mut Transformed<'a>,
    ) -> Result<(), Malformed> {
        cursor.pos += 1;
        let mut first = cursor.inner_token()?;
        if first == b']' {
            cursor.pos += 1;
            return Ok(());
        }
        let before = found.events.len();
        loop {
            if first == b'{' {
                let record = Record::read(cursor, &mut self.walk, 1)?;
                found.events.push(self.event(line, cursor.text, &record));
                if found.events.len() - before > MAX_RECORDS {
                    return cursor.fault(Fault::Records);
                }
            } else {
                value(cursor, &mut self.walk, 1)?;
            }
            match cursor.inner_token()? {
                b',' => cursor.pos += 1,
                b']' => break,
                _ => return cursor.fault(Fault::CommaOrClose),
            }
            first = cursor.inner_token()?;
        }
        cursor.pos += 1;
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn event<'a>(&self, line: u64, text: &'a [u8], record: &Record) -> Event<'a> {
        Event { line, timestamp: record.timestamp(text, self.clock, self.numbers), message: record.message(text) }
    }

    /// Gives a line that is no value a second chance without the white space
    /// that only Unicode knows, as the reference trims what it reads, and
    /// without a byte order mark. Returns the length of the line.
    #[cold]
    fn again<'a>(&mut self, line: u64, text: &'a [u8], malformed: Malformed, found: &mut Transformed<'a>) -> usize {
        // No newline can stand before the fault.
        let after = text.get(malformed.at..).unwrap_or_default();
        let end = find(b'\n', after).map_or(text.len(), |at| malformed.at + at);
        let whole = trim_json(text.get(..end).unwrap_or_default());
        let trimmed = blank::trim(whole);
        let trimmed = trimmed.strip_prefix(MARK).unwrap_or(trimmed);
        let before = found.events.len();
        if trimmed.len() == whole.len() || self.line(line, trimmed, found).is_err() {
            found.events.truncate(before);
            let Malformed { fault, at } = malformed;
            let reason = format!("{fault}, at byte {at} of the line");
            found.note(line, Verdict::Malformed(reason));
        }
        end + 1
    }
}

/// `line` without the white space that JSON knows.
fn trim_json(line: &[u8]) -> &[u8] {
    let mut rest = line;
    while let [b' ' | b'\t' | b'\r', after @ ..] = rest {
        rest = after;
    }
    while let [before @ .., b' ' | b'\t' | b'\r'] = rest {
        rest = before;
    }
    rest
}
