//! The JSON grammar, as Go's `encoding/json` accepts it. No value is built:
//! the caller gets positions.
//!
//! A newline is never white space here: it ends the text like the end of the
//! slice does. So a [`Cursor`] may be given all that is left of a chunk and
//! still never leaves its line; values that stretch over lines are fed to a
//! [`Walk`] line by line.

use std::fmt;

use crate::number;
use crate::simd::plain_prefix;

/// Brackets that may be open at once.
const MAX_DEPTH: usize = 10_000;

/// Why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Value,
    Key,
    Colon,
    CommaOrClose,
    ControlInString,
    Escape,
    Number,
    Overflow,
    Depth,
    Incomplete,
    Trailing,
    Records,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "expected a value",
            Self::Key => "expected a key in quotes",
            Self::Colon => "expected a colon",
            Self::CommaOrClose => "expected a comma or the closing bracket",
            Self::ControlInString => "control character in a string",
            Self::Escape => "unknown escape in a string",
            Self::Number => "expected a digit",
            Self::Overflow => "number beyond float64",
            Self::Depth => "nested deeper than 10000",
            Self::Incomplete => "the line ends inside a value",
            Self::Trailing => "text after the value",
            Self::Records => "more than 2097152 records in one line",
        })
    }
}

/// A fault and the position where it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) fault: Fault,
    pub(crate) at: usize,
}

/// The span of a value, quotes and brackets included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// A string with a backslash in it.
    pub(crate) escaped: bool,
}

impl Span {
    /// The value itself.
    pub(crate) fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// The text between the quotes of a string.
    #[inline(always)]
    pub(crate) fn inside<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start + 1..self.end - 1).unwrap_or_default()
    }
}

/// A position in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) pos: usize,
}

impl Cursor<'_> {
    pub(crate) fn fault<T>(&self, fault: Fault) -> Result<T, Malformed> {
        Err(Malformed { fault, at: self.pos })
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    /// Passes over white space to the next byte, and looks at it; `None` at
    /// the end of the line.
    #[inline(always)]
    pub(crate) fn token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(byte) if byte > b' ' => return Some(byte),
                Some(b' ' | b'\t' | b'\r') => self.pos += 1,
                Some(b'\n') | None => return None,
                other => return other,
            }
        }
    }

    /// Reads a [token](Cursor::token) of a value that isn't complete yet.
    #[inline(always)]
    pub(crate) fn inner_token(&mut self) -> Result<u8, Malformed> {
        match self.token() {
            Some(byte) => Ok(byte),
            None => self.fault(Fault::Incomplete),
        }
    }

    #[inline(always)]
    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.pos += usize::from(is_next);
        is_next
    }

    /// Passes over the string whose opening quote is here.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Span, Malformed> {
        let mut span = Span { start: self.pos, ..Span::default() };
        self.pos += 1;
        loop {
            self.pos += plain_prefix(self.text.get(self.pos..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    span.end = self.pos;
                    return Ok(span);
                }
                Some(b'\\') => {
                    span.escaped = true;
                    self.escape()?;
                }
                Some(b'\n') | None => return self.fault(Fault::Incomplete),
                Some(_) => return self.fault(Fault::ControlInString),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let rest = self.text.get(self.pos + 1..).unwrap_or_default();
        self.pos += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|c| c.is_ascii_hexdigit()) => 6,
            _ => return self.fault(Fault::Escape),
        };
        Ok(())
    }

    /// Passes over the number that begins here, which must fit a float64.
    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.pos;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'-') || self.eat(b'+');
            self.digits()?;
        }
        let literal = self.text.get(start..self.pos).unwrap_or_default();
        if number::is_finite(literal) {
            Ok(())
        } else {
            self.pos = start;
            self.fault(Fault::Overflow)
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.pos;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
        }
        if self.pos == start {
            return self.fault(Fault::Number);
        }
        Ok(())
    }

    /// Passes over the value that begins here with `first`; it is no string
    /// and has no brackets.
    pub(crate) fn scalar(&mut self, first: u8) -> Result<(), Malformed> {
        let literal: &[u8] = match first {
            b'-' | b'0'..=b'9' => return self.number(),
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return self.fault(Fault::Value),
        };
        if !self.text.get(self.pos..).is_some_and(|rest| rest.starts_with(literal)) {
            return self.fault(Fault::Value);
        }
        self.pos += literal.len();
        Ok(())
    }
}

/// The tokens that may come next inside brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    FirstKey,
    Key,
    Colon,
    FirstElement,
    Value,
    CommaOrClose,
}

/// A way through one object or array, which may pause at the end of each line.
/// It keeps one bit for each open bracket, and so needs no stack of its own.
pub(crate) struct Walk {
    /// A bit for each depth: whether the bracket opened there is an object's.
    objects: [u64; MAX_DEPTH.div_ceil(64)],
    depth: usize,
    base: usize,
    expect: Expect,
}

impl Walk {
    pub(crate) fn new() -> Self {
        Self { objects: [0; MAX_DEPTH.div_ceil(64)], depth: 0, base: 0, expect: Expect::Value }
    }

    /// Gets ready for a value that stands inside `depth` open brackets.
    pub(crate) fn begin(&mut self, depth: usize) {
        self.depth = depth;
        self.base = depth;
        self.expect = Expect::Value;
    }

    /// Passes over an object or array that must be complete on this line.
    #[inline(always)]
    pub(crate) fn pass(&mut self, depth: usize, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        self.begin(depth);
        if self.feed(cursor)? { Ok(()) } else { cursor.fault(Fault::Incomplete) }
    }

    /// Goes on with the object or array that was begun: true at its end, false
    /// at the end of the line.
    ///
    /// # Errors
    /// Fails at the first byte after which no more text makes it a value.
    pub(crate) fn feed(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        let mut expect = self.expect;
        let mut in_object = self.innermost_is_object();
        loop {
            let Some(byte) = cursor.token() else {
                self.expect = expect;
                return Ok(false);
            };
            expect = match (expect, byte) {
                (Expect::Key | Expect::FirstKey, b'"') => {
                    cursor.string()?;
                    if cursor.eat(b':') { Expect::Value } else { Expect::Colon }
                }
                (Expect::Colon, b':') => {
                    cursor.pos += 1;
                    Expect::Value
                }
                (Expect::Value | Expect::FirstElement, b'"') => {
                    cursor.string()?;
                    Expect::CommaOrClose
                }
                (Expect::Value | Expect::FirstElement, b'{' | b'[') => {
                    in_object = byte == b'{';
                    self.open(in_object, cursor)?;
                    if in_object { Expect::FirstKey } else { Expect::FirstElement }
                }
                (Expect::CommaOrClose, b',') => {
                    cursor.pos += 1;
                    if in_object { Expect::Key } else { Expect::Value }
                }
                (Expect::CommaOrClose | Expect::FirstKey, b'}') if in_object => {
                    cursor.pos += 1;
                    if self.close() {
                        return Ok(true);
                    }
                    in_object = self.innermost_is_object();
                    Expect::CommaOrClose
                }
                (Expect::CommaOrClose | Expect::FirstElement, b']') if !in_object => {
                    cursor.pos += 1;
                    if self.close() {
                        return Ok(true);
                    }
                    in_object = self.innermost_is_object();
                    Expect::CommaOrClose
                }
                (Expect::Value | Expect::FirstElement, _) => {
                    cursor.scalar(byte)?;
                    Expect::CommaOrClose
                }
                (Expect::Key | Expect::FirstKey, _) => return cursor.fault(Fault::Key),
                (Expect::Colon, _) => return cursor.fault(Fault::Colon),
                (Expect::CommaOrClose, _) => return cursor.fault(Fault::CommaOrClose),
            };
        }
    }

    #[inline(always)]
    fn open(&mut self, is_object: bool, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        if self.depth >= MAX_DEPTH {
            return cursor.fault(Fault::Depth);
        }
        if let Some(word) = self.objects.get_mut(self.depth / 64) {
            let bit = self.depth % 64;
            *word = *word & !(1 << bit) | u64::from(is_object) << bit;
        }
        self.depth += 1;
        cursor.pos += 1;
        Ok(())
    }

    /// Closes the innermost bracket; true if it was the value's own.
    #[inline(always)]
    fn close(&mut self) -> bool {
        self.depth -= 1;
        self.depth == self.base
    }

    #[inline(always)]
    fn innermost_is_object(&self) -> bool {
        let innermost = self.depth.wrapping_sub(1);
        let word = self.objects.get(innermost / 64).copied().unwrap_or(0);
        word >> (innermost % 64) & 1 == 1
    }
}
