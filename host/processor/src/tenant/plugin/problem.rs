//! Problems with the fields of a component.

use crate::tenant::tree::Position;

/// Something wrong in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    pub(in crate::tenant) at: Option<Position>,
    /// The field's path, such as `plugin[1].limits.memory_bytes`; empty for the whole.
    pub(crate) field: String,
    /// What was found, and what is expected, without any setting's value.
    pub(crate) message: String,
}

impl FieldProblem {
    /// Something wrong with the whole.
    pub(crate) fn of_all(message: String) -> Self {
        Self { at: None, field: String::new(), message }
    }
}
