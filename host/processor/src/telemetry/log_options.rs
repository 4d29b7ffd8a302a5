//! Options of the log: the least level, and the format.

/// The least level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Events that an operator wants to see of a run that goes well.
    Info,
    /// Events that may need a look (`WARN` or `WARNING`).
    Warn,
    /// Failures.
    Error,
}

impl LogLevel {
    /// Parses a level's name, in any case.
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

/// The names of a log line's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `timestamp`, `level`, `message`.
    #[default]
    Json,
    /// `time`, `level`, `msg`: as the reference, whose log Go's slog writes.
    Reference,
}

impl LogFormat {
    /// Parses a format's name, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "reference" => Some(Self::Reference),
            _ => None,
        }
    }
}
