//! One environment variable: its name, its default, what it may hold.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// One environment variable, as the parser and `--help` know it.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it decides, in a few words.
    pub meaning: &'static str,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Number {
        default: Fallback<u64>,
        least: u64,
        most: u64,
        unit: Unit,
    },
    /// LOG_LEVEL: what it can't be only warns.
    Level,
    /// `true` or `1`; anything else means false.
    Flag,
    Text {
        default: Fallback<&'static str>,
        allowed: &'static str,
    },
}

/// What an unset variable means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback<T> {
    /// This value.
    Is(T),
    /// What is found out by whoever reads it, as this says; or nothing at all.
    Found(&'static str),
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
    /// What may follow a number, and by what it is multiplied, the largest first.
    fn suffixes(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Count => &[],
            Self::Bytes | Self::BytesOrNone => &[("GiB", GIB), ("MiB", MIB), ("KiB", KIB)],
            Self::Seconds => &[("h", 3600), ("m", 60), ("s", 1)],
        }
    }

    /// The number that a text is, in bytes, seconds, or plain.
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

    /// The amount as a person reads it: bytes with the largest suffix that it is a
    /// whole number of.
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
        default: Fallback<u64>,
        (least, most): (u64, u64),
        unit: Unit,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: Kind::Number { default, least, most, unit } }
    }

    pub(super) const fn text(
        name: &'static str,
        default: Fallback<&'static str>,
        allowed: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: Kind::Text { default, allowed } }
    }

    /// The default as `--help` and the documents show it.
    pub fn default_text(&self) -> String {
        match self.kind {
            Kind::Level => "INFO".to_owned(),
            Kind::Flag => "false".to_owned(),
            Kind::Number { default: Fallback::Is(0), unit: Unit::BytesOrNone, .. } => "0 (none)".to_owned(),
            Kind::Number { default: Fallback::Is(n), unit, .. } => unit.amount(n),
            Kind::Number { default: Fallback::Found(text), .. } => text.to_owned(),
            Kind::Text { default: Fallback::Is(text) | Fallback::Found(text), .. } => text.to_owned(),
        }
    }

    /// The values that are allowed, as `--help` and errors show them.
    pub fn range_text(&self) -> String {
        let (least, most, unit) = match self.kind {
            Kind::Number { least, most, unit, .. } => (unit.amount(least), unit.amount(most), unit),
            Kind::Level => return "DEBUG, INFO, WARN, WARNING, ERROR".to_owned(),
            Kind::Flag => return "true or 1; anything else means false".to_owned(),
            Kind::Text { allowed, .. } => return allowed.to_owned(),
        };
        match unit {
            Unit::Count => format!("{least} to {most}"),
            Unit::Bytes => format!("{least} to {most}, plain bytes or with KiB, MiB, GiB"),
            Unit::BytesOrNone => "0 (no limit) or more, plain or with KiB, MiB, GiB".to_owned(),
            Unit::Seconds => format!("{least} to {most}, plain seconds or with s, m, h"),
        }
    }
}
