//! Timestamps: RFC 3339 as Go's `time.Parse` reads it, and numbers.

/// The only times there are: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The time of a record without a usable timestamp.
    pub now: i64,
    /// The object's own time, for a record whose timestamp is zero.
    pub last_modified: i64,
}

/// The meaning of a number in `timestamp`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// Seconds, milliseconds, microseconds or nanoseconds, by its magnitude.
    #[default]
    Magnitude,
    /// Seconds or milliseconds, as the reference reads it, whatever year comes out.
    Reference,
}

/// Numbers above this are milliseconds, others seconds.
const MILLISECONDS_ABOVE: f64 = 1e12;

/// Above this, microseconds: as milliseconds, it would be the year 33658.
const MICROSECONDS_ABOVE: f64 = 1e15;

/// Above this, nanoseconds: as microseconds, it would be the same year.
const NANOSECONDS_ABOVE: f64 = 1e18;

/// The bound of `i64` on either side: 2^63.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// The milliseconds that a number in `timestamp` stands for; `None` beyond `i64`, where the
/// reference takes the time of processing.
#[allow(clippy::cast_possible_truncation, reason = "to cut the fraction off is meant, and the range is checked")]
pub(crate) fn from_number(number: f64, numbers: Numbers) -> Option<i64> {
    let milliseconds = match numbers {
        _ if number <= MILLISECONDS_ABOVE => number * 1000.0,
        Numbers::Magnitude if number > NANOSECONDS_ABOVE => number / 1e6,
        Numbers::Magnitude if number > MICROSECONDS_ABOVE => number / 1e3,
        Numbers::Magnitude | Numbers::Reference => number,
    };
    (number.abs() < BEYOND && milliseconds.abs() < BEYOND).then_some(milliseconds as i64)
}

/// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)` into milliseconds, the
/// rest of the fraction cut off.
///
/// Go's own liberties are kept: one digit is enough for the hour, the fraction
/// may follow a comma, and offsets reach 24 hours and 60 minutes.
pub(crate) fn from_rfc3339(text: &[u8]) -> Option<i64> {
    let (date, time) = text.split_first_chunk::<11>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T'] = *date else {
        return None;
    };
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    let month = pair(m1, m2)?;
    let day = pair(d1, d2)?;
    if !(1..=days_in(month, year)?).contains(&day) {
        return None;
    }
    let (hour, rest) = match time {
        [h1, h2, b':', rest @ ..] => (pair(*h1, *h2)?, rest),
        [h, b':', rest @ ..] => (pair(b'0', *h)?, rest),
        _ => return None,
    };
    let [n1, n2, b':', s1, s2, rest @ ..] = rest else {
        return None;
    };
    let (minute, second) = (pair(*n1, *n2)?, pair(*s1, *s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = milliseconds(rest)?;
    let minutes = days_since_epoch(year, month, day) * 1440 + hour * 60 + minute - offset(zone)?;
    Some((minutes * 60 + second) * 1000 + fraction)
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

/// The milliseconds of a fraction, if there is one, and what follows it.
fn milliseconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else {
        return Some((0, text));
    };
    let mut rest = digits;
    let mut weight = 100;
    let mut sum = 0;
    while let [byte @ b'0'..=b'9', after @ ..] = rest {
        sum += digit(*byte)? * weight;
        weight /= 10;
        rest = after;
    }
    (rest.len() < digits.len()).then_some((sum, rest))
}

/// Minutes east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
            let east = hours * 60 + minutes;
            (hours <= 24 && minutes <= 60).then_some(if sign == b'+' { east } else { -east })
        }
        _ => None,
    }
}

fn days_in(month: i64, year: i64) -> Option<i64> {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from
/// March, so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-23T09:59:00Z", 1_795_427_940_000),
            ("2026-11-23T09:51:40.123456789Z", 1_795_427_500_123),
            ("2026-11-23T9:51:40,1999Z", 1_795_427_500_199),
            ("2026-11-23T10:59:55+01:00", 1_795_427_995_000),
            ("2026-11-23T09:51:40.5-00:00", 1_795_427_500_500),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("0000-02-29T00:00:00Z", -62_162_121_600_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("2026-11-23T00:00:00+24:60", 1_795_302_000_000),
            ("2024-02-29T00:00:00-24:00", 1_709_251_200_000),
        ] {
            assert_eq!(from_rfc3339(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "x",
            "2026-11-23",
            "2026-11-23T09:51:40",
            "2026-11-23 09:51:40Z",
            "2026-11-23t09:51:40Z",
            "2026-11-23T09:51:40z",
            "2026-11-23T09:51:40.Z",
            "2026-11-23T09:51:40.x1Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T09:60:00Z",
            "2026-11-23T09:59:60Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-1-23T09:51:40Z",
            "2026-11-23T09:5:40Z",
            "2026-11-23T:51:40Z",
            "2026-11-23T009:51:40Z",
            "2026-11-23T09:51:40+25:00",
            "2026-11-23T09:51:40+01:61",
            "2026-11-23T09:51:40+0100",
            "2026-11-23T09:51:40+1:00",
            "2026-11-23T09:51:40Z ",
            " 2026-11-23T09:51:40Z",
            "2026-11-23T09:51:40ZZ",
            "02026-11-23T09:51:40Z",
            "-026-11-23T09:51:40Z",
            "2026-11-23T09:51:40 01:00",
        ] {
            assert_eq!(from_rfc3339(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_up_to_a_trillion() {
        for (number, expected) in [
            (5.0, 5000),
            (1e12, 1_000_000_000_000_000),
            (1_795_427_940_000.75, 1_795_427_940_000),
            (0.0004, 0),
            (-0.0, 0),
            (-1.5, -1500),
            (1.0019, 1001),
            (9e18, 9_000_000_000_000_000_000),
        ] {
            assert_eq!(from_number(number, Numbers::Reference), Some(expected), "{number}");
        }
        for numbers in [Numbers::Reference, Numbers::Magnitude] {
            for number in [1e19, 4e26, -1e16, -1e300, 9_223_372_036_854_775_808.0] {
                assert_eq!(from_number(number, numbers), None, "{number}");
            }
        }
    }

    #[test]
    fn numbers_are_read_by_their_magnitude() {
        for (number, expected) in [
            (5.0, 5000),
            (-1.5, -1500),
            (1_795_427_940.0, 1_795_427_940_000),
            (1_795_427_940_123.75, 1_795_427_940_123),
            (1_795_427_940_123_999.0, 1_795_427_940_123),
            (1_795_427_940_123_456_789.0, 1_795_427_940_123),
            (1e15, 1_000_000_000_000_000),
            (1_000_000_000_000_001.0, 1_000_000_000_000),
            (1e18, 1_000_000_000_000_000),
            (1_000_000_000_000_000_256.0, 1_000_000_000_000),
            (9.2e18, 9_200_000_000_000),
        ] {
            assert_eq!(from_number(number, Numbers::Magnitude), Some(expected), "{number}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut expected = -719_528;
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=days_in(month, year).unwrap() {
                    assert_eq!(days_since_epoch(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }
}
