//! Buckets: patterns of those that a message may name, and a set of those about which something was learned.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock;

/// Patterns of bucket names, in which `*` stands for any number of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPatterns(Vec<String>);

impl BucketPatterns {
    /// A bucket must match one of these patterns.
    pub fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// Whether one of the patterns matches a bucket's name.
    pub fn matches(&self, bucket: &str) -> bool {
        self.0.iter().any(|pattern| pattern_matches(pattern, bucket))
    }
}

/// Whether a pattern matches a name: the name begins with the text before the first `*`, ends
/// with the text after the last, and has the texts in between in their order, each as early
/// as possible.
fn pattern_matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(begin) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_suffix(end) else { return false };
    let found =
        middle.split('*').try_fold(name, |left, part| left.find(part).and_then(|at| left.get(at + part.len()..)));
    found.is_some()
}

/// Buckets about which one thing was learned, such as that a permission is missing. Each is
/// forgotten after [`LearnedBuckets::TTL`], since the permission may be granted meanwhile.
#[derive(Debug, Default)]
pub struct LearnedBuckets(Mutex<BTreeMap<String, Instant>>);

impl LearnedBuckets {
    /// The most buckets that are kept. Beyond that all are forgotten, and learned anew.
    pub const MAX_BUCKETS: usize = 1024;

    /// How long a bucket is kept. Learning again costs one call per bucket.
    pub const TTL: Duration = Duration::from_secs(10 * 60);

    /// An empty set.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether the bucket was learned less than the TTL before `now`.
    pub fn has(&self, bucket: &str, now: Instant) -> bool {
        let buckets = lock(&self.0);
        buckets.get(bucket).is_some_and(|learned| now.saturating_duration_since(*learned) < Self::TTL)
    }

    /// Adds a bucket that was learned at `now`.
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
