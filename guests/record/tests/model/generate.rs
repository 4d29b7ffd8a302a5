//! Documents from a tape of choices, so that a shorter tape is a smaller
//! document and proptest can shrink it.

pub(crate) struct Tape<'a> {
    choices: &'a [u8],
    at: usize,
}

impl<'a> Tape<'a> {
    pub(crate) fn new(choices: &'a [u8]) -> Self {
        Self { choices, at: 0 }
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % limit
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.choices.len()
    }

    fn one_of<'b>(&mut self, options: &[&'b [u8]]) -> &'b [u8] {
        options[self.below(options.len())]
    }
}

const NUMBERS: [&str; 36] = [
    "0",
    "-0",
    "1",
    "-7",
    "1.0",
    "0.5",
    "-0.0",
    "1e3",
    "1E+2",
    "1e-7",
    "1e21",
    "1e20",
    "123456789.125",
    "9007199254740993",
    "100000000000000000001",
    "1795427940",
    "1795427940000",
    "1795427940000.75",
    "0.0004",
    "1e-400",
    "1e308",
    "5e-324",
    "4e26",
    "-4e26",
    "1000000000000",
    "1000000000001",
    "0.000001",
    "0.00000099",
    "-1.5",
    "999999999999.9999",
    // No numbers:
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "1e309",
];

const TIMES: [&str; 30] = [
    "2026-11-23T09:59:00Z",
    "2026-11-23T09:59:00.123456789Z",
    "2026-11-23T9:59:00,5+01:00",
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.9999Z",
    "0000-02-29T00:00:00-24:60",
    "2026-11-23T09:59:00+24:00",
    "2026-11-23T09:59:00+25:00",
    "2026-11-23T09:59:00-00:61",
    "2026-11-23t09:59:00Z",
    "2026-11-23T09:59:00z",
    "2026-11-23 09:59:00Z",
    "2026-11-23T09:59:00",
    "2026-11-23T09:59:60Z",
    "2026-11-23T24:00:00Z",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2026-11-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-23T09:59:00.Z",
    "2026-11-23T09:59:00.5",
    "2026-11-23T09:59:00+0100",
    "2026-11-23T09:59:00Z ",
    "9999-12-31T23:59:59.999999999Z",
    "10000-01-01T00:00:00Z",
    "2026-1-01T00:00:00Z",
    "2026-11-23T09:5:00Z",
    "yesterday",
    "",
    "\\u0032026-11-23T09:59:00Z",
];

const PIECES: [&[u8]; 34] = [
    b"a",
    b"log line ",
    b"sixteen bytes ..",
    b"",
    b"\\n",
    b"\\\"",
    b"\\\\",
    b"\\/",
    b"\\b\\f\\r\\t",
    b"\\u0041",
    b"\\u00e9",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\ude00",
    b"\\uD83d\\u0041",
    b"\\u0000",
    b"\\u001F",
    b"<b>&",
    b"\\u2028",
    "\u{2028}\u{2029}".as_bytes(),
    "é中😀".as_bytes(),
    b"\x7f",
    b"\xff",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"{}[],:",
    "\u{a0}".as_bytes(),
    b"\xe2",
    b"0123456789abcdef0123456789abcdef",
    // No insides:
    b"\\x",
    b"\\u12g4",
];

const KEYS: [&[u8]; 18] = [
    b"message",
    b"timestamp",
    b"mess\\u0061ge",
    b"timest\\u0061mp",
    b"a",
    b"b",
    b"",
    b"kubernetes",
    b"cluster_id",
    b"namespace",
    b"pod_nam\\u0065",
    b"\xc3\xa9",
    b"\\u00e9",
    b"\\ud800",
    b"\xff",
    b"Message",
    b"k<",
    "😀｡".as_bytes(),
];

/// White space between tokens; with newlines where `across`.
fn space(tape: &mut Tape<'_>, across: bool, out: &mut Vec<u8>) {
    match tape.below(64) {
        0..3 => out.push(b' '),
        3 => out.extend_from_slice(b"\t\r "),
        4..9 if across => out.push(b'\n'),
        9 if across => out.extend_from_slice(b" \n\n\r\n"),
        10 if tape.below(16) == 1 => out.extend_from_slice("\u{a0}".as_bytes()),
        _ => {}
    }
}

fn string(tape: &mut Tape<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    for _ in 0..tape.below(5) {
        // The last two pieces break the string, and so are rare.
        let limit = if tape.below(32) == 1 { PIECES.len() } else { PIECES.len() - 2 };
        out.extend_from_slice(PIECES[tape.below(limit)]);
    }
    out.push(b'"');
}

fn number(tape: &mut Tape<'_>, out: &mut Vec<u8>) {
    let limit = if tape.below(32) == 1 { NUMBERS.len() } else { NUMBERS.len() - 6 };
    out.extend_from_slice(NUMBERS[tape.below(limit)].as_bytes());
}

pub(crate) fn value(tape: &mut Tape<'_>, depth: usize, across: bool, out: &mut Vec<u8>) {
    match tape.below(if depth > 5 { 8 } else { 14 }) {
        0..4 => string(tape, out),
        4 | 5 => number(tape, out),
        6 | 7 => out.extend_from_slice(tape.one_of(&[b"null", b"true", b"false", b"[]", b"{}"])),
        8..11 => record(tape, depth + 1, across, out),
        _ => {
            out.push(b'[');
            space(tape, across, out);
            for at in 0..tape.below(4) {
                if at > 0 {
                    out.push(b',');
                    space(tape, across, out);
                }
                value(tape, depth + 1, across, out);
                space(tape, across, out);
            }
            out.push(b']');
        }
    }
}

pub(crate) fn record(tape: &mut Tape<'_>, depth: usize, across: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    space(tape, across, out);
    for at in 0..tape.below(5) {
        if at > 0 {
            out.push(b',');
            space(tape, across, out);
        }
        let key = KEYS[tape.below(KEYS.len())];
        out.push(b'"');
        out.extend_from_slice(key);
        out.push(b'"');
        space(tape, across, out);
        out.push(b':');
        space(tape, across, out);
        match key {
            b"timestamp" | b"timest\\u0061mp" if tape.below(4) > 0 => {
                out.push(b'"');
                out.extend_from_slice(TIMES[tape.below(TIMES.len())].as_bytes());
                out.push(b'"');
            }
            b"timestamp" => number(tape, out),
            _ => value(tape, depth + 1, across, out),
        }
        space(tape, across, out);
    }
    out.push(b'}');
}

/// An array with a line for most elements.
fn array(tape: &mut Tape<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    space(tape, true, out);
    let mut first = true;
    while !tape.is_over() && tape.below(16) > 0 {
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(tape.one_of(&[b"\n", b"", b"\n", b"\n \n"]));
        if tape.below(4) == 0 {
            value(tape, 0, true, out);
        } else {
            record(tape, 0, true, out);
        }
        space(tape, true, out);
    }
    if tape.below(8) > 0 {
        space(tape, true, out);
        out.push(b']');
    }
    out.extend_from_slice(tape.one_of(&[b"", b"\n", b" \n", b"\n{}\n", b" x", "\u{a0}\n ".as_bytes()]));
}

fn line(tape: &mut Tape<'_>, out: &mut Vec<u8>) {
    let edge: [&[u8]; 12] = [
        b"",
        b" ",
        b"",
        b"\t\r",
        b"",
        "\u{a0}".as_bytes(),
        b"",
        "\u{3000}\u{85}".as_bytes(),
        b"",
        b"\x0b",
        b"",
        b"\xef\xbb\xbf",
    ];
    out.extend_from_slice(tape.one_of(&edge));
    match tape.below(12) {
        0 => value(tape, 0, false, out),
        1 => out.extend_from_slice(tape.one_of(&[b"", b"bad", b"{", b"[", b"]", b"}", b"1,", b"\"", b",", b"]]"])),
        2 | 3 => {
            out.push(b'[');
            for at in 0..tape.below(4) {
                if at > 0 {
                    out.push(b',');
                }
                record(tape, 1, false, out);
            }
            out.push(b']');
        }
        _ => record(tape, 0, false, out),
    }
    out.extend_from_slice(tape.one_of(&edge));
    out.push(b'\n');
}

/// A whole object: lines, a value or an array across lines, then perhaps
/// damaged.
pub(crate) fn object(choices: &[u8]) -> Vec<u8> {
    let mut tape = Tape::new(choices);
    let tape = &mut tape;
    let mut out = Vec::new();
    out.extend_from_slice(tape.one_of(&[b"", b"", b"\n", b" \n\r\n", "\u{a0}\n\u{2003}".as_bytes()]));
    match tape.below(4) {
        0 => record(tape, 0, true, &mut out),
        1 | 2 => array(tape, &mut out),
        _ => {}
    }
    if tape.below(4) > 0 {
        while !tape.is_over() {
            line(tape, &mut out);
        }
        if tape.below(4) == 0 {
            out.pop();
        }
    }
    for _ in 0..[0, 0, 0, 1, 1, 2, 4][tape.below(7)] {
        damage(tape, &mut out);
    }
    out
}

fn damage(tape: &mut Tape<'_>, out: &mut Vec<u8>) {
    if out.is_empty() {
        return;
    }
    let at = (tape.below(256) << 8 | tape.below(256)) % out.len();
    match tape.below(5) {
        0 => out.truncate(at),
        1 => drop(out.remove(at)),
        2 => out[at] = u8::try_from(tape.below(256)).unwrap(),
        3 => {
            let inserted = tape.one_of(&[b"\n", b",", b"{", b"}", b"[", b"]", b"\"", b"\n\n", b":", b"\\"]);
            out.splice(at..at, inserted.iter().copied());
        }
        _ => {
            let to = (at + tape.below(16)).min(out.len());
            out.drain(at..to);
        }
    }
}
