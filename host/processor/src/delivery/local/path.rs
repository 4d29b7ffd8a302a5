//! Maps names that AWS allows to names that a file system allows: no part of a key, group or
//! stream leads out of the output folder, and different names stay different.
//!
//! Two kinds of names may meet all the same: log groups that differ only by a leading
//! slash (the tenant file refuses them in one account and region), and, on a file
//! system that folds case or forms of Unicode, names that differ only by those.

use std::path::PathBuf;

use super::stable_hash;

/// The most bytes of an encoded name; file systems take 255, and an extension must fit too.
const MAX_NAME_BYTES: usize = 200;

/// One part of a path. `%`, `/`, `\`, control characters, a whole `.` or `..`, and
/// an empty name are percent-encoded; a name too long for a file is cut and told
/// apart by a hash of all of it.
pub(in crate::delivery) fn segment(name: &str) -> String {
    let encoded = match name {
        // No encoded byte begins with these two letters, so it stands for nothing else.
        "" => "%empty".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => encode(name),
    };
    shorten(encoded, name)
}

/// A log group as folders; a leading slash adds nothing.
pub(super) fn group(name: &str) -> PathBuf {
    folders(name.strip_prefix('/').unwrap_or(name))
}

/// An S3 key as folders and, last, a file.
pub(super) fn key(key: &str) -> PathBuf {
    key.split('/').map(segment).collect()
}

/// A name with `/` as folders alone. The last dot of a folder that ends as the files
/// of this output do is encoded, so that no folder can be where such a file must be.
pub(in crate::delivery) fn folders(name: &str) -> PathBuf {
    name.split('/').map(|part| folder(segment(part))).collect()
}

fn folder(mut segment: String) -> String {
    let lower = segment.to_ascii_lowercase();
    if (lower.ends_with(".ndjson") || lower.ends_with(".jsonl"))
        && let Some(dot) = segment.rfind('.')
    {
        segment.replace_range(dot..=dot, "%2E");
    }
    segment
}

fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '%' || c == '/' || c == '\\' || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        } else {
            encoded.push(c);
        }
    }
    encoded
}

fn shorten(mut encoded: String, name: &str) -> String {
    if encoded.len() <= MAX_NAME_BYTES {
        return encoded;
    }
    // `%~` is no encoded byte, so no short name looks like a long one that was cut.
    let ending = format!("%~{:032x}", stable_hash([name.as_bytes()]));
    encoded.truncate(encoded.floor_char_boundary(MAX_NAME_BYTES - ending.len()));
    encoded + &ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(segment("kube-apiserver-0.é_日本"), "kube-apiserver-0.é_日本");
        assert_eq!(group("/aws/logs/prod"), PathBuf::from("aws/logs/prod"));
        assert_eq!(key("ROSA/a/b.json.gz"), PathBuf::from("ROSA/a/b.json.gz"));
    }

    #[test]
    fn what_could_lead_astray_is_encoded() {
        for (name, encoded) in [
            ("", "%empty"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "..."),
            ("a/b", "a%2Fb"),
            ("a\\b", "a%5Cb"),
            ("100%", "100%25"),
            ("%2E", "%252E"),
            ("a\0b\n\u{85}", "a%00b%0A%C2%85"),
        ] {
            assert_eq!(segment(name), encoded);
        }
        assert_eq!(group("//a//../b"), PathBuf::from("%empty/a/%empty/%2E%2E/b"));
        assert_eq!(key("/a/"), PathBuf::from("%empty/a/%empty"));
    }

    #[test]
    fn no_folder_of_a_group_can_be_a_streams_file() {
        assert_eq!(group("a/b.ndjson"), PathBuf::from("a/b%2Endjson"));
        assert_eq!(group("x.batches.JSONL/y"), PathBuf::from("x.batches%2EJSONL/y"));
        assert_eq!(key("a/b.ndjson"), PathBuf::from("a/b.ndjson"));
    }

    #[test]
    fn long_names_are_cut_and_kept_apart() {
        let a = segment(&("é".repeat(300) + "a"));
        let b = segment(&("é".repeat(300) + "b"));
        assert!(a.len() <= MAX_NAME_BYTES && b.len() <= MAX_NAME_BYTES);
        assert_ne!(a, b);
        assert_ne!(segment(&a), a, "a name that looks like a cut one");
        assert_eq!(segment(&"x".repeat(MAX_NAME_BYTES)), "x".repeat(MAX_NAME_BYTES));
    }

    /// Names that try: dots, slashes, percent signs, endings, and long ones.
    fn name() -> impl Strategy<Value = String> {
        let part =
            prop_oneof!["[./%\\\\a2Ee\0~]{0,6}", "[ab]{0,2}\\.(ndjson|jsonl|NDJSON)", "\\PC{0,4}", "(ab|%){90,130}"];
        proptest::collection::vec(part, 0..4).prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #[test]
        fn nothing_escapes_and_every_part_fits(name in name()) {
            for path in [group(&name), key(&name), PathBuf::from(segment(&name))] {
                prop_assert!(!path.as_os_str().is_empty());
                for component in path.components() {
                    match component {
                        Component::Normal(part) => prop_assert!(part.len() <= MAX_NAME_BYTES + 2),
                        other => prop_assert!(false, "{other:?} of {name:?}"),
                    }
                }
            }
        }

        #[test]
        fn what_differs_stays_different(a in name(), b in name()) {
            prop_assume!(a != b);
            prop_assert_ne!(segment(&a), segment(&b));
            prop_assert_ne!(key(&a), key(&b));
            let bare = |name: &str| name.strip_prefix('/').unwrap_or(name).to_owned();
            prop_assert_eq!(group(&a) == group(&b), bare(&a) == bare(&b));
        }

        #[test]
        fn a_change_of_one_character_shows(a in name(), at in any::<prop::sample::Index>(), c in "[./%\\\\a2Ee\0~]") {
            let mut chars: Vec<char> = a.chars().collect();
            let at = at.index(chars.len() + 1);
            chars.splice(at..at, c.chars());
            let b: String = chars.into_iter().collect();
            prop_assert_ne!(segment(&a), segment(&b));
            prop_assert_ne!(key(&a), key(&b));
        }
    }
}
