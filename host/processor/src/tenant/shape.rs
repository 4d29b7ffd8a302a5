//! The type that a field's value must have, and what is taken for it.

use super::slip;
use super::tree::{Value, quoted};

/// The type a field's value must have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Bool,
    Texts,
    /// Not looked at.
    Any,
}

impl Shape {
    pub(super) fn fits(self, value: &Value) -> bool {
        match (self, value) {
            // Null means that the field is missing.
            (_, Value::Null) | (Self::Text, Value::Text(_)) | (Self::Any, _) => true,
            (Self::Bool, value) => slip::switch(value).is_some(),
            (Self::Texts, Value::List(items)) => items.iter().all(|item| matches!(item.value, Value::Text(_))),
            (Self::Texts, Value::Text(text)) => slip::list(text).is_some(),
            _ => false,
        }
    }

    /// What is odd about a value that fits.
    pub(super) fn odd(self, value: &Value) -> Option<String> {
        let found = value.describe();
        match (self, value) {
            (Self::Bool, Value::Text(_) | Value::Number(_)) => {
                let on = slip::switch(value)?;
                Some(format!("found {found}, taken for {on}; make it a boolean"))
            }
            (Self::Texts, Value::Text(text)) => {
                let count = slip::list(text)?.len();
                Some(format!("found {found}, taken for a list of {count}; make it a list"))
            }
            _ => None,
        }
    }

    /// What is expected instead of `value`, with the remedy where the slip is a usual one.
    pub(super) fn expected(self, value: &Value) -> String {
        match (self, value) {
            (Self::Text, Value::Number(_) | Value::Bool(_)) => "a text; put it in quotes".to_owned(),
            (Self::Text, _) => "a text".to_owned(),
            (Self::Bool, _) => "true or false, without quotes".to_owned(),
            (Self::Texts, Value::Text(text)) => {
                format!("a list of texts, such as [{}]", quoted(text))
            }
            _ => "a list of texts".to_owned(),
        }
    }
}
