//! What is noted about tenants' items while they are read.

use std::fmt;

use super::tree::{Position, quote};

/// Something about an item, or a file of them, that is wrong or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProblem {
    /// Where it stands; none: in the table.
    pub at: Option<Position>,
    /// Number of the item, counted from 1; none: the file as a whole.
    pub item: Option<usize>,
    /// The tenant, where the item names one.
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

/// What was noted while items were read.
#[derive(Debug, Default)]
pub(super) struct ItemNotes {
    pub(super) problems: Vec<ItemProblem>,
    /// Of components that enabled items name: each stops its delivery, and nothing else.
    pub(super) plugins: Vec<ItemProblem>,
    pub(super) warnings: Vec<ItemProblem>,
}
