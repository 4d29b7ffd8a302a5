//! Clock skew: this machine's clock compared with the header Date of AWS's responses.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// The skew of this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skew {
    Behind(Duration),
    Ahead(Duration),
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, how) = match self {
            Self::Behind(by) => (by, "behind"),
            Self::Ahead(by) => (by, "ahead of"),
        };
        write!(f, "{} s {how} AWS's", by.as_secs())
    }
}

/// The skew that is tolerated. AWS refuses requests that were signed more than five minutes before
/// or after its own time (S3: 15). Source: the SDK's threshold.
const TOLERATED_SKEW: Duration = Duration::from_secs(4 * 60);

/// The skew that a response's Date shows, if it isn't tolerated. A response from a cache shows none.
pub(super) fn detect_skew(response: &HttpResponse) -> Option<Skew> {
    if response.headers().get("age").is_some() {
        return None;
    }
    measure_skew(server_time(response)?, SystemTime::now())
}

/// The header Date of a response.
pub(super) fn server_time(response: &HttpResponse) -> Option<SystemTime> {
    let date = response.headers().get("date")?;
    DateTime::from_str(date, Format::HttpDate).ok()?.try_into().ok()
}

/// The skew of a clock that says `here` when AWS's says `there`, if it isn't tolerated.
pub(super) fn measure_skew(there: SystemTime, here: SystemTime) -> Option<Skew> {
    let skew = match there.duration_since(here) {
        Ok(by) => (by, Skew::Behind(by)),
        Err(error) => (error.duration(), Skew::Ahead(error.duration())),
    };
    (skew.0 > TOLERATED_SKEW).then_some(skew.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_more_than_four_minutes() {
        let (here, hour) = (SystemTime::now(), Duration::from_secs(3600));
        assert_eq!(measure_skew(here + hour, here), Some(Skew::Behind(hour)));
        assert_eq!(measure_skew(here - hour, here), Some(Skew::Ahead(hour)));
        assert_eq!(measure_skew(here + Duration::from_secs(239), here), None);
        assert_eq!(Skew::Ahead(hour).to_string(), "3600 s ahead of AWS's");
    }
}
