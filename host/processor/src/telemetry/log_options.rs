//! What is logged, and in which form.

/// The least level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator wants to see of a run that goes well.
    Info,
    /// What may need a look (`WARN` or `WARNING`).
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The level by its name, in any case; none: there is no such.
    pub fn parse(text: &str) -> Option<Self> {
        const NAMES: [(&str, LogLevel); 5] = [
            ("DEBUG", LogLevel::Debug),
            ("INFO", LogLevel::Info),
            ("WARN", LogLevel::Warn),
            ("WARNING", LogLevel::Warn),
            ("ERROR", LogLevel::Error),
        ];
        NAMES.iter().find(|(name, _)| text.trim().eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }
}

/// What the fields of a log line are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `timestamp`, `level`, `message`.
    #[default]
    Json,
    /// `time`, `level`, `msg`: as the reference, whose log Go's slog writes.
    Reference,
}

impl LogFormat {
    /// The format by its name, in any case; none: there is no such.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "reference" => Some(Self::Reference),
            _ => None,
        }
    }
}
