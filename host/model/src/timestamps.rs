//! How a record's timestamp is read if it is a number.

/// TIMESTAMP_NUMBERS: how the default guest reads a number in `timestamp`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimestampNumbers {
    /// As seconds, milliseconds, microseconds or nanoseconds, by the number's magnitude.
    #[default]
    Magnitude,
    /// As the Go processor does: milliseconds above 1e12, else seconds.
    Reference,
}

impl TimestampNumbers {
    /// The name in the setting and in a guest's context.
    pub fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Reference => "reference",
        }
    }

    /// Parses the setting's value, in upper or lower case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Magnitude, Self::Reference].into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// The entry of a guest's `context.more`. `None` for the default.
    pub fn context_entry(self) -> Option<(String, String)> {
        (self != Self::default()).then(|| ("timestamp-numbers".to_owned(), self.name().to_owned()))
    }
}
