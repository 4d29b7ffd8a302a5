//! How records' timestamps are read, where they are numbers.

/// TIMESTAMP_NUMBERS: what the default guest takes a number in `timestamp` for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimestampNumbers {
    /// Seconds, milliseconds, microseconds or nanoseconds, by its magnitude.
    #[default]
    Magnitude,
    /// As the reference: milliseconds above 1e12, else seconds.
    Reference,
}

impl TimestampNumbers {
    /// Its name in the setting, and in what guests are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Reference => "reference",
        }
    }

    /// By its name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Magnitude, Self::Reference].into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// What guests are told of it in `context.more`: nothing where it is the default.
    pub fn context_entry(self) -> Option<(String, String)> {
        (self != Self::default()).then(|| ("timestamp-numbers".to_owned(), self.name().to_owned()))
    }
}
