//! Parsers of values that aren't just numbers.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::aws::BucketOwnerSetting;
use crate::tenant::rules::{ACCOUNT, BUCKET, PREFIX, REGION, ROLE, Rule};
use model::BucketPatterns;

/// DEAD_LETTER: the place for dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterSetting {
    /// No place, by default.
    Unset,
    /// No place, on request.
    None,
    /// No place: anything that needs a dead letter fails to the queue's own dead-letter queue.
    Fail,
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Ends in `/`, or is empty.
        prefix: String,
    },
}

impl DeadLetterSetting {
    /// The warning about a setting that loses records, a sentence.
    pub fn warning(&self) -> Option<&'static str> {
        matches!(self, Self::Unset).then_some(
            "DEAD_LETTER is not set: what can never be delivered is counted and dropped (events that CloudWatch Logs \
             refuses, malformed lines, what follows damage, messages that are no notification); set it to \
             s3://bucket/prefix or a folder that keeps it, to fail, which leaves it to the queue's dead-letter queue, \
             or to none",
        )
    }
}

/// Whether a text means that there shall be nothing, for a variable that has a default or
/// names a place.
fn means_none(text: &str) -> bool {
    text.eq_ignore_ascii_case("none") || text.eq_ignore_ascii_case("off")
}

fn matching(rule: &Rule, text: &str) -> Option<String> {
    (rule.allows)(text).then(|| text.to_owned())
}

pub(super) fn region(text: &str) -> Option<String> {
    matching(&REGION, text)
}

pub(super) fn role(text: &str) -> Option<String> {
    matching(&ROLE, text)
}

pub(super) fn bucket(text: &str) -> Option<String> {
    matching(&BUCKET, text)
}

pub(super) fn account(text: &str) -> Option<String> {
    matching(&ACCOUNT, text)
}

/// Parses the required owner of an operator's bucket.
pub(super) fn owner(text: &str) -> Option<BucketOwnerSetting> {
    match text {
        "any" => Some(BucketOwnerSetting::Anybody),
        _ => account(text).map(BucketOwnerSetting::Account),
    }
}

/// Parses patterns of buckets, separated by commas.
pub(super) fn bucket_patterns(text: &str) -> Option<BucketPatterns> {
    let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_*".contains(c);
    let patterns: Vec<String> = patterns.map(str::to_owned).collect();
    let good = |pattern: &String| pattern.len() <= 255 && pattern.chars().all(allowed);
    (!patterns.is_empty() && patterns.iter().all(good)).then(|| BucketPatterns::new(patterns))
}

/// Parses a table's name or ARN; DynamoDB takes either.
pub(super) fn table(text: &str) -> Option<String> {
    let name = match text.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":dynamodb:")?.1.split_once(":table/")?.1,
        None => text,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    ((3..=255).contains(&name.len()) && name.chars().all(allowed)).then(|| text.to_owned())
}

/// Parses a queue's URL. User info in it is refused: it would end up in logs.
pub(super) fn queue_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, queue) = rest.split_once('/')?;
    let plain = !text.contains(['@', '?', '#']) && text.chars().all(|c| c.is_ascii_graphic());
    (plain && !host.is_empty() && !queue.trim_matches('/').is_empty()).then(|| text.to_owned())
}

pub(super) fn suffixes(text: &str) -> Option<Vec<String>> {
    let suffixes = text.split(',').map(str::trim).filter(|suffix| !suffix.is_empty());
    Some(suffixes.map(str::to_owned).collect()).filter(|all: &Vec<_>| !all.is_empty())
}

pub(super) fn dead_letter(text: &str) -> Option<DeadLetterSetting> {
    if means_none(text) {
        return Some(DeadLetterSetting::None);
    }
    if text.eq_ignore_ascii_case("fail") {
        return Some(DeadLetterSetting::Fail);
    }
    let Some(place) = text.strip_prefix("s3://") else {
        // Another scheme is a mistake, not a folder.
        let folder = !text.contains("://") && !text.contains('\0');
        return folder.then(|| DeadLetterSetting::Folder(text.into()));
    };
    let (bucket, prefix) = bucket_and_prefix(place)?;
    Some(DeadLetterSetting::S3 { bucket, prefix })
}

/// Parses bucket, and prefix that ends in `/` or is empty, from what follows `s3://`.
fn bucket_and_prefix(place: &str) -> Option<(String, String)> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let end = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    Some((matching(&BUCKET, bucket)?, matching(&PREFIX, prefix)? + end))
}

pub(super) fn s3_place(text: &str) -> Option<(String, String)> {
    bucket_and_prefix(text.strip_prefix("s3://")?)
}

pub(super) fn path(text: &str) -> Option<PathBuf> {
    // A scheme is a mistake, not a path.
    (!text.contains("://") && !text.contains('\0')).then(|| text.into())
}

/// Parses HTTP_ADDR; the inner `None` means no server.
pub(super) fn http_addr(text: &str) -> Option<Option<SocketAddr>> {
    if means_none(text) {
        return Some(None);
    }
    match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}").parse().ok().map(Some),
        None => text.parse().ok().map(Some),
    }
}

/// Every number that ends up here is bounded by its range; where a usize is smaller
/// than that, the largest usize is as good a limit.
pub(super) fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
