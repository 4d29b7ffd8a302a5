//! Lines judged alone, each a value of its own: the usual case.

use crate::blank;
use crate::compact::Scratch;
use crate::found::{Copied, Counts, Findings, Message, Verdict};
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

/// Reasons that are told with their place, of lines that were held back for nothing: with more
/// they are all alike, so that they become few notes.
const MAX_REASONS: usize = 1 << 16;

/// Text from which on its events are counted before they are made: a list that has to grow
/// takes three times the memory. More than the host gives at once but for a single long line.
pub(crate) const LONG: usize = 512 * 1024;

/// Reads values of one object; made once, for its [`Walk`] is not small.
pub(crate) struct Reader {
    pub(crate) clock: Clock,
    pub(crate) numbers: Numbers,
    pub(crate) walk: Walk,
    scratch: Scratch,
    /// Whether lines that were held back are judged, and what they may still come to.
    held_back: Option<Left>,
}

/// What lines that were held back may come to, beyond which they would not fit into a guest's
/// memory.
struct Left {
    records: usize,
    reasons: usize,
}

impl Reader {
    pub(crate) fn new(clock: Clock) -> Self {
        let (numbers, walk, scratch) = (Numbers::default(), Walk::new(), Scratch::default());
        Self { clock, numbers, walk, scratch, held_back: None }
    }

    /// Judges each line of `text` alone; the first of them is number `line`.
    pub(crate) fn judge<'a, F: Findings<'a>>(&mut self, line: u64, text: &'a [u8], found: &mut F) {
        // An object is one event, however long it is.
        if text.len() >= LONG && blank::trim_start(text).first() != Some(&b'{') {
            self.reserve(line, text, found);
        }
        self.judge_each(line, text, found);
    }

    /// Makes room for what [`Reader::judge_each`] will find.
    fn reserve<'a, F: Findings<'a>>(&mut self, line: u64, text: &[u8], found: &mut F) {
        let mut counts = Counts::default();
        self.judge_each(line, text, &mut counts);
        found.reserve(counts.most_events, counts.notes);
    }

    /// Whether a line is a value by itself.
    pub(crate) fn is_value(&mut self, line: &[u8]) -> bool {
        let mut counts = Counts::default();
        self.judge_each(0, line, &mut counts);
        counts.notes == 0
    }

    fn judge_each<'a, F: Findings<'a>>(&mut self, line: u64, text: &'a [u8], found: &mut F) {
        let mut line = line;
        let mut rest = text;
        while !rest.is_empty() {
            let before = found.mark();
            let length = match self.line(line, rest, found) {
                Ok(length) => length,
                Err(malformed) => {
                    found.take_back(before);
                    self.again(line, rest, malformed, found)
                }
            };
            if let Some(left) = &mut self.held_back {
                left.records = left.records.saturating_sub(found.mark().events - before.events);
            }
            rest = rest.get(length..).unwrap_or_default();
            line += 1;
        }
    }

    /// [Judges](Reader::judge) text that was held back, and doesn't outlive its findings.
    pub(crate) fn judge_buffered<'a, F: Findings<'a>>(&mut self, line: u64, text: &[u8], found: &mut F) {
        let left = || Some(Left { records: MAX_RECORDS, reasons: MAX_REASONS });
        if text.len() >= LONG {
            self.held_back = left();
            self.reserve(line, text, found);
        }
        self.held_back = left();
        self.judge_each(line, text, &mut Copied(found));
        self.held_back = None;
    }

    /// Finds the events of the first line of `text`, and returns its length.
    #[inline(always)]
    fn line<'a, F: Findings<'a>>(&mut self, line: u64, text: &'a [u8], found: &mut F) -> Result<usize, Malformed> {
        let mut cursor = Cursor { text, pos: 0 };
        match cursor.token() {
            None => {}
            Some(b'{') => {
                let record = Record::read(&mut cursor, &mut self.walk, 0)?;
                if self.most_records() == 0 {
                    return cursor.fault(Fault::Records);
                }
                self.event(line, text, &record, found);
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
    fn elements<'a, F: Findings<'a>>(
        &mut self,
        line: u64,
        cursor: &mut Cursor<'a>,
        found: &mut F,
    ) -> Result<(), Malformed> {
        cursor.pos += 1;
        let mut first = cursor.inner_token()?;
        if first == b']' {
            cursor.pos += 1;
            return Ok(());
        }
        let mut records = 0;
        loop {
            if first == b'{' {
                let record = Record::read(cursor, &mut self.walk, 1)?;
                records += 1;
                if records > self.most_records() {
                    return cursor.fault(Fault::Records);
                }
                self.event(line, cursor.text, &record, found);
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

    /// The most records that a line may hold.
    #[inline(always)]
    fn most_records(&self) -> usize {
        self.held_back.as_ref().map_or(MAX_RECORDS, |left| left.records)
    }

    /// Why a line is no record.
    fn reason(&mut self, Malformed { fault, at }: Malformed) -> String {
        match &mut self.held_back {
            Some(Left { reasons: 0, .. }) => return "no record".to_owned(),
            Some(left) => left.reasons -= 1,
            None => {}
        }
        format!("{fault}, at byte {at} of the line")
    }

    /// Makes the event of a record.
    #[inline(always)]
    pub(crate) fn event<'a, F: Findings<'a>>(&mut self, line: u64, text: &'a [u8], record: &Record, found: &mut F) {
        if F::ONLY_COUNTS {
            return found.event(line, 0, Message::InLine(""));
        }
        let timestamp = record.timestamp(text, self.clock, self.numbers);
        found.event(line, timestamp, record.message(text, &mut self.scratch));
    }

    /// Gives a line that is no value a second chance without the white space
    /// that only Unicode knows, as the reference trims what it reads, and
    /// without a byte order mark. Returns the length of the line.
    #[cold]
    fn again<'a, F: Findings<'a>>(&mut self, line: u64, text: &'a [u8], malformed: Malformed, found: &mut F) -> usize {
        // No newline can stand before the fault.
        let after = text.get(malformed.at..).unwrap_or_default();
        let end = find(b'\n', after).map_or(text.len(), |at| malformed.at + at);
        let whole = trim_json(text.get(..end).unwrap_or_default());
        let trimmed = blank::trim(whole);
        let trimmed = trimmed.strip_prefix(MARK).unwrap_or(trimmed);
        let before = found.mark();
        if trimmed.len() == whole.len() || self.line(line, trimmed, found).is_err() {
            found.take_back(before);
            found.note(line, Verdict::Malformed(self.reason(malformed)));
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
