//! JSON as Go reads and writes it, as a tree: slow and plain on purpose.

use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Where and why no value was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// The byte that is impossible.
    pub(crate) at: usize,
    /// There was none: the text ended between tokens.
    pub(crate) ended: bool,
}

pub(crate) struct Parser<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) at: usize,
    /// Whether a newline is white space.
    pub(crate) newline: bool,
    pub(crate) depth: usize,
}

impl Parser<'_> {
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bad<T>(&self) -> Result<T, Stop> {
        let at = self.at.min(self.text.len().saturating_sub(1));
        Err(Stop { at, ended: false })
    }

    pub(crate) fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' if self.newline => self.at += 1,
                _ => break,
            }
        }
    }

    fn token(&mut self) -> Result<u8, Stop> {
        self.space();
        let at = self.at;
        self.peek().ok_or(Stop { at, ended: true })
    }

    pub(crate) fn value(&mut self) -> Result<Value, Stop> {
        match self.token()? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            _ => self.bad(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Stop>) -> Result<Value, Stop> {
        self.depth += 1;
        if self.depth > 10_000 {
            return self.bad();
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Stop> {
        let mut members = Vec::new();
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            if self.token()? != b'"' {
                return self.bad();
            }
            let key = self.string()?;
            if self.token()? != b':' {
                return self.bad();
            }
            self.at += 1;
            members.push((key, self.value()?));
            match self.token()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return self.bad(),
            }
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value, Stop> {
        let mut elements = Vec::new();
        if self.token()? == b']' {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            match self.token()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return self.bad(),
            }
        }
        self.at += 1;
        Ok(Value::Array(elements))
    }

    fn word(&mut self, word: &'static str) -> Result<Value, Stop> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return self.bad();
        }
        self.at += word.len();
        Ok(Value::Word(word))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.bad();
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<String, Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let literal = String::from_utf8(self.text[start..self.at].to_vec()).unwrap();
        if literal.parse::<f64>().unwrap().is_infinite() {
            self.at = start;
            return self.bad();
        }
        Ok(literal)
    }

    fn string(&mut self) -> Result<String, Stop> {
        let mut out = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None | Some(0..0x20) => return self.bad(),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => {
                    let (c, length) = rune(&self.text[self.at..]);
                    out.push(c);
                    self.at += length;
                }
            }
        }
        self.at += 1;
        Ok(out)
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let Some(first) = self.unit(self.at) else {
                    return self.bad();
                };
                self.at += 5;
                if (0xd800..0xdc00).contains(&first)
                    && self.peek() == Some(b'\\')
                    && let Some(second @ 0xdc00..0xe000) = self.unit(self.at + 1)
                {
                    self.at += 6;
                    let c = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(c).unwrap());
                }
                return Ok(char::from_u32(first).unwrap_or('\u{fffd}'));
            }
            _ => return self.bad(),
        };
        self.at += 1;
        Ok(simple)
    }

    /// The number behind the `u` at `at`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at + 1..at + 5)?;
        let plain = self.text[at] == b'u' && digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok()?;
        plain.then(|| u32::from_str_radix(digits, 16).unwrap())
    }
}

/// Go's utf8.DecodeRune.
pub(crate) fn rune(bytes: &[u8]) -> (char, usize) {
    for length in 1..=bytes.len().min(4) {
        if let Ok(text) = std::str::from_utf8(&bytes[..length]) {
            return (text.chars().next().unwrap(), length);
        }
    }
    ('\u{fffd}', 1)
}

pub(crate) fn compact(value: &Value) -> String {
    match value {
        Value::Word(word) => (*word).to_owned(),
        Value::Number(literal) => number(literal),
        Value::Text(text) => quote(text),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(compact).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Object(members) => {
            let last: BTreeMap<&String, &Value> = members.iter().map(|(k, v)| (k, v)).collect();
            let members: Vec<String> =
                last.iter().map(|(key, value)| format!("{}:{}", quote(key), compact(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                format!("\\u{:04x}", u32::from(c))
            }
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Lays out the shortest digits by hand.
fn number(literal: &str) -> String {
    if !literal.contains(['.', 'e', 'E']) {
        return literal.to_owned();
    }
    let float: f64 = literal.parse().unwrap();
    let sign = if float.is_sign_negative() { "-" } else { "" };
    // As short as can be, and then as near as can be, even where that's a tie.
    let shortest = format!("{:e}", float.abs());
    let decimals = shortest.split('e').next().unwrap().len().saturating_sub(2);
    let nearest = format!("{:.decimals$e}", float.abs());
    let is_same = nearest.parse::<f64>().unwrap() == float.abs();
    let text = if is_same { nearest } else { shortest };
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let digits: String = mantissa.chars().filter(|&c| c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap();
    if float == 0.0 {
        return format!("{sign}0");
    }
    if !(-6..21).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{}", exponent.abs());
    }
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap();
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap());
    if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= count {
        format!("{sign}{digits}{}", zeros(point - count))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap());
        format!("{sign}{whole}.{fraction}")
    }
}
