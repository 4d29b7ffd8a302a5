//! Compact JSON as Go's `json.Marshal` writes it: keys sorted, duplicates
//! gone. Objects are indexed first, so that the text can be written in its new
//! order in one go, whatever the nesting; nothing here recurses.
//!
//! A long value is measured before: its index and its text then take no byte more than they
//! need, where vectors that double would take three times as much.

use std::cmp::Ordering;

use crate::scan::{Cursor, Span};
use crate::text::Length;
use crate::{number, text};

/// Bytes of a value from which on it is measured. Below, what is written is kept for the next.
pub(crate) const LONG: usize = 32 * 1024;

/// Writes `value`, which `scan` has accepted, as compact JSON; if it is an object, without its
/// members named in `without`. Returns the text if it is a long one; else it is in `scratch`.
pub(crate) fn compact(value: &[u8], without: &[&str], scratch: &mut Scratch) -> Option<String> {
    if value.len() < LONG {
        // The shortest member takes four bytes and a comma.
        scratch.index.clear(value.len() / 4);
        scratch.text.clear();
        write(value, without, &mut scratch.index, &mut scratch.text);
        return None;
    }
    let size = Size::of(value);
    let mut index = Index { members: Vec::new(), objects: Vec::with_capacity(size.objects + 1), ..Index::default() };
    index.members.reserve_exact(size.members);
    index.clear(size.members);
    let mut text = String::with_capacity(size.text);
    write(value, without, &mut index, &mut text);
    text.shrink_to_fit();
    Some(text)
}

fn write(value: &[u8], without: &[&str], index: &mut Index, out: &mut String) {
    index.fill(value, without);
    let mut writer = Writer { index, cursor: Cursor { text: value, pos: 0 }, object: 0, frames: Vec::new(), out };
    while writer.value() {}
}

/// What is used again for each value that isn't long.
#[derive(Default)]
pub(crate) struct Scratch {
    index: Index,
    /// The last text.
    pub(crate) text: String,
}

/// What a value comes to at most; the text is longer where members are dropped.
#[derive(Default)]
struct Size {
    members: usize,
    /// Objects that aren't empty.
    objects: usize,
    text: usize,
}

impl Size {
    fn of(value: &[u8]) -> Self {
        let (mut size, mut text) = (Self::default(), Length(0));
        let mut cursor = Cursor { text: value, pos: 0 };
        while let Some(byte) = cursor.token() {
            let start = cursor.pos;
            match byte {
                b'"' => match cursor.string() {
                    Ok(string) => text::write(string.inside(value), &mut text),
                    Err(_) => break,
                },
                b'{' | b'}' | b'[' | b']' | b':' | b',' => {
                    cursor.pos += 1;
                    text.0 += 1;
                    size.members += usize::from(byte == b':');
                    size.objects += usize::from(byte == b'{' && cursor.token() != Some(b'}'));
                }
                _ => {
                    if cursor.scalar(byte).is_err() {
                        break;
                    }
                    text.0 += number::most_bytes(value.get(start..cursor.pos).unwrap_or_default());
                }
            }
        }
        Self { text: text.0, ..size }
    }
}

/// A member of an object. Positions and not the value itself: there may be millions.
#[derive(Clone, Copy, Default)]
struct Member {
    /// The start of the key, at its quote; the value follows it.
    key: usize,
    /// Twice the length of the key with its quotes; and one, if it has escapes.
    length: usize,
    /// The first object behind the key.
    object: usize,
}

impl Member {
    fn new(key: Span, object: usize) -> Self {
        Self { key: key.start, length: (key.end - key.start) << 1 | usize::from(key.escaped), object }
    }

    fn key(&self) -> Span {
        Span { start: self.key, end: self.key + (self.length >> 1), escaped: self.length & 1 == 1 }
    }
}

/// An object that isn't empty. Objects are numbered as they open.
#[derive(Clone, Copy, Default)]
struct Object {
    /// The first of its members, sorted, in [`Index::members`].
    first: usize,
    last: usize,
    /// The position after it.
    end: usize,
    /// The first object after it and all that is in it.
    next: usize,
}

#[derive(Default)]
struct Index {
    /// From the front, the members of objects that are open, in the order of the text; from
    /// the back, those of objects that are closed, each object's sorted. As long as it may
    /// have to be; what is in between means nothing.
    members: Vec<Member>,
    /// How many there are of the first.
    open: usize,
    /// Where the others begin.
    closed: usize,
    objects: Vec<Object>,
}

/// A bracket that is open while the index is made.
enum Open {
    Array,
    Object {
        number: usize,
        /// The first of its members among those of open objects.
        from: usize,
    },
}

impl Index {
    /// Makes room for so many members.
    fn clear(&mut self, members: usize) {
        self.objects.clear();
        if self.members.len() < members {
            self.members.resize(members, Member::default());
        }
        (self.open, self.closed) = (0, self.members.len());
    }

    fn fill(&mut self, value: &[u8], without: &[&str]) {
        let mut open: Vec<Open> = Vec::new();
        let mut at_key = false;
        let mut cursor = Cursor { text: value, pos: 0 };
        while let Some(byte) = cursor.token() {
            if byte == b'"' {
                let Ok(string) = cursor.string() else { break };
                if at_key {
                    self.push(Member::new(string, self.objects.len()));
                    at_key = false;
                }
                continue;
            }
            cursor.pos += 1;
            match byte {
                b'{' => {
                    open.push(Open::Object { number: self.objects.len(), from: self.open });
                    self.objects.push(Object::default());
                    at_key = true;
                }
                b'[' => {
                    open.push(Open::Array);
                    at_key = false;
                }
                b',' => at_key = matches!(open.last(), Some(Open::Object { .. })),
                b'}' | b']' => {
                    at_key = false;
                    if let Some(Open::Object { number, from }) = open.pop() {
                        let drop: &[&str] = if open.is_empty() { without } else { &[] };
                        self.close(number, from, cursor, drop);
                    }
                }
                _ => {}
            }
        }
    }

    fn push(&mut self, member: Member) {
        if let Some(place) = self.members.get_mut(self.open) {
            *place = member;
            self.open += 1;
        }
    }

    /// Sorts the members of an object and moves them to those of closed objects.
    fn close(&mut self, number: usize, from: usize, cursor: Cursor<'_>, without: &[&str]) {
        let own = self.members.get_mut(from..self.open).unwrap_or_default();
        if own.is_empty() {
            // The writer sees by itself that it is empty, and is spared a
            // thick index of thin objects.
            self.objects.truncate(number);
            return;
        }
        // Of the same key the last stays: the text's order decides, without a stable sort's memory.
        own.sort_unstable_by(|a, b| order(a.key(), b.key(), cursor.text).then(a.key.cmp(&b.key)));
        let mut kept = 0;
        for at in 0..own.len() {
            let Some(&member) = own.get(at) else { break };
            let span = member.key();
            let again = own.get(at + 1).is_some_and(|next| order(span, next.key(), cursor.text).is_eq());
            let dropped = without.iter().any(|name| text::is_key(span.inside(cursor.text), span.escaped, name));
            if !again
                && !dropped
                && let Some(place) = own.get_mut(kept)
            {
                *place = member;
                kept += 1;
            }
        }
        let last = self.closed;
        self.closed = last.saturating_sub(kept);
        self.members.copy_within(from..from + kept, self.closed);
        self.open = from;
        let next = self.objects.len();
        if let Some(object) = self.objects.get_mut(number) {
            *object = Object { first: self.closed, last, end: cursor.pos, next };
        }
    }
}

/// The order of two keys by the UTF-8 bytes of what they mean.
fn order(a: Span, b: Span, text: &[u8]) -> Ordering {
    let (left, right) = (a.inside(text), b.inside(text));
    if a.escaped || b.escaped || !left.is_ascii() || !right.is_ascii() {
        text::chars(left).cmp(text::chars(right))
    } else {
        left.cmp(right)
    }
}

/// A bracket that is open while the text is written.
enum Frame {
    Array,
    Object {
        object: Object,
        /// The member that comes next.
        member: usize,
    },
}

struct Writer<'a> {
    index: &'a Index,
    cursor: Cursor<'a>,
    /// The first object at or after the cursor.
    object: usize,
    frames: Vec<Frame>,
    out: &'a mut String,
}

impl Writer<'_> {
    /// Writes the value at the cursor, or its opening bracket, and goes on to
    /// the next value; false when there is none.
    fn value(&mut self) -> bool {
        match self.cursor.token() {
            Some(b'{') => {
                self.cursor.pos += 1;
                self.out.push('{');
                if self.cursor.token() == Some(b'}') {
                    self.cursor.pos += 1;
                    self.out.push('}');
                } else if let Some(&object) = self.index.objects.get(self.object) {
                    let member = object.first;
                    self.frames.push(Frame::Object { object, member });
                }
            }
            Some(b'[') => {
                self.cursor.pos += 1;
                self.out.push('[');
                self.frames.push(Frame::Array);
                if self.cursor.token() != Some(b']') {
                    return true;
                }
            }
            Some(b'"') => match self.cursor.string() {
                Ok(string) => text::write(string.inside(self.cursor.text), self.out),
                Err(_) => return false,
            },
            Some(first) => {
                let start = self.cursor.pos;
                if self.cursor.scalar(first).is_err() {
                    return false;
                }
                let literal = self.cursor.text.get(start..self.cursor.pos);
                match (first, literal.unwrap_or_default()) {
                    (b't', _) => self.out.push_str("true"),
                    (b'f', _) => self.out.push_str("false"),
                    (b'n', _) => self.out.push_str("null"),
                    (_, number) => number::write(number, self.out),
                }
            }
            None => return false,
        }
        self.next()
    }

    /// Goes to the next value, closing the brackets before it.
    fn next(&mut self) -> bool {
        while let Some(frame) = self.frames.last_mut() {
            match frame {
                Frame::Array => {
                    let comma = self.cursor.token() == Some(b',');
                    self.cursor.pos += 1;
                    if comma {
                        self.out.push(',');
                        return true;
                    }
                    self.out.push(']');
                }
                Frame::Object { object, member } => {
                    let here = *member;
                    *member += 1;
                    if here < object.last
                        && let Some(to) = self.index.members.get(here)
                    {
                        if here > object.first {
                            self.out.push(',');
                        }
                        let key = to.key();
                        text::write(key.inside(self.cursor.text), self.out);
                        self.out.push(':');
                        self.cursor.pos = key.end;
                        // The colon.
                        let _ = self.cursor.token();
                        self.cursor.pos += 1;
                        self.object = to.object;
                        return true;
                    }
                    self.cursor.pos = object.end;
                    self.object = object.next;
                    self.out.push('}');
                }
            }
            self.frames.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same of a value that isn't long, and of one that is.
    fn compacted(value: &[u8], without: &[&str]) -> String {
        let mut scratch = Scratch::default();
        assert_eq!(compact(value, without, &mut scratch), None);
        let long = [value, &b" ".repeat(LONG)].concat();
        assert_eq!(compact(&long, without, &mut scratch).as_ref(), Some(&scratch.text));
        scratch.text
    }

    #[test]
    fn sorts_and_drops_duplicates() {
        for (value, expected) in [
            (r#"{"b":1,"a":{"d":[ ],"c":"<"}}"#, r#"{"a":{"c":"\u003c","d":[]},"b":1}"#),
            (r#"{"a":1,"a":{"x":2},"a":3}"#, r#"{"a":3}"#),
            (
                r#"[ {"b":{},"a":[{"z":1,"y":{ }},{"d":4,"c":3}]} , {"f":6,"e":{"h":1,"g":2}} ,[],{}]"#,
                r#"[{"a":[{"y":{},"z":1},{"c":3,"d":4}],"b":{}},{"e":{"g":2,"h":1},"f":6},[],{}]"#,
            ),
            (r#"{"z":[{"q":1}],"z":[{"p":2}],"a":{"k":{"m":1,"l":2}}}"#, r#"{"a":{"k":{"l":2,"m":1}},"z":[{"p":2}]}"#),
            (r#"{"\u0062":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#),
            (r#"{"😀":1,"｡":2,"\ud83d":3}"#, "{\"｡\":2,\"\u{fffd}\":3,\"😀\":1}"),
            (" [ 1.0 , true,null ] ", "[1,true,null]"),
            ("-0", "-0"),
            (r#"{"":{"":{"":[]}}}"#, r#"{"":{"":{"":[]}}}"#),
        ] {
            assert_eq!(compacted(value.as_bytes(), &[]), expected, "{value}");
        }
    }

    #[test]
    fn leaves_out_only_members_of_the_outermost_object() {
        let value = br#"{"b":{"a":1,"c":2},"\u0061":3,"a":4,"c":{"a":5}}"#;
        assert_eq!(compacted(value, &["a"]), r#"{"b":{"a":1,"c":2},"c":{"a":5}}"#);
        assert_eq!(compacted(br#"{"a":{"x":{}}}"#, &["a"]), "{}");
    }
}
