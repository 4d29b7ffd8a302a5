//! JSON as a tree without positions, for the operator's variables. Duplicate members are kept.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::tree::{Node, Value};

/// Reads a text that is JSON and nothing else.
///
/// # Errors
/// Where the text isn't JSON, and why, without any of the text.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Node {
    /// serde_json nests at most 128 deep, which bounds the recursion.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree).map(|value| Self { at: None, value })
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Number(n.to_string()))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Number(n.to_string()))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(Value::Number(n.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    /// Without positions.
    fn bare(node: Node) -> Node {
        let value = match node.value {
            Value::List(items) => Value::List(items.into_iter().map(bare).collect()),
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|(key, value)| (bare(key), bare(value))).collect())
            }
            other => other,
        };
        Node { at: None, value }
    }

    #[test]
    fn it_is_the_tree_that_the_same_text_is_as_yaml() {
        let text = r#"{"a": [1, -2, 1.5, true, null, "x\né"], "b": {}, "a": "again"}"#;
        let node = parse(text).unwrap();
        assert_eq!(node, bare(tree::parse(text).unwrap().unwrap()));
        assert!(matches!(node.value, Value::Map(entries) if entries.len() == 3));
        // What YAML's escapes don't know.
        assert_eq!(parse(r#""\ud83d\ude00""#).unwrap().value, Value::Text("😀".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_refused_and_never_shown() {
        for text in
            ["", "{hunter2: 1}", "{\"a\": hunter2}", "{\"a\": \"hunter2}", "{\"hunter2\": 1} hunter2", &"[".repeat(200)]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("line 1 column") && !error.contains("hunter2"), "{error}");
        }
    }
}
