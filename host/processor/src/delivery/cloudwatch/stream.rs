//! Names of log streams: a pod's name where AWS takes it, else one that stands for it.
//!
//! - A name that AWS takes (1 to 512 characters, no `:` and no `*`) stays as it is.
//! - Every other one becomes `%-` and the name with `%`, `:` and `*` percent-encoded;
//!   so does one that begins with `%-` or `%~`, which stand for something else.
//! - Where that is too long it becomes `%~`, as many of its first characters (encoded)
//!   as fit, `~`, and the SHA-256 of the whole name in hex. The name can't be read
//!   back from this one: AWS has no room for it.
//!
//! Different names stay different.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Characters of a stream's name. Counted in UTF-16, where AWS could count more
/// than in code points. Source: API_CreateLogStream.
const MAX_CHARACTERS: usize = 512;

/// Begins a name that is encoded.
const ENCODED: &str = "%-";
/// Begins a name that is encoded and cut.
const CUT: &str = "%~";
/// Characters of a hash, and the `~` before it.
const HASH_CHARACTERS: usize = 65;

/// The name of the stream for a pod's name.
pub fn name(pod: &str) -> Cow<'_, str> {
    let reserved = pod.starts_with(ENCODED) || pod.starts_with(CUT);
    if !reserved && !pod.is_empty() && !pod.contains([':', '*']) && count_characters(pod) <= MAX_CHARACTERS {
        return Cow::Borrowed(pod);
    }
    let encoded: String = ENCODED.chars().chain(pod.chars().flat_map(encode)).collect();
    Cow::Owned(if count_characters(&encoded) <= MAX_CHARACTERS { encoded } else { shorten(pod) })
}

fn shorten(pod: &str) -> String {
    let mut room = MAX_CHARACTERS - CUT.len() - HASH_CHARACTERS;
    let mut name = CUT.to_owned();
    for encoded in pod.chars().map(|c| encode(c).collect::<String>()) {
        let needs = count_characters(&encoded);
        if needs > room {
            break;
        }
        room -= needs;
        name.push_str(&encoded);
    }
    format!("{name}~{:x}", Sha256::digest(pod.as_bytes()))
}

fn encode(c: char) -> impl Iterator<Item = char> {
    let encoded = match c {
        '%' => "%25",
        ':' => "%3A",
        '*' => "%2A",
        _ => "",
    };
    encoded.chars().chain(encoded.is_empty().then_some(c))
}

fn count_characters(name: &str) -> usize {
    name.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    /// The pod's name that a stream's name stands for; `None` if it was cut, or is no name
    /// that [`name`] gives.
    fn decode(stream: &str) -> Option<String> {
        let pod = match stream.strip_prefix(ENCODED) {
            Some(encoded) => percent_decode_str(encoded).decode_utf8().ok()?,
            None => Cow::Borrowed(stream),
        };
        (name(&pod) == stream).then(|| pod.into_owned())
    }

    fn aws_takes(name: &str) -> bool {
        (1..=512).contains(&name.encode_utf16().count()) && !name.contains([':', '*'])
    }

    #[test]
    fn a_name_that_aws_takes_stays() {
        for pod in ["api-7d4b9c-x2x1z", "é 100% %3A", "%", "a/b[c]", &"x".repeat(512)] {
            assert_eq!(name(pod), pod);
            assert_eq!(decode(pod).as_deref(), Some(pod));
        }
    }

    #[test]
    fn other_names_are_encoded_so_that_they_can_be_read() {
        for (pod, stream) in
            [("a:b*c%d", "%-a%3Ab%2Ac%25d"), ("", "%-"), ("%-a", "%-%25-a"), ("%~a", "%-%25~a"), (":", "%-%3A")]
        {
            assert_eq!(name(pod), stream);
            assert_eq!(decode(stream).as_deref(), Some(pod));
        }
        for none in ["%-a", "%-%3a", "%-%zz", "%-%FF", "a:b", "", "%~x"] {
            assert_eq!(decode(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_and_ends_in_a_hash() {
        let (a, b) = ("🦀:".repeat(300) + "a", "🦀:".repeat(300) + "b");
        let (a, b) = (name(&a), name(&b));
        assert!(aws_takes(&a) && a != b, "{a}");
        assert!(a.starts_with("%~🦀%3A🦀%3A"));
        assert_eq!(a.encode_utf16().count(), 512);
        assert_eq!(decode(&a), None);
        let plain = "x".repeat(513);
        let hash = format!("{:x}", Sha256::digest(plain.as_bytes()));
        assert_eq!(name(&plain), format!("%~{}~{hash}", "x".repeat(445)));
    }

    /// Names that try: what is encoded, what looks encoded, and long ones.
    fn pod() -> impl Strategy<Value = String> {
        prop_oneof!["[%:*~\\-3A25a]{0,8}", "%[-~][%:*a]{0,6}", "\\PC{0,20}", "[a:]{160,200}", "(ab|🦀|%){240,300}"]
    }

    proptest! {
        #[test]
        fn aws_takes_every_name_and_it_can_be_undone(pod in pod()) {
            let stream = name(&pod);
            prop_assert!(aws_takes(&stream), "{stream}");
            if !stream.starts_with(CUT) {
                prop_assert_eq!(decode(&stream), Some(pod));
            }
        }

        #[test]
        fn what_differs_stays_different(a in pod(), b in pod()) {
            prop_assume!(a != b);
            prop_assert_ne!(name(&a), name(&b));
        }

        #[test]
        fn a_change_of_one_character_shows(a in pod(), at in any::<prop::sample::Index>(), c in "[%:*~\\-3A25a]") {
            let mut chars: Vec<char> = a.chars().collect();
            let at = at.index(chars.len() + 1);
            chars.splice(at..at, c.chars());
            let b: String = chars.into_iter().collect();
            prop_assert_ne!(name(&a), name(&b));
        }
    }
}
