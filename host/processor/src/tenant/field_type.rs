//! The types of fields, and the values that are accepted for them.

use super::coercion;
use super::tree::{Value, quote};

/// The type that a field's value must have.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldType {
    Text,
    Bool,
    Texts,
    /// Any value.
    Any,
}

impl FieldType {
    pub(super) fn fits(self, value: &Value) -> bool {
        match (self, value) {
            // Null means that the field is missing.
            (_, Value::Null) | (Self::Text, Value::Text(_)) | (Self::Any, _) => true,
            (Self::Bool, value) => coercion::coerce_bool(value).is_some(),
            (Self::Texts, Value::List(items)) => items.iter().all(|item| matches!(item.value, Value::Text(_))),
            (Self::Texts, Value::Text(text)) => coercion::coerce_list(text).is_some(),
            _ => false,
        }
    }

    /// The warning about a value that is accepted though it has another type.
    pub(super) fn coercion_warning(self, value: &Value) -> Option<String> {
        let found = value.describe();
        match (self, value) {
            (Self::Bool, Value::Text(_) | Value::Number(_)) => {
                let on = coercion::coerce_bool(value)?;
                Some(format!("found {found}, taken for {on}; make it a boolean"))
            }
            (Self::Texts, Value::Text(text)) => {
                let count = coercion::coerce_list(text)?.len();
                Some(format!("found {found}, taken for a list of {count}; make it a list"))
            }
            _ => None,
        }
    }

    /// Describes the expected value, with the remedy for a common mistake.
    pub(super) fn expected(self, value: &Value) -> String {
        match (self, value) {
            (Self::Text, Value::Number(_) | Value::Bool(_)) => "a text; put it in quotes".to_owned(),
            (Self::Text, _) => "a text".to_owned(),
            (Self::Bool, _) => "true or false, without quotes".to_owned(),
            (Self::Texts, Value::Text(text)) => {
                format!("a list of texts, such as [{}]", quote(text))
            }
            _ => "a list of texts".to_owned(),
        }
    }
}
