//! Points in time and the three ways in which logs write them.

use std::fmt;
use std::time::{Duration, SystemTime};

const NANOS: i64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(i64);

impl Instant {
    /// 2026-11-20T00:00:00Z: the day of every corpus.
    pub const DAY: Self = Self(1_795_132_800 * NANOS);

    /// Later (or, negative, earlier) by milliseconds.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// Later (or, negative, earlier) by nanoseconds.
    #[must_use]
    pub fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS)
    }

    /// The instant as a file's modification time.
    #[must_use]
    pub fn system(self) -> SystemTime {
        let nanos = u64::try_from(self.0).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    /// `20261120T093000`, as object names begin.
    #[must_use]
    pub fn compact(self) -> String {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
    }

    /// `1120 09:30:00.123456`, as klog writes it.
    #[must_use]
    pub fn klog(self) -> String {
        let Civil { month, day, hour, minute, second, .. } = self.civil();
        let micros = self.0.rem_euclid(NANOS) / 1000;
        format!("{month:02}{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
    }

    fn civil(self) -> Civil {
        let seconds = self.seconds();
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to year, month, day in the Gregorian calendar, with years that
        // begin in March so that the leap day is a year's last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

/// RFC 3339 with nine digits: `2026-11-20T09:30:00.123456789Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        let nanos = self.0.rem_euclid(NANOS);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates() {
        assert_eq!(Instant::DAY.to_string(), "2026-11-20T00:00:00.000000000Z");
        let later = Instant::DAY.plus_millis(34_200_123).plus_nanos(456_789);
        assert_eq!(later.to_string(), "2026-11-20T09:30:00.123456789Z");
        assert_eq!(later.compact(), "20261120T093000");
        assert_eq!(later.klog(), "1120 09:30:00.123456");
        assert_eq!(Instant(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        let leap = Instant(1_709_164_800 * NANOS);
        assert_eq!(leap.to_string(), "2024-02-29T00:00:00.000000000Z");
        assert_eq!(leap.plus_millis(-1).compact(), "20240228T235959");
    }
}
