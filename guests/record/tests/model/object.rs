//! What must become of each line of a whole object: written from the contract,
//! with the whole object at hand.

use record::{Clock, Numbers};

use crate::json::{Parser, Stop, Value, compact, rune};

pub(crate) const CLOCK: Clock = Clock { now: 111_111_111, last_modified: 222_222_222 };

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Events(Vec<(i64, String)>),
    Joined,
    Malformed,
    Nothing,
}

const METADATA: [&str; 7] =
    ["cluster_id", "namespace", "application", "pod_name", "ingest_timestamp", "timestamp", "kubernetes"];

fn event(members: &[(String, Value)], numbers: Numbers) -> (i64, String) {
    let last = |name: &str| members.iter().rev().find(|(key, _)| key == name).map(|(_, v)| v);
    let time = match last("timestamp") {
        Some(Value::Text(text)) => rfc3339(text).unwrap_or(CLOCK.now),
        Some(Value::Number(literal)) => {
            let number: f64 = literal.parse().unwrap();
            let (times, over) = match numbers {
                Numbers::Magnitude if number > 1e18 => (1.0, 1e6),
                Numbers::Magnitude if number > 1e15 => (1.0, 1e3),
                _ if number > 1e12 => (1.0, 1.0),
                _ => (1e3, 1.0),
            };
            let whole = (number * times / over).trunc();
            let fits = number.abs().max(whole.abs()) < 2f64.powi(63);
            if fits { whole as i64 } else { CLOCK.now }
        }
        _ => CLOCK.now,
    };
    let message = match last("message") {
        Some(Value::Text(text)) => text.clone(),
        Some(value) => compact(value),
        None => {
            let rest = members.iter().filter(|(key, _)| !METADATA.contains(&key.as_str()));
            compact(&Value::Object(rest.cloned().collect()))
        }
    };
    (if time == 0 { CLOCK.last_modified } else { time }, message)
}

/// Milliseconds, by counting days one year and one month at a time.
pub(crate) fn rfc3339(text: &str) -> Option<i64> {
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>, most: i64| {
        let fits = lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let number: i64 = fits.then(|| part.parse().ok())??;
        (number <= most).then_some(number)
    };
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else { return None };
    let (clock, zone) = time.split_at(time.find(['Z', '+', '-'])?);
    let [hour, minute, second] = clock.split(':').collect::<Vec<_>>()[..] else { return None };
    let (second, fraction) = match second.split_once(['.', ',']) {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (second, None),
    };
    let (year, month) = (number(year, 4..=4, 9999)?, number(month, 2..=2, 12)?);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = |month: i64| match month {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = number(day, 2..=2, month_days(month))?;
    if day == 0 || month == 0 {
        return None;
    }
    let mut days: i64 = -719_528 + day - 1;
    days += (0..year).map(|year| 365 + i64::from(leap(year))).sum::<i64>();
    days += (1..month).map(month_days).sum::<i64>();
    let seconds = number(hour, 1..=2, 23)? * 3600 + number(minute, 2..=2, 59)? * 60 + number(second, 2..=2, 59)?;
    let milliseconds = match fraction {
        Some(fraction) => {
            number("0", 1..=1, 0)?;
            if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            format!("{fraction}000")[..3].parse().unwrap()
        }
        None => 0,
    };
    let east = if zone == "Z" {
        0
    } else {
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = zone.get(1..)?.split_once(':')?;
        if zone.starts_with('Z') {
            return None;
        }
        sign * (number(hours, 2..=2, 24)? * 60 + number(minutes, 2..=2, 60)?)
    };
    Some(((days * 86400) + seconds - east * 60) * 1000 + milliseconds)
}

pub(crate) fn is_blank(text: &[u8]) -> bool {
    trimmed(text).is_empty()
}

fn trimmed(text: &[u8]) -> &[u8] {
    let mut from = 0;
    while from < text.len() && rune(&text[from..]).0.is_whitespace() {
        from += rune(&text[from..]).1;
    }
    let mut to = text.len();
    'outer: while to > from {
        for length in 1..=3.min(to - from) {
            let (c, taken) = rune(&text[to - length..to]);
            if taken == length && c.is_whitespace() {
                to -= length;
                continue 'outer;
            }
        }
        break;
    }
    &text[from..to]
}

fn parser(text: &[u8], at: usize, depth: usize, newline: bool) -> Parser<'_> {
    Parser { text, at, newline, depth }
}

fn parse_line(line: &[u8]) -> Result<Value, Stop> {
    let mut parser = parser(line, 0, 0, false);
    let value = parser.value()?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(Stop { at: parser.at, ended: false }),
    }
}

/// A line judged alone.
fn alone(line: &[u8], numbers: Numbers) -> Outcome {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if is_blank(line) {
        return Outcome::Nothing;
    }
    let unmarked = trimmed(line).strip_prefix("\u{feff}".as_bytes());
    if unmarked.is_some_and(<[u8]>::is_empty) {
        return Outcome::Nothing;
    }
    let records = match parse_line(line).or_else(|_| parse_line(unmarked.unwrap_or(trimmed(line)))) {
        Err(_) => return Outcome::Malformed,
        Ok(Value::Array(elements)) => elements,
        Ok(value) => vec![value],
    };
    let events: Vec<_> = records
        .iter()
        .filter_map(|value| match value {
            Value::Object(members) => Some(event(members, numbers)),
            _ => None,
        })
        .collect();
    if events.is_empty() { Outcome::Nothing } else { Outcome::Events(events) }
}

pub(crate) fn object(input: &[u8], max: usize, numbers: Numbers) -> Vec<Outcome> {
    let lines: Vec<&[u8]> = input.split_inclusive(|&b| b == b'\n').collect();
    let all_alone: Vec<Outcome> = lines.iter().map(|line| alone(line, numbers)).collect();
    let Some(first) = lines.iter().position(|line| !is_blank(line)) else {
        return all_alone;
    };
    if all_alone[first] != Outcome::Malformed {
        return all_alone;
    }
    let before: usize = lines[..first].iter().map(|line| line.len()).sum();
    let text = &input[before..];
    let start = text.len() - {
        let mut rest = text;
        while rune(rest).0.is_whitespace() {
            rest = &rest[rune(rest).1..];
        }
        rest.len()
    };
    let across = match text[start] {
        b'{' => one(text, start, max, numbers),
        b'[' => Array::new(text, max, numbers).read(start),
        _ => None,
    };
    match across {
        Some(outcomes) => {
            let mut all = all_alone;
            for (line, outcome) in outcomes.into_iter().enumerate() {
                if let Some(outcome) = outcome {
                    all[first + line] = outcome;
                }
            }
            all
        }
        None => all_alone,
    }
}

/// For each line what it is across lines; None where it stands alone.
type Across = Option<Vec<Option<Outcome>>>;

fn one(text: &[u8], start: usize, max: usize, numbers: Numbers) -> Across {
    let mut parser = parser(text, start, 0, true);
    let Ok(Value::Object(members)) = parser.value() else { return None };
    if parser.at - start > max || !is_blank(&text[parser.at..]) {
        return None;
    }
    let lines = text.split_inclusive(|&b| b == b'\n');
    let mut outcomes: Vec<_> =
        lines.map(|line| Some(if is_blank(line) { Outcome::Nothing } else { Outcome::Joined })).collect();
    outcomes[0] = Some(Outcome::Events(vec![event(&members, numbers)]));
    // Behind the value only blank lines are left, and these are nothing.
    Some(outcomes)
}

#[derive(Clone, Default)]
struct Line {
    events: Vec<(i64, String)>,
    dropped: bool,
    too_long: bool,
    alone: bool,
}

struct Array<'a> {
    text: &'a [u8],
    max: usize,
    numbers: Numbers,
    /// The line of each byte.
    line_of: Vec<usize>,
    lines: Vec<Line>,
}

/// Where an array was given up.
struct Failure {
    /// First line to be judged alone.
    from: usize,
    /// The line of the impossible byte.
    at: usize,
}

impl<'a> Array<'a> {
    fn new(text: &'a [u8], max: usize, numbers: Numbers) -> Self {
        let mut line_of = Vec::new();
        let mut line = 0;
        for &byte in text {
            line_of.push(line);
            line += usize::from(byte == b'\n');
        }
        let count = line_of.last().unwrap() + 1;
        Self { text, max, numbers, line_of, lines: vec![Line::default(); count] }
    }

    fn read(mut self, start: usize) -> Across {
        let failure = self.elements(start);
        if let Some(failure) = failure {
            if failure.at == 0 {
                return None;
            }
            for line in &mut self.lines[failure.from..] {
                line.alone = true;
            }
        }
        let text = self.text;
        let lines = text.split_inclusive(|&b| b == b'\n').zip(self.lines);
        let outcomes = lines.map(|(text, line)| {
            if !line.events.is_empty() {
                Some(Outcome::Events(line.events))
            } else if line.alone {
                None
            } else if is_blank(text) {
                Some(Outcome::Nothing)
            } else if line.too_long {
                Some(Outcome::Malformed)
            } else if line.dropped {
                Some(Outcome::Nothing)
            } else {
                Some(Outcome::Joined)
            }
        });
        Some(outcomes.collect())
    }

    /// The first line has nothing to show yet and no element is open at its
    /// end: then the next line decides whether this is an array at all.
    fn opening(&mut self, from: usize, open_at_end: bool) {
        let first = &mut self.lines[0];
        let next = self.line_of.iter().zip(self.text);
        let next = next.filter(|(line, byte)| **line > 0 && !b" \t\r\n".contains(byte)).map(|(line, _)| *line).next();
        let undecided = next.is_none_or(|next| next == from);
        if undecided && !open_at_end && first.events.is_empty() && !first.too_long {
            first.alone = true;
        }
    }

    fn elements(&mut self, start: usize) -> Option<Failure> {
        let mut parser = parser(self.text, start + 1, 1, true);
        let last_line = self.lines.len() - 1;
        // Whether an element was open at the end of the first line.
        let mut open_at_end = false;
        let mut first = true;
        let mut comma = false;
        loop {
            parser.space();
            let Some(byte) = parser.peek() else {
                self.opening(usize::MAX, open_at_end);
                return None;
            };
            let here = self.line_of[parser.at];
            let fault = match (byte, comma) {
                (b',', true) => {
                    parser.at += 1;
                    comma = false;
                    continue;
                }
                (b']', _) if comma || first => {
                    let rest = &self.text[parser.at + 1..];
                    let rest = rest.split(|&b| b == b'\n').next().unwrap();
                    if is_blank(rest) {
                        for line in &mut self.lines[here + 1..] {
                            line.alone = true;
                        }
                        return None;
                    }
                    true
                }
                (_, true) => true,
                _ => false,
            };
            if fault {
                self.opening(here, open_at_end);
                return Some(Failure { from: here, at: here });
            }
            first = false;
            comma = true;
            let begin = parser.at;
            let result = parser.value();
            let stop = match &result {
                Ok(_) => parser.at - 1,
                Err(stop) if stop.ended => self.text.len() - 1,
                Err(stop) => stop.at,
            };
            let end_line = self.line_of[stop];
            if here == 0 && (end_line > 0 || result.as_ref().is_err_and(|stop| stop.ended)) {
                open_at_end = true;
            }
            match result {
                Ok(value) => {
                    if parser.at - begin > self.max {
                        for line in &mut self.lines[here..=end_line] {
                            line.too_long = true;
                        }
                    } else if let Value::Object(members) = &value {
                        self.lines[here].events.push(event(members, self.numbers));
                    }
                    if !matches!(value, Value::Object(_)) {
                        self.lines[here].dropped = true;
                    }
                }
                Err(stop) => {
                    let whole_lines = if stop.ended { last_line + 1 } else { end_line };
                    let too_long = (here..whole_lines).any(|line| {
                        let end = self.line_of.iter().filter(|&&other| other <= line).count();
                        end - begin >= self.max
                    });
                    // An element that fails on the line where it begins says
                    // nothing about the lines before.
                    if end_line == here && !stop.ended {
                        self.opening(here, open_at_end);
                    }
                    if too_long {
                        for line in &mut self.lines[here..whole_lines] {
                            line.too_long = true;
                        }
                        return Some(Failure { from: whole_lines, at: if stop.ended { usize::MAX } else { end_line } });
                    }
                    return Some(Failure { from: here, at: if stop.ended { usize::MAX } else { end_line } });
                }
            }
        }
    }
}
