//! Buckets: which ones a message may name, and what is known of some for a while.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock;

/// Patterns of buckets' names, in which `*` stands for any characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPatterns(Vec<String>);

impl BucketPatterns {
    /// Patterns, of which one must fit.
    pub fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// Whether one of them fits a bucket's name.
    pub fn matches(&self, bucket: &str) -> bool {
        self.0.iter().any(|pattern| pattern_matches(pattern, bucket))
    }
}

/// What is before the first `*` begins the name, what is behind the last ends it, and
/// what is between two is found in between, each as early as it can be.
fn pattern_matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(begin) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_suffix(end) else { return false };
    let found =
        middle.split('*').try_fold(name, |left, part| left.find(part).and_then(|at| left.get(at + part.len()..)));
    found.is_some()
}

/// Buckets of which something was learned, such as that a permission is missing. It is
/// believed for a while ([`LearnedBuckets::TTL`]), since it may be mended.
#[derive(Debug, Default)]
pub struct LearnedBuckets(Mutex<BTreeMap<String, Instant>>);

impl LearnedBuckets {
    /// Buckets that are remembered; beyond that all is learned anew.
    pub const MAX_BUCKETS: usize = 1024;

    /// How long it is believed. Then one call asks again: it costs a call a bucket.
    pub const TTL: Duration = Duration::from_secs(10 * 60);

    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether it was learned of this one, not too long before `now`.
    pub fn has(&self, bucket: &str, now: Instant) -> bool {
        let buckets = lock(&self.0);
        buckets.get(bucket).is_some_and(|learned| now.saturating_duration_since(*learned) < Self::TTL)
    }

    /// It was learned of this one at `now`.
    pub fn learn(&self, bucket: &str, now: Instant) {
        let mut buckets = lock(&self.0);
        if buckets.len() >= Self::MAX_BUCKETS && !buckets.contains_key(bucket) {
            buckets.clear();
        }
        buckets.insert(bucket.to_owned(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_known_of_buckets_is_bounded() {
        let (buckets, now) = (LearnedBuckets::new(), Instant::now());
        (0..=LearnedBuckets::MAX_BUCKETS).for_each(|number| buckets.learn(&number.to_string(), now));
        assert!(!buckets.has("0", now) && buckets.has(&LearnedBuckets::MAX_BUCKETS.to_string(), now));
    }

    #[test]
    fn what_is_known_of_a_bucket_is_believed_for_a_while_and_learned_again() {
        let (buckets, start) = (LearnedBuckets::new(), Instant::now());
        let moment = Duration::from_millis(1);
        assert!(!buckets.has("b", start));
        buckets.learn("b", start);
        assert!(buckets.has("b", start + LearnedBuckets::TTL - moment) && !buckets.has("c", start));
        let over = start + LearnedBuckets::TTL;
        assert!(!buckets.has("b", over), "it is asked again");
        buckets.learn("b", over);
        assert!(buckets.has("b", over + LearnedBuckets::TTL - moment));
    }

    #[test]
    fn patterns() {
        let fit = |pattern: &str, bucket: &str| BucketPatterns::new(vec![pattern.to_owned()]).matches(bucket);
        for (pattern, good, bad) in [
            ("logs", "logs", "logs-1"),
            ("logs-*", "logs-", "log-s"),
            ("*-logs", "eu-logs", "eu-logs-1"),
            ("a*b*c", "a-bb-c", "a-c"),
            ("a*a", "aa", "a"),
            ("*ab*ab*", "abab", "aba"),
            ("*", "anything", "\u{0}"),
        ] {
            assert!(fit(pattern, good), "{pattern} {good}");
            assert!(pattern == "*" || !fit(pattern, bad), "{pattern} {bad}");
        }
        let several = BucketPatterns::new(vec!["a".to_owned(), "b*".to_owned()]);
        assert!(several.matches("a") && several.matches("bc") && !several.matches("c"));
    }

    proptest! {
        /// Against the definition, which tries all ways.
        #[test]
        fn patterns_mean_what_they_say(pattern in "[ab*]{0,6}", name in "[ab]{0,6}") {
            fn slow(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|at| slow(rest, &name[at..])),
                    Some((byte, rest)) => name.split_first().is_some_and(|(first, name)| first == byte && slow(rest, name)),
                }
            }
            prop_assert_eq!(pattern_matches(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
