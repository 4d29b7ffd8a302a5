//! One environment variable: its name, its default, what it may hold.

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// The default of a variable that names something optional.
pub(super) const NONE: DefaultValue<&str> = DefaultValue::Computed("none");

/// One environment variable, as the parser and `--help` know it.
#[derive(Debug)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// What the variable decides, in a few words.
    pub meaning: &'static str,
    pub(super) kind: ValueKind,
}

#[derive(Debug)]
pub(super) enum ValueKind {
    Number {
        default: DefaultValue<u64>,
        min: u64,
        max: u64,
        unit: Unit,
    },
    /// LOG_LEVEL: an invalid value only warns.
    Level,
    /// `true` or `1`; anything else means false.
    Flag,
    Text {
        default: DefaultValue<&'static str>,
        allowed: &'static str,
    },
}

/// The value of an unset variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum DefaultValue<T> {
    /// A fixed value.
    Fixed(T),
    /// A value that is computed as this says, or no value at all.
    Computed(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Bytes,
    /// Bytes, where 0 means that there is no limit.
    BytesOrNone,
    Seconds,
}

impl Unit {
    /// The suffixes of a number and their factors, the largest first.
    fn suffixes(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Count => &[],
            Self::Bytes | Self::BytesOrNone => &[("GiB", GIB), ("MiB", MIB), ("KiB", KIB)],
            Self::Seconds => &[("h", 3600), ("m", 60), ("s", 1)],
        }
    }

    /// Parses a number of bytes, of seconds, or a plain one.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, suffix) = text.split_at_checked(digits)?;
        let factor = match suffix.trim_start() {
            "" => 1,
            suffix => self.suffixes().iter().find(|(name, _)| suffix.eq_ignore_ascii_case(name))?.1,
        };
        // An empty number, or one beyond u64, is refused here.
        number.parse::<u64>().ok()?.checked_mul(factor)
    }

    /// Formats an amount: bytes with the largest suffix that divides them.
    fn amount(self, n: u64) -> String {
        let fits = |(_, size): &&(&str, u64)| n > 0 && n.is_multiple_of(*size);
        match self {
            Self::Seconds => format!("{n} s"),
            _ => match self.suffixes().iter().find(fits) {
                Some((suffix, size)) => format!("{} {suffix}", n / size),
                None => n.to_string(),
            },
        }
    }
}

impl Variable {
    pub(super) const fn number(
        name: &'static str,
        default: DefaultValue<u64>,
        (min, max): (u64, u64),
        unit: Unit,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: ValueKind::Number { default, min, max, unit } }
    }

    pub(super) const fn text(
        name: &'static str,
        default: DefaultValue<&'static str>,
        allowed: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: ValueKind::Text { default, allowed } }
    }

    /// The default as `--help` and the documents show it.
    pub fn default_text(&self) -> String {
        match self.kind {
            ValueKind::Level => "INFO".to_owned(),
            ValueKind::Flag => "false".to_owned(),
            ValueKind::Number { default: DefaultValue::Fixed(0), unit: Unit::BytesOrNone, .. } => "0 (none)".to_owned(),
            ValueKind::Number { default: DefaultValue::Fixed(n), unit, .. } => unit.amount(n),
            ValueKind::Number { default: DefaultValue::Computed(text), .. } => text.to_owned(),
            ValueKind::Text { default: DefaultValue::Fixed(text) | DefaultValue::Computed(text), .. } => {
                text.to_owned()
            }
        }
    }

    /// The values that are allowed, as `--help` and errors show them.
    pub fn range_text(&self) -> String {
        let (min, max, unit) = match self.kind {
            ValueKind::Number { min, max, unit, .. } => (unit.amount(min), unit.amount(max), unit),
            ValueKind::Level => return "DEBUG, INFO, WARN, WARNING, ERROR".to_owned(),
            ValueKind::Flag => return "true or 1; anything else means false".to_owned(),
            ValueKind::Text { allowed, .. } => return allowed.to_owned(),
        };
        match unit {
            Unit::Count => format!("{min} to {max}"),
            Unit::Bytes => format!("{min} to {max}, plain bytes or with KiB, MiB, GiB"),
            Unit::BytesOrNone => "0 (no limit) or more, plain or with KiB, MiB, GiB".to_owned(),
            Unit::Seconds => format!("{min} to {max}, plain seconds or with s, m, h"),
        }
    }
}
