//! AWS's rules for names, as far as a text alone shows them.

/// A rule for a text, and its description for errors.
pub(crate) struct Rule {
    pub(crate) allows: fn(&str) -> bool,
    pub(crate) expected: &'static str,
}

/// Any text but a blank one.
pub(super) const NOT_BLANK: Rule =
    Rule { allows: |text| !text.trim().is_empty(), expected: "a text that is not blank" };

/// `type` of an item.
pub(super) const TYPE: Rule = Rule { allows: |text| matches!(text, "cloudwatch" | "s3"), expected: "cloudwatch or s3" };

/// A region such as us-east-1, us-gov-west-1 or eusc-de-east-1.
pub(crate) const REGION: Rule = Rule { allows: is_region, expected: "an AWS region such as us-east-1" };

/// ARN of a role.
pub(crate) const ROLE: Rule = Rule {
    allows: |arn| role_account(arn).is_some(),
    expected: "the ARN of a role, arn:aws:iam::<12 digits>:role/<name>",
};

/// Name of a log group.
pub(super) const LOG_GROUP: Rule = Rule {
    allows: |name| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
        (1..=512).contains(&name.len()) && name.chars().all(allowed)
    },
    expected: "1 to 512 of the characters A-Z a-z 0-9 . - _ / #",
};

/// A bucket's name, as far as it can be one at all. AWS's rules for new buckets don't hold for
/// old ones in us-east-1 (255 characters, capitals, `_`), so S3 decides.
pub(crate) const BUCKET: Rule =
    Rule { allows: is_bucket, expected: "a bucket's name: 3 to 255 of the characters A-Z a-z 0-9 . - _" };

/// An AWS account.
pub(crate) const ACCOUNT: Rule = Rule { allows: is_account, expected: "an AWS account: twelve digits, in quotes" };

/// The part of a key that a prefix can be.
pub(crate) const PREFIX: Rule = Rule {
    allows: |prefix| prefix.len() <= 512 && !prefix.chars().any(char::is_control),
    expected: "at most 512 bytes without control characters",
};

fn is_region(text: &str) -> bool {
    let Some((area, number)) = text.rsplit_once('-') else {
        return false;
    };
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase());
    let digits = |d: &str| (1..=2).contains(&d.len()) && d.chars().all(|c| c.is_ascii_digit());
    text.len() <= 32 && area.contains('-') && area.split('-').all(word) && digits(number)
}

/// The account of a role's ARN, twelve digits; `None` if it isn't a role's ARN.
pub(super) fn role_account(arn: &str) -> Option<&str> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::")?;
    let (account, path) = rest.split_once(":role/")?;
    let in_partition = |c: char| c.is_ascii_lowercase() || c == '-';
    let in_path = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
    let name = path.rsplit('/').next()?;
    let valid = (partition == "aws" || partition.starts_with("aws-"))
        && partition.chars().all(in_partition)
        && is_account(account)
        && path.len() <= 576
        && path.chars().all(in_path)
        && (1..=64).contains(&name.len());
    valid.then_some(account)
}

fn is_bucket(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    // Dots alone are a way in a path, and no name.
    (3..=255).contains(&name.len()) && name.chars().all(allowed) && name.contains(|c| c != '.')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

/// The candidate that `found` most likely misspells, if one is near enough.
pub(super) fn nearest<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_lowercase().replace(['-', ' '], "_");
    let found = fold(found);
    candidates
        .map(|candidate| (distance(&found, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| distance * 4 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance; a text too long to be a slip is infinitely far.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX / 4;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = cost.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &Rule, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!((rule.allows)(text), "{text}");
        }
        for text in bad {
            assert!(!(rule.allows)(text), "{text}");
        }
    }

    #[test]
    fn regions() {
        let good = ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-12"];
        let bad =
            ["", "us-east", "us-1", "US-EAST-1", "us--east-1", "us-east-1a", "us-east-123", "us_east_1", "-us-east-1"];
        holds(&REGION, &good, &bad);
    }

    #[test]
    fn roles_and_their_accounts() {
        let good = [
            "arn:aws:iam::123456789012:role/logs",
            "arn:aws-us-gov:iam::123456789012:role/a/path/Logs_1+=,.@-",
            "arn:aws-cn:iam::000000000000:role/x",
        ];
        let bad = [
            "",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/path/",
            "arn:aws:iam::12345678901:role/logs",
            "arn:aws:iam::1234567890123:role/logs",
            "arn:aws:iam::12345678901x:role/logs",
            "arn:aws:iam:us-east-1:123456789012:role/logs",
            "arn:aws:iam::123456789012:user/logs",
            "arn:awsome:iam::123456789012:role/logs",
            "arn:gcp:iam::123456789012:role/logs",
            "arn:aws:iam::123456789012:role/lo gs",
            " arn:aws:iam::123456789012:role/logs",
        ];
        holds(&ROLE, &good, &bad);
        assert_eq!(role_account(good[0]), Some("123456789012"));
    }

    #[test]
    fn log_groups() {
        let (most, long) = ("g".repeat(512), "g".repeat(513));
        holds(&LOG_GROUP, &["/aws/a.b-c_d#1", "g", &most], &["", "a b", "a:b", "a*", "é", &long]);
    }

    #[test]
    fn buckets() {
        let (most, long) = ("b".repeat(255), "b".repeat(256));
        let bad = ["", "ab", "a/b", "a b", "a*b", "a:b", "é12", "...", "..", &long];
        holds(&BUCKET, &["abc", "my.logs-1", "1ab", "Logs", "My_Old.Logs", "-ab", "a..b", "192.168.0.1", &most], &bad);
    }

    #[test]
    fn accounts() {
        holds(&ACCOUNT, &["123456789012", "000000000000"], &["", "12345678901", "1234567890123", "12345678901x"]);
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["desired_logs", "groups", "bucket_name", "bucket_prefix"];
        let near = |found| nearest(found, names.into_iter());
        assert_eq!(near("desired_log"), Some("desired_logs"));
        assert_eq!(near("Desired-Logs"), Some("desired_logs"));
        assert_eq!(near("group"), Some("groups"));
        assert_eq!(near("bucketname"), Some("bucket_name"));
        assert_eq!(near("note"), None);
        assert_eq!(near(&"x".repeat(100)), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
