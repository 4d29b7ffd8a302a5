//! The user metadata that names an object's source.
//!
//! S3 takes printable US-ASCII there, and 2 KB in all. `%`, every byte that is not
//! printable, and a space at either end (which HTTP takes off) are percent-encoded,
//! so that every value can be undone the same way. Where it is too much, the longest
//! values are cut between characters, and `truncated` names them.

use super::target::Target;

/// The most bytes of all names and values. Source: the S3 user guide, object metadata.
const MAX_BYTES: usize = 2 * 1024;

/// The name of the entry that lists what was cut.
const TRUNCATED: &str = "truncated";

/// The names and values, within S3's limit.
pub(super) fn user_metadata(target: &Target) -> Vec<(String, String)> {
    let Target { source, origin, now, .. } = target;
    let now = now.to_string();
    let values: [(&str, &str); 6] = [
        ("source-bucket", &source.bucket),
        ("source-key", &source.key),
        ("tenant-id", &origin.tenant_id),
        ("application", &origin.application),
        ("pod-name", &origin.pod_name),
        ("delivery-timestamp", &now),
    ];
    fit(values.iter().map(|(name, value)| MetadataValue { name, value: encode(value), cut: false }).collect())
}

struct MetadataValue<'a> {
    name: &'a str,
    /// The encoded value, a piece per character.
    value: Vec<String>,
    cut: bool,
}

impl MetadataValue<'_> {
    fn len(&self) -> usize {
        self.value.iter().map(String::len).sum()
    }

    /// Cuts at least so many bytes off, but keeps half.
    fn shorten(&mut self, bytes: usize) {
        let (mut left, least) = (self.len(), self.len() / 2);
        let most = left.saturating_sub(bytes);
        self.cut = true;
        while left > most && left > least {
            left -= self.value.pop().map_or(left, |last| last.len());
        }
        // A space that came to stand at the end would be taken off.
        while self.value.pop_if(|last| last == " ").is_some() {}
    }
}

fn fit(mut values: Vec<MetadataValue<'_>>) -> Vec<(String, String)> {
    loop {
        let cut: Vec<&str> = values.iter().filter(|value| value.cut).map(|value| value.name).collect();
        let truncated = (!cut.is_empty()).then(|| (TRUNCATED.to_owned(), cut.join(",")));
        let pairs = values.iter().map(|value| (value.name.to_owned(), value.value.concat())).chain(truncated);
        let pairs: Vec<_> = pairs.collect();
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let longest = values.iter_mut().max_by_key(|value| value.len()).filter(|value| value.len() > 0);
        match longest {
            Some(longest) if bytes > MAX_BYTES => longest.shorten(bytes - MAX_BYTES),
            _ => return pairs,
        }
    }
}

fn encode(value: &str) -> Vec<String> {
    let last = value.len().saturating_sub(1);
    let encoded = |(at, c): (usize, char)| match c {
        ' ' if at != 0 && at != last => c.to_string(),
        '!'..='~' if c != '%' => c.to_string(),
        _ => c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect(),
    };
    value.char_indices().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    fn get<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
        pairs.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn plain_values_stay_as_they_are() {
        let expected = [
            ("source-bucket", "central"),
            ("source-key", "c/n/a/p/f 1.json.gz"),
            ("tenant-id", "n"),
            ("application", "a"),
            ("pod-name", "p"),
            ("delivery-timestamp", "1795428000"),
        ];
        assert_eq!(
            user_metadata(&target("c/n/a/p/f 1.json.gz")),
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn what_is_no_printable_ascii_is_encoded() {
        let pairs = user_metadata(&target(" ü%\n\u{7f}~ x "));
        assert_eq!(get(&pairs, "source-key"), Some("%20%C3%BC%25%0A%7F~ x%20"));
    }

    #[test]
    fn what_is_too_long_is_cut_and_named() {
        let mut long = target(&"ü".repeat(512));
        let pairs = user_metadata(&long);
        assert_eq!(get(&pairs, "truncated"), Some("source-key"));
        let key = get(&pairs, "source-key").unwrap();
        assert_eq!(key, "%C3%BC".repeat(key.len() / 6), "cut between characters");
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!((2048 - 6..=2048).contains(&bytes), "{bytes}");
        long.origin.pod_name = "p".repeat(4000);
        let pairs = user_metadata(&long);
        assert_eq!(get(&pairs, "truncated"), Some("source-key,pod-name"));
        assert!(get(&pairs, "pod-name").unwrap().len() > 400 && get(&pairs, "source-key").unwrap().len() > 400);
    }

    proptest! {
        #[test]
        fn s3_takes_it_and_it_can_be_undone(key in "(\\PC|[ %\\x00-\\x7f]){0,600}", pod in "\\PC{0,300}") {
            let mut target = target(&key);
            target.origin.pod_name = pod.clone();
            let pairs = user_metadata(&target);
            prop_assert!(pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= 2048);
            for (_, value) in &pairs {
                prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
                prop_assert_eq!(value.trim(), value);
            }
            for (name, from) in [("source-key", key), ("pod-name", pod)] {
                let value = percent_decode_str(get(&pairs, name).unwrap()).decode_utf8().unwrap();
                if get(&pairs, "truncated").is_some_and(|cut| cut.split(',').any(|cut| cut == name)) {
                    prop_assert!(from.starts_with(&*value));
                } else {
                    prop_assert_eq!(value, from);
                }
            }
        }
    }
}
