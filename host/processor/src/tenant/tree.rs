//! YAML (and so JSON) as a tree with positions, so that problems can be reported with line and
//! column, and duplicate keys too. The table's items and the operator's JSON become such trees
//! as well, so that one reader serves all.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// The deepest nesting: more than any tenant file needs, and a bound for recursion over the
/// tree.
const MAX_DEPTH: usize = 32;

/// A position in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A value and its position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The position; `None` for values of the table.
    pub(super) at: Option<Position>,
    pub(super) value: Value,
}

/// A value of YAML's core schema, which is JSON's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// The entries in the file's order, duplicate keys included.
    Map(Vec<(Node, Node)>),
    /// Binary data, which only the table has.
    Binary,
}

impl Value {
    /// The kind of value: what an error says was found where the value itself may
    /// be a secret.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Bool(_) => "a boolean".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            other => other.describe(),
        }
    }

    /// The kind of value, and the value itself where it is short: what an error
    /// says was found.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(b) => format!("the boolean {b}"),
            Self::Number(n) => format!("the number {}", quote(n).trim_matches('"')),
            Self::Text(t) => format!("the text {}", quote(t)),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(entries) => format!("a map of {}", entries.len()),
            Self::Binary => "binary data".to_owned(),
        }
    }
}

/// Quotes a text for an error: escaped, and never longer than a line.
pub(super) fn quote(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Quotes a field's name for an error, unless it is plain.
pub(super) fn quote_unless_plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        return name.to_owned();
    }
    quote(name)
}

/// The file is no YAML that this reader takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: Position,
    pub(super) message: String,
}

/// Parses the only document of `text`; `None` if it holds nothing but comments.
pub(super) fn parse(text: &str) -> Result<Option<Node>, SyntaxError> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| SyntaxError { at: position(e.marker()), message: e.info().to_owned() })?;
        builder.take(event, position(&span.start), &span)?;
    }
    Ok(builder.root)
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// A list or map whose end hasn't been parsed yet.
struct Collection {
    at: Position,
    collected: Collected,
}

enum Collected {
    List(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, key: Option<Node> },
}

#[derive(Default)]
struct Builder {
    open: Vec<Collection>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position, span: &Span) -> Result<(), SyntaxError> {
        let refuse = |message: &str| Err(SyntaxError { at, message: message.to_owned() });
        match event {
            Event::Scalar(text, style, _, tag) => match scalar(text, style, tag.as_deref()) {
                // An omitted value has no width.
                Some(Value::Null) if span.is_empty() && self.open.is_empty() => Ok(()),
                Some(value) => self.add(Node { at: Some(at), value }),
                None => refuse("a tag other than !!str; write the value without it"),
            },
            Event::SequenceStart(_, tag) | Event::MappingStart(_, tag) if tag.is_some() => {
                refuse("a tag other than !!str; write the value without it")
            }
            Event::SequenceStart(..) => self.begin(at, Collected::List(Vec::new())),
            Event::MappingStart(..) => {
                let (entries, key) = (Vec::new(), None);
                self.begin(at, Collected::Map { entries, key })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(_) => refuse("an alias (`*name`), which is not supported; repeat the value"),
            Event::DocumentStart(_) if self.root.is_some() => {
                refuse("a second document (`---`); put all tenants into one")
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, collected: Collected) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("lists and maps nested more than {MAX_DEPTH} deep");
            return Err(SyntaxError { at, message });
        }
        self.open.push(Collection { at, collected });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(Collection { at, collected }) = self.open.pop() else {
            return Ok(());
        };
        let value = match collected {
            Collected::List(items) => Value::List(items),
            Collected::Map { entries, .. } => Value::Map(entries),
        };
        self.add(Node { at: Some(at), value })
    }

    fn add(&mut self, node: Node) -> Result<(), SyntaxError> {
        match self.open.last_mut().map(|open| &mut open.collected) {
            None => self.root = Some(node),
            Some(Collected::List(items)) => items.push(node),
            Some(Collected::Map { entries, key }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

/// The value of a scalar; `None` if it has an unsupported tag.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Option<Value> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Some(Value::Text(text.into_owned())),
        Some(_) => None,
        None if style != ScalarStyle::Plain => Some(Value::Text(text.into_owned())),
        None => Some(match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ if is_number(&text) => Value::Number(text.into_owned()),
            _ => Value::Text(text.into_owned()),
        }),
    }
}

/// Whether YAML's core schema reads a plain scalar as a number. Numbers are only
/// ever refused, or ignored, so their value does not matter.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let special = [".inf", ".Inf", ".INF"].contains(&unsigned) || [".nan", ".NaN", ".NAN"].contains(&text);
    // Rust's floats are YAML's, but for their names of the special ones.
    special
        || (unsigned.contains(|c: char| c.is_ascii_digit())
            && unsigned.starts_with(|c: char| c == '.' || c.is_ascii_digit())
            && unsigned.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(text).unwrap().unwrap().value
    }

    fn error(text: &str) -> (usize, usize, String) {
        let e = parse(text).unwrap_err();
        (e.at.line, e.at.column, e.message)
    }

    #[test]
    fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_text() {
        let text = |t: &str| Value::Text(t.to_owned());
        let number = |t: &str| Value::Number(t.to_owned());
        for null in ["~", "null", "- ", "NULL"] {
            let found = match value(null) {
                Value::List(mut items) => items.remove(0).value,
                other => other,
            };
            assert_eq!(found, Value::Null, "{null}");
        }
        assert_eq!(value("true"), Value::Bool(true));
        assert_eq!(value("yes"), text("yes"));
        assert_eq!(value("'true'"), text("true"));
        assert_eq!(value("!!str 12"), text("12"));
        for n in ["12", "-1.5", "0x1F", "0o17", "1e3", ".5", "5.", ".inf", "-.INF", ".nan"] {
            assert_eq!(value(n), number(n));
        }
        for t in ["inf", "nan", "1.2.3", "0xZZ", "+", ".", "e3", "arn:aws:iam::1", "12a"] {
            assert_eq!(value(t), text(t));
        }
    }

    #[test]
    fn json_is_taken_as_it_is() {
        let json = "{\n\t\"a\": [1, true, null, \"x\\/\\u00e9\\n\"],\n\t\"b\" : {}\n}\n";
        let Value::Map(entries) = value(json) else {
            panic!("no map");
        };
        assert_eq!(entries.len(), 2);
        let Value::List(items) = &entries[0].1.value else {
            panic!("no list");
        };
        assert_eq!(items[3].value, Value::Text("x/é\n".to_owned()));
        assert_eq!(items[3].at, Some(Position { line: 2, column: 23 }));
    }

    #[test]
    fn nothing_but_comments_is_no_document() {
        for empty in ["", "\n", "# nothing\n", "---\n"] {
            assert_eq!(parse(empty), Ok(None), "{empty:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_where_it_stands() {
        assert_eq!(
            error("- &a x\n- *a\n"),
            (2, 3, "an alias (`*name`), which is not supported; repeat the value".to_owned())
        );
        assert_eq!(error("a: !!set {x}\n"), (1, 4, "a tag other than !!str; write the value without it".to_owned()));
        assert_eq!(error("- a\n---\n- b\n"), (2, 1, "a second document (`---`); put all tenants into one".to_owned()));
        assert_eq!(error(&"[".repeat(33)).2, "lists and maps nested more than 32 deep");
        let (line, column, message) = error("- tenant_id: a\n  type: [s3\n- x: 1\n");
        assert_eq!((line, column), (3, 4), "{message}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_it(text in "[-\\[\\]{}:,#&*!|>'\"% \\t\\n?a1.é~\u{feff}\\\\]{0,60}") {
            let _ = parse(&text);
        }
    }
}
