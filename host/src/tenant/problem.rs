//! What is noted about a tenant file while it is read.

use std::fmt;

use super::tree::{Position, quoted};

/// Something about the file that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub at: Position,
    /// Number of the item, counted from 1; none: the file as a whole.
    pub item: Option<usize>,
    /// The tenant, where the item names one.
    pub tenant: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// What was found, and what is expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.item.map(|n| format!("item {n}")));
        parts.extend(self.tenant.as_ref().map(|t| format!("tenant {}", quoted(t))));
        parts.extend(self.field.as_ref().map(|field| format!("field {field}")));
        write!(f, "{}:{}: ", self.at.line, self.at.column)?;
        if !parts.is_empty() {
            write!(f, "{}: ", parts.join(", "))?;
        }
        f.write_str(&self.message)
    }
}

/// What was noted while the file was read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}
