//! The members of a JSON object, found and not parsed.

/// Walks over an object's members.
pub(crate) struct Members<'a> {
    line: &'a [u8],
    at: usize,
    first: bool,
}

/// A member: `"name": value`.
pub(crate) struct Member<'a> {
    /// As it is written, escapes and all, without quotes.
    pub(crate) name: &'a [u8],
    /// Name and value.
    pub(crate) whole: &'a [u8],
}

impl<'a> Members<'a> {
    /// None: the line is no object.
    pub(crate) fn of(line: &'a [u8]) -> Option<Self> {
        let mut members = Self { line, at: 0, first: true };
        members.expect(b'{')?;
        Some(members)
    }

    /// The next member, or none after the last. The outer none: it is no object.
    pub(crate) fn next(&mut self) -> Option<Option<Member<'a>>> {
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.blank();
            return (self.at == self.line.len()).then_some(None);
        }
        if !std::mem::take(&mut self.first) {
            self.expect(b',')?;
            self.blank();
        }
        let begin = self.at;
        self.string()?;
        let name = self.line.get(begin + 1..self.at - 1)?;
        self.expect(b':')?;
        self.value()?;
        Some(Some(Member { name, whole: self.line.get(begin..self.at)? }))
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.blank();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Over a string, from its opening quote.
    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            let rest = self.line.get(self.at..)?;
            let end = memchr::memchr2(b'"', b'\\', rest)?;
            self.at += end + 1;
            if rest.get(end) == Some(&b'"') {
                return Some(());
            }
            self.at += 1;
        }
    }

    /// Over a value: brackets are counted, what is between them is not looked at.
    fn value(&mut self) -> Option<()> {
        self.blank();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b'}' | b']' if depth == 0 => return Some(()),
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 && !matches!(self.peek()?, b'0'..=b'9' | b'a'..=b'z') {
                return Some(());
            }
        }
    }
}
