//! Times as AWS writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Such as `Mon, 23 Nov 2026 23:32:08 GMT`.
pub(crate) fn http_date(milliseconds: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(milliseconds.max(0) as u64))
}

/// Such as `2026-11-23T23:32:08.000Z`.
pub(crate) fn iso(milliseconds: i64) -> String {
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

/// Parses `20261123T233208Z`, the time of a signature, to milliseconds since the Unix epoch.
pub(crate) fn signed(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let part = |text: &str, at: usize, count: usize| text.get(at..at + count)?.parse::<i64>().ok();
    let (year, month, day) = (part(date, 0, 4)?, part(date, 4, 2)?, part(date, 6, 2)?);
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = shifted.rem_euclid(400) * 365 + shifted.rem_euclid(400) / 4 - shifted.rem_euclid(400) / 100 + of_year;
    let days = shifted.div_euclid(400) * 146_097 + of_era - 719_468;
    let seconds = part(time, 0, 2)? * 3600 + part(time, 2, 2)? * 60 + part(time, 4, 2)?;
    Some((days * 86_400 + seconds) * 1000)
}

/// Year, month and day from days since the Unix epoch, by counting in eras of 400 years from March.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        assert_eq!(http_date(1_709_210_096_789), "Thu, 29 Feb 2024 12:34:56 GMT");
        assert_eq!(signed("20240229T123456Z"), Some(1_709_210_096_000));
        assert_eq!((signed("19700101T000000Z"), signed("20240301T000000Z")), (Some(0), Some(1_709_251_200_000)));
        assert_eq!((signed("yesterday"), signed("2024-02-29T12:34:56Z")), (None, None));
    }
}
