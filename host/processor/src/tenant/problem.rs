//! Problems with tenants' items.

use std::fmt;

use super::tree::{Position, quote};

/// A problem with, or a warning about, an item or a file of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProblem {
    /// The position in the file; `None` for items of the table.
    pub at: Option<Position>,
    /// The item's number, from 1; `None` for the file as a whole.
    pub item: Option<usize>,
    /// The item's tenant, if it names one.
    pub tenant: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// What was found, and what is expected.
    pub message: String,
}

impl fmt::Display for ItemProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.item.map(|n| format!("item {n}")));
        parts.extend(self.tenant.as_ref().map(|t| format!("tenant {}", quote(t))));
        parts.extend(self.field.as_ref().map(|field| format!("field {field}")));
        if let Some(at) = self.at {
            write!(f, "{}:{}: ", at.line, at.column)?;
        }
        if !parts.is_empty() {
            write!(f, "{}: ", parts.join(", "))?;
        }
        f.write_str(&self.message)
    }
}

/// The problems and warnings that reading items found.
#[derive(Debug, Default)]
pub(super) struct ItemNotes {
    pub(super) problems: Vec<ItemProblem>,
    /// Problems of components that enabled items name. Each stops only its own delivery.
    pub(super) plugins: Vec<ItemProblem>,
    pub(super) warnings: Vec<ItemProblem>,
}
