//! Compact JSON as Go's `json.Marshal` writes it: keys sorted, duplicates
//! gone. Objects are indexed first, so that the text can be written in its new
//! order in one go, whatever the nesting; nothing here recurses.

use std::cmp::Ordering;

use crate::scan::{Cursor, Span};
use crate::{number, text};

/// Writes `value`, which `scan` has accepted, as compact JSON; if it is an object, without its
/// members named in `without`.
pub(crate) fn compact(value: &[u8], without: &[&str]) -> String {
    let index = Index::of(value, without);
    let mut writer = Writer {
        index: &index,
        cursor: Cursor { text: value, pos: 0 },
        object: 0,
        frames: Vec::new(),
        out: String::with_capacity(value.len()),
    };
    while writer.value() {}
    writer.out
}

/// A member of an object.
#[derive(Clone, Copy)]
struct Member {
    key: Span,
    /// The start of the value, perhaps after white space.
    value: usize,
    /// The first object at or after `value`.
    object: usize,
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
    members: Vec<Member>,
    objects: Vec<Object>,
}

/// A bracket that is open while the index is made.
enum Open {
    Array,
    Object {
        number: usize,
        /// The first of its members among those that wait.
        waiting: usize,
    },
}

impl Index {
    fn of(value: &[u8], without: &[&str]) -> Self {
        let mut index = Self::default();
        let mut waiting: Vec<Member> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut at_key = false;
        let mut cursor = Cursor { text: value, pos: 0 };
        while let Some(byte) = cursor.token() {
            if byte == b'"' {
                let Ok(string) = cursor.string() else { break };
                if at_key {
                    waiting.push(Member { key: string, value: 0, object: 0 });
                    at_key = false;
                }
                continue;
            }
            cursor.pos += 1;
            match byte {
                b'{' => {
                    open.push(Open::Object { number: index.objects.len(), waiting: waiting.len() });
                    index.objects.push(Object::default());
                    at_key = true;
                }
                b'[' => {
                    open.push(Open::Array);
                    at_key = false;
                }
                b':' => {
                    if let Some(member) = waiting.last_mut() {
                        member.value = cursor.pos;
                        member.object = index.objects.len();
                    }
                }
                b',' => at_key = matches!(open.last(), Some(Open::Object { .. })),
                b'}' | b']' => {
                    if let Some(Open::Object { number, waiting: from }) = open.pop() {
                        let drop: &[&str] = if open.is_empty() { without } else { &[] };
                        index.close(number, &mut waiting, from, cursor, drop);
                    }
                }
                _ => {}
            }
        }
        index
    }

    /// Moves the members of an object from those that wait to their place.
    fn close(&mut self, number: usize, waiting: &mut Vec<Member>, from: usize, cursor: Cursor<'_>, without: &[&str]) {
        let own = waiting.get_mut(from..).unwrap_or_default();
        if own.is_empty() {
            // The writer sees by itself that it is empty, and is spared a
            // thick index of thin objects.
            self.objects.truncate(number);
            return;
        }
        own.sort_by(|a, b| order(a.key, b.key, cursor.text));
        let first = self.members.len();
        let mut own = own.iter().peekable();
        while let Some(member) = own.next() {
            let again = own.peek().is_some_and(|next| order(member.key, next.key, cursor.text).is_eq());
            let key = member.key.inside(cursor.text);
            let dropped = without.iter().any(|name| text::is_key(key, member.key.escaped, name));
            if !again && !dropped {
                self.members.push(*member);
            }
        }
        waiting.truncate(from);
        let next = self.objects.len();
        if let Some(object) = self.objects.get_mut(number) {
            *object = Object { first, last: self.members.len(), end: cursor.pos, next };
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
    out: String,
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
                Ok(string) => text::write(string.inside(self.cursor.text), &mut self.out),
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
                    (_, number) => number::write(number, &mut self.out),
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
                        text::write(to.key.inside(self.cursor.text), &mut self.out);
                        self.out.push(':');
                        self.cursor.pos = to.value;
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
            assert_eq!(compact(value.as_bytes(), &[]), expected, "{value}");
        }
    }

    #[test]
    fn leaves_out_only_members_of_the_outermost_object() {
        let value = br#"{"b":{"a":1,"c":2},"\u0061":3,"a":4,"c":{"a":5}}"#;
        assert_eq!(compact(value, &["a"]), r#"{"b":{"a":1,"c":2},"c":{"a":5}}"#);
        assert_eq!(compact(br#"{"a":{"x":{}}}"#, &["a"]), "{}");
    }
}
