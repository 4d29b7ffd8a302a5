//! One record: the members of an object that an event is made of.

use crate::compact::{LONG, Scratch, compact};
use crate::found::Message;
use crate::scan::{Cursor, Fault, Malformed, Span, Walk};
use crate::time::{self, Clock, Numbers};
use crate::{number, text};

/// Members that say where a record comes from; not part of a message.
const METADATA: [&str; 7] =
    ["cluster_id", "namespace", "application", "pod_name", "ingest_timestamp", "timestamp", "kubernetes"];

/// The positions of the members of a record that matter.
#[derive(Debug, Default)]
pub(crate) struct Record {
    whole: Span,
    message: Option<Span>,
    timestamp: Option<Span>,
}

impl Record {
    /// Passes over the object whose opening bracket is here, and which stands
    /// inside `depth` open ones.
    pub(crate) fn read(cursor: &mut Cursor<'_>, walk: &mut Walk, depth: usize) -> Result<Self, Malformed> {
        let mut record = Self::default();
        record.whole.start = cursor.pos;
        cursor.pos += 1;
        let mut byte = cursor.inner_token()?;
        if byte == b'}' {
            return Ok(record.end(cursor));
        }
        loop {
            if byte != b'"' {
                return cursor.fault(Fault::Key);
            }
            let key = cursor.string()?;
            if cursor.inner_token()? != b':' {
                return cursor.fault(Fault::Colon);
            }
            cursor.pos += 1;
            let value = value(cursor, walk, depth + 1)?;
            record.member(cursor.text, key, value);
            match cursor.inner_token()? {
                b',' => cursor.pos += 1,
                b'}' => return Ok(record.end(cursor)),
                _ => return cursor.fault(Fault::CommaOrClose),
            }
            byte = cursor.inner_token()?;
        }
    }

    /// All of a text of this length, as a message.
    pub(crate) fn of_any(length: usize) -> Self {
        Self { whole: Span { start: 0, end: length, escaped: false }, ..Self::default() }
    }

    #[inline(always)]
    fn member(&mut self, text: &[u8], key: Span, value: Span) {
        let name = key.inside(text);
        if text::is_key(name, key.escaped, "message") {
            self.message = Some(value);
        } else if text::is_key(name, key.escaped, "timestamp") {
            self.timestamp = Some(value);
        }
    }

    fn end(mut self, cursor: &mut Cursor<'_>) -> Self {
        cursor.pos += 1;
        self.whole.end = cursor.pos;
        self
    }

    /// The time of the event, in milliseconds since the Unix epoch.
    pub(crate) fn timestamp(&self, text: &[u8], clock: Clock, numbers: Numbers) -> i64 {
        let read = |span: &Span| match span.of(text) {
            [b'"', ..] if span.escaped => time::from_rfc3339(text::decode(span.inside(text)).as_bytes()),
            [b'"', ..] => time::from_rfc3339(span.inside(text)),
            literal @ [b'-' | b'0'..=b'9', ..] => time::from_number(number::value(literal), numbers),
            _ => None,
        };
        match self.timestamp.as_ref().and_then(read).unwrap_or(clock.now) {
            0 => clock.last_modified,
            timestamp => timestamp,
        }
    }

    /// The message of the event. What can't be borrowed from the record is in `scratch`, or its
    /// own if it is long.
    #[inline(always)]
    pub(crate) fn message<'a, 'b>(&self, text: &'a [u8], scratch: &'b mut Scratch) -> Message<'a, 'b> {
        let own = match &self.message {
            None => compact(self.whole.of(text), &METADATA, scratch),
            Some(span) if !span.of(text).starts_with(b"\"") => compact(span.of(text), &[], scratch),
            Some(span) => {
                let inside = span.inside(text);
                if !span.escaped
                    && let Ok(message) = std::str::from_utf8(inside)
                {
                    return Message::InLine(message);
                }
                if inside.len() < LONG {
                    text::decode_into(inside, &mut scratch.text);
                    None
                } else {
                    Some(text::decode(inside))
                }
            }
        };
        own.map_or_else(|| Message::Passing(&scratch.text), Message::Own)
    }
}

/// Passes over the value that comes next.
#[inline(always)]
pub(crate) fn value(cursor: &mut Cursor<'_>, walk: &mut Walk, depth: usize) -> Result<Span, Malformed> {
    let first = cursor.inner_token()?;
    let start = cursor.pos;
    match first {
        b'"' => return cursor.string(),
        b'{' | b'[' => walk.pass(depth, cursor)?,
        _ => cursor.scalar(first)?,
    }
    Ok(Span { start, end: cursor.pos, escaped: false })
}
