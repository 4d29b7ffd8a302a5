//! RFC 3339, as AWS writes it and the reference reads it.

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// Parses `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)` to milliseconds since the Unix epoch;
/// digits beyond milliseconds are cut off.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date_and_time, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *date_and_time else {
        return None;
    };
    let (year, month, day) = (pair(y1, y2)? * 100 + pair(y3, y4)?, pair(o1, o2)?, pair(d1, d2)?);
    let (hour, minute, second) = (pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?);
    let valid = (1..=days_in(month, year)?).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let (milliseconds, zone) = fraction(rest)?;
    let seconds = days_since_epoch(year, month, day) * DAY + (hour * 60 + minute) * MINUTE + second - east(zone)?;
    valid.then_some(seconds * 1000 + milliseconds)
}

/// Formats milliseconds since the Unix epoch. Years are clamped to 0 to 9999, all that RFC
/// 3339 can express.
pub fn format(milliseconds: i64) -> String {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;
    let milliseconds = milliseconds.clamp(FIRST, LAST);
    let (seconds, fraction) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / MINUTE % 60, second % MINUTE);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

/// Parses a fraction, if there is one, to milliseconds; returns also what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(count)?;
    let first_three = digits.iter().copied().chain(*b"00").take(3);
    let milliseconds = first_three.filter_map(digit).fold(0, |sum, digit| sum * 10 + digit);
    (count > 0).then_some((milliseconds, rest))
}

/// Parses a zone to seconds east of Greenwich.
fn east(zone: &[u8]) -> Option<i64> {
    let [sign, h1, h2, b':', m1, m2] = *zone else {
        return (zone == b"Z").then_some(0);
    };
    let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
    let seconds = (hours * 60 + minutes) * MINUTE;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
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

/// Days in 400 years, after which the Gregorian calendar repeats.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day
/// comes last.
const EPOCH: i64 = 719_468;

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * ERA + day_of_era - EPOCH
}

/// Year, month and day of a day since the epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = days.div_euclid(ERA) * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_that_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000Z", 0),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
            ("2025-06-01T10:00:00.5Z", 1_748_772_000_500),
            ("2025-06-01T10:00:00.123999999Z", 1_748_772_000_123),
            ("2025-06-01T12:00:00+02:00", 1_748_772_000_000),
            ("2025-06-01T05:30:00-04:30", 1_748_772_000_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn times_that_are_none() {
        for text in [
            "",
            "now",
            "2025-06-01",
            "2025-06-01 10:00:00Z",
            "2025-06-01T10:00:00",
            "2025-06-01T10:00:00.Z",
            "2025-06-01T10:00:00Zz",
            "2025-06-01T10:00:00z",
            "2025-06-01T24:00:00Z",
            "2025-06-01T10:60:00Z",
            "2025-06-01T10:00:60Z",
            "2025-06-31T10:00:00Z",
            "2025-00-01T10:00:00Z",
            "2025-13-01T10:00:00Z",
            "2025-06-00T10:00:00Z",
            "2025-02-29T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2025-06-01T10:00:00+0200",
            "2025-06-01T10:00:00+24:00",
            "2025-06-01T10:00:00+02:60",
            "2025-06-01T10:00:00*02:00",
            "2O25-06-01T10:00:00Z",
            "+025-06-01T10:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_that_are_written() {
        assert_eq!(format(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        assert_eq!(format(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(format(i64::MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(format(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in -62_167_219_200_000..=253_402_300_799_999i64) {
            prop_assert_eq!(parse(&format(milliseconds)), Some(milliseconds));
        }

        #[test]
        fn no_text_panics_it(text in "[0-9TZ:.+é-]{0,30}") {
            let _ = parse(&text);
        }
    }
}
