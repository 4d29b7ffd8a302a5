//! Who keeps failing is left alone for a while.

use std::time::{Duration, Instant};

/// The failures in a row of one thing (a destination, a component), and the rest that
/// it is given for them. It works again with [`Rest::default`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Rest {
    failures: u32,
    /// Left alone until then.
    until: Option<Instant>,
    /// Since when one is trying whether it works again.
    trial: Option<Instant>,
}

impl Rest {
    /// Failures in a row before it is left alone.
    pub const FAILURES: u32 = 3;
    /// The first rest; it doubles with each failure after it.
    pub const FIRST: Duration = Duration::from_secs(30);
    /// The longest rest: below SQS's longest delay, 900 s.
    pub const LONGEST: Duration = Duration::from_secs(600);
    /// Until the one that tries whether it works again is back.
    pub const TRIAL: Duration = Duration::from_secs(5);

    /// Whether it may be tried, after its rest by one at a time; else how long it is
    /// still left alone.
    ///
    /// # Errors
    /// Not to be tried before that.
    pub fn check(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(until) = self.until else { return Ok(()) };
        match until.checked_duration_since(now) {
            Some(rest) if !rest.is_zero() => return Err(rest),
            _ => {}
        }
        // Whoever tried may be gone without a word.
        if self.trial.is_some_and(|since| now.saturating_duration_since(since) < Self::LONGEST) {
            return Err(Self::TRIAL);
        }
        self.trial = Some(now);
        Ok(())
    }

    /// It failed; how long it is left alone now. What fails while it is left alone began
    /// before, at the same time as others: it says nothing new.
    pub fn failed(&mut self, now: Instant) -> Duration {
        if let Some(rest) =
            self.until.and_then(|until| until.checked_duration_since(now)).filter(|rest| !rest.is_zero())
        {
            return rest;
        }
        self.failures = self.failures.saturating_add(1);
        self.trial = None;
        if self.failures < Self::FAILURES {
            return Duration::ZERO;
        }
        let doubled = self.failures - Self::FAILURES;
        let rest = (0..doubled).fold(Self::FIRST, |rest, _| (rest * 2).min(Self::LONGEST));
        self.until = Some(now + rest);
        rest
    }

    /// It was not tried after all, or nothing is known of it.
    pub fn undecided(&mut self) {
        self.trial = None;
    }

    /// Whether it is left alone, or was, and nothing has shown since that it works.
    pub fn is_given(&self) -> bool {
        self.until.is_some()
    }

    /// Whether its rest is over for so long that nobody seems to want it any more.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now.saturating_duration_since(until) > Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_in_a_row_it_rests_and_then_one_may_try() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        for _ in 1..Rest::FAILURES {
            assert_eq!(rest.failed(start), Duration::ZERO);
            assert_eq!(rest.check(start), Ok(()));
            assert!(!rest.is_given());
        }
        assert_eq!(rest.failed(start), Rest::FIRST);
        assert!(rest.is_given());
        assert_eq!(rest.check(start), Err(Rest::FIRST));
        let over = start + Rest::FIRST;
        assert_eq!(rest.check(over), Ok(()), "one may try");
        assert_eq!(rest.check(over), Err(Rest::TRIAL), "and only one");
        assert_eq!(rest.failed(over), Rest::FIRST * 2);
        let over = over + Rest::FIRST * 2;
        assert_eq!(rest.check(over), Ok(()));
        rest.undecided();
        assert_eq!(rest.check(over), Ok(()), "the next may try");
        assert_eq!(rest.check(over + Rest::LONGEST), Ok(()), "one that never came back is no obstacle for ever");
    }

    #[test]
    fn rests_are_bounded_and_stale_in_the_end() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        let mut now = start;
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            longest = rest.failed(now);
            now += longest;
        }
        assert_eq!(longest, Rest::LONGEST);
        assert!(!rest.is_stale(now + Rest::LONGEST));
        assert!(rest.is_stale(now + Rest::LONGEST * 2));
    }

    #[test]
    fn failures_of_what_was_begun_before_lengthen_no_rest() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        for _ in 0..Rest::FAILURES {
            rest.failed(start);
        }
        let second = Duration::from_secs(1);
        for _ in 0..64 {
            assert_eq!(rest.failed(start + second), Rest::FIRST - second);
        }
        let over = start + Rest::FIRST;
        assert_eq!(rest.check(over), Ok(()));
        assert_eq!(rest.failed(over), Rest::FIRST * 2, "the trial's own");
    }
}
