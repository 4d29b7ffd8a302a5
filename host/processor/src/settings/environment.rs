//! Variables that AWS's SDK and the TLS library read by themselves. They come from files
//! and secrets, whose last character is a newline as often as not; the SDK doesn't
//! expect that, and fails at the first call in words that say nothing, or panics. So
//! the keys are read here, without white space at their ends, and the others must be
//! as the SDK will use them. No value is ever shown: each may hold a secret.

use std::io::Read;

use super::reader::SettingsReader;
use model::StaticCredentials;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The format of a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueFormat {
    /// One line of anything: a name, a path, a word.
    Line,
    /// Printable US-ASCII, as a header can hold.
    Header,
    /// A word without white space, such as an address.
    Word,
    /// A URL that begins with `http://` or `https://`.
    Url,
    /// A path that begins with `/`.
    UrlPath,
}

/// All of these variables but the keys, with their formats.
const SDK_VARIABLES: [(&str, ValueFormat); 44] = [
    ("AWS_PROFILE", ValueFormat::Line),
    ("AWS_CONFIG_FILE", ValueFormat::Line),
    ("AWS_SHARED_CREDENTIALS_FILE", ValueFormat::Line),
    ("AWS_ROLE_ARN", ValueFormat::Word),
    ("AWS_ROLE_SESSION_NAME", ValueFormat::Word),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", ValueFormat::Line),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ValueFormat::UrlPath),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", ValueFormat::Url),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", ValueFormat::Header),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ValueFormat::Line),
    ("AWS_EC2_METADATA_DISABLED", ValueFormat::Word),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", ValueFormat::Url),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", ValueFormat::Word),
    ("AWS_ENDPOINT_URL", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_S3", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_SQS", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_STS", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_DYNAMODB", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_CLOUDWATCH", ValueFormat::Url),
    ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", ValueFormat::Url),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ValueFormat::Word),
    ("AWS_USE_FIPS_ENDPOINT", ValueFormat::Word),
    ("AWS_USE_DUALSTACK_ENDPOINT", ValueFormat::Word),
    ("AWS_ACCOUNT_ID", ValueFormat::Word),
    ("AWS_ACCOUNT_ID_ENDPOINT_MODE", ValueFormat::Word),
    ("AWS_AUTH_SCHEME_PREFERENCE", ValueFormat::Line),
    ("AWS_SIGV4A_SIGNING_REGION_SET", ValueFormat::Line),
    ("AWS_DISABLE_REQUEST_COMPRESSION", ValueFormat::Word),
    ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", ValueFormat::Word),
    ("AWS_MAX_ATTEMPTS", ValueFormat::Word),
    ("AWS_RETRY_MODE", ValueFormat::Word),
    ("AWS_SDK_UA_APP_ID", ValueFormat::Header),
    ("AWS_EXECUTION_ENV", ValueFormat::Header),
    ("HTTP_PROXY", ValueFormat::Word),
    ("http_proxy", ValueFormat::Word),
    ("HTTPS_PROXY", ValueFormat::Word),
    ("https_proxy", ValueFormat::Word),
    ("ALL_PROXY", ValueFormat::Word),
    ("all_proxy", ValueFormat::Word),
    ("NO_PROXY", ValueFormat::Line),
    ("no_proxy", ValueFormat::Line),
    ("SSL_CERT_FILE", ValueFormat::Line),
    ("SSL_CERT_DIR", ValueFormat::Line),
    ("AWS_CA_BUNDLE", ValueFormat::Line),
];

/// Variables that name files with a token and nothing else; the SDK sends everything that they
/// hold.
const TOKEN_FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

/// The most bytes of such a file that are read: no token is as long.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Checks all variables; returns the keys if both are set.
pub(super) fn read(reader: &mut SettingsReader<'_>) -> Option<StaticCredentials> {
    for (name, form) in SDK_VARIABLES {
        let Some(value) = reader.raw(name).filter(|value| !value.is_empty()) else { continue };
        if let Some(problem) = form.problem(&value) {
            reader.add_problem_named(name, format!(" {problem} (it is not shown); correct it, or unset it"));
        }
    }
    for name in TOKEN_FILES {
        if reader.raw(name).is_some_and(|path| has_outer_whitespace(&path)) {
            let what = "names a file whose token begins or ends with white space, such as a newline, with which it may \
                        be refused; remove it";
            reader.add_warning(format!("{name} {what}"));
        }
    }
    let (id, secret, token) =
        (read_key(reader, ACCESS_KEY_ID), read_key(reader, SECRET_ACCESS_KEY), read_key(reader, SESSION_TOKEN));
    Some(StaticCredentials { id: id?, secret: secret?, token })
}

/// Whether a file begins or ends with white space. One that can't be read is the SDK's to
/// complain about, if it needs it.
fn has_outer_whitespace(path: &str) -> bool {
    // A pipe would wait for a writer.
    if !std::fs::metadata(path).is_ok_and(|file| file.is_file()) {
        return false;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok();
    let read = file.is_some_and(|file| file.take(MAX_TOKEN_BYTES).read_to_end(&mut bytes).is_ok());
    read && bytes.trim_ascii().len() < bytes.len()
}

/// Reads a part of the keys, without white space at its ends. White space alone counts as
/// unset.
fn read_key(reader: &mut SettingsReader<'_>, name: &'static str) -> Option<String> {
    let value = reader.raw(name)?.trim().to_owned();
    if let Some(problem) = ValueFormat::Word.problem(&value) {
        reader.add_problem_named(name, format!(" {problem} (it is not shown); set it as AWS gave it"));
    }
    Some(value).filter(|value| !value.is_empty())
}

impl ValueFormat {
    /// What is wrong with a value, to follow the variable's name.
    fn problem(self, value: &str) -> Option<&'static str> {
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Some("is not UTF-8");
        }
        if value.trim() != value {
            return Some("begins or ends with white space, such as a newline");
        }
        if value.contains(char::is_control) {
            return Some("holds a control character, such as a newline");
        }
        // Quotes that `docker --env-file` and others leave in; no value here begins with one.
        if value.starts_with(['"', '\'']) {
            return Some("begins with a quotation mark, which belongs to the value there");
        }
        let is_ascii = |from: u8| value.bytes().all(|byte| (from..=b'~').contains(&byte));
        let http = || value.starts_with("http://") || value.starts_with("https://");
        match self {
            Self::Line => None,
            Self::Header => (!is_ascii(b' ')).then_some("holds a character that is not US-ASCII"),
            Self::Word | Self::Url | Self::UrlPath if !is_ascii(b'!') => {
                Some("holds white space, or a character that is not US-ASCII")
            }
            Self::Url => (!http()).then_some("is no address that begins with http:// or https://"),
            Self::UrlPath => (!value.starts_with('/')).then_some("is no path that begins with a slash"),
            Self::Word => None,
        }
    }
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SDK_VARIABLES.into_iter().map(|(name, _)| name).chain([ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Purpose, SettingsError};

    fn keys_of(pairs: &[(&str, &str)]) -> Result<Option<StaticCredentials>, SettingsError> {
        let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let mut reader = SettingsReader::new(&lookup);
        let keys = read(&mut reader);
        reader.finish(Purpose::AnyMode).map(|_| keys)
    }

    #[test]
    fn keys_lose_the_white_space_at_their_ends() {
        let expected =
            StaticCredentials { id: "AKIA1".to_owned(), secret: "se/cr+et=".to_owned(), token: Some("tok".to_owned()) };
        for end in ["", "\n", " ", "\r\n", "\t \n"] {
            let [id, secret, token] =
                ["AKIA1", "se/cr+et=", "tok"].map(|part| format!("{}{part}{end}", end.replace('\n', "")));
            assert_eq!(
                keys_of(&[(ACCESS_KEY_ID, &id), (SECRET_ACCESS_KEY, &secret), (SESSION_TOKEN, &token)]),
                Ok(Some(expected.clone()))
            );
        }
        let without = StaticCredentials { token: None, ..expected };
        for none in ["", "\n"] {
            assert_eq!(
                keys_of(&[(ACCESS_KEY_ID, "AKIA1"), (SECRET_ACCESS_KEY, "se/cr+et="), (SESSION_TOKEN, none)]),
                Ok(Some(without.clone()))
            );
            assert_eq!(keys_of(&[(ACCESS_KEY_ID, "AKIA1"), (SECRET_ACCESS_KEY, none)]), Ok(None));
        }
        assert_eq!(keys_of(&[]), Ok(None));
        assert!(!format!("{without:?}").contains("AKIA1"));
    }

    #[test]
    fn a_token_s_file_with_a_newline_is_warned_about_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for name in TOKEN_FILES {
            let warnings = |text: &str| {
                std::fs::write(&path, text).unwrap();
                let lookup = |asked: &str| (asked == name).then(|| path.display().to_string());
                let mut reader = SettingsReader::new(&lookup);
                assert_eq!(read(&mut reader), None);
                reader.finish(Purpose::AnyMode).unwrap()
            };
            assert_eq!(warnings("hunter2"), [""; 0]);
            let [warning] = warnings("hunter2\n").try_into().unwrap();
            assert!(warning.contains(name) && !warning.contains("hunter2"), "{warning}");
            std::fs::remove_file(&path).unwrap();
            let lookup = |asked: &str| (asked == name).then(|| path.display().to_string());
            let mut reader = SettingsReader::new(&lookup);
            assert!(read(&mut reader).is_none() && reader.finish(Purpose::AnyMode).unwrap().is_empty());
        }
    }

    /// Each variable, with each kind of slip that a file or a secret brings: refused by
    /// its name, and its value never shown.
    #[test]
    fn what_the_sdk_could_not_use_is_refused_by_name_and_not_shown() {
        let good = |form| match form {
            ValueFormat::Url => "https://hunter2",
            ValueFormat::UrlPath => "/hunter2",
            _ => "hunter2",
        };
        for (name, form) in SDK_VARIABLES {
            let good = good(form);
            assert_eq!(keys_of(&[(name, good)]), Ok(None), "{name}");
            assert_eq!(keys_of(&[(name, "")]), Ok(None), "{name}");
            let ends = [format!("{good}\n"), format!("{good}\r\n"), format!("{good}\t"), format!(" {good}")];
            let within = [format!("{good}\nx"), format!("{good}\u{fffd}"), format!("\"{good}\""), format!("'{good}'")];
            for slip in ends.iter().chain(&within).map(String::as_str).chain(["\n", "\u{0}"]) {
                let error = keys_of(&[(name, slip)]).unwrap_err();
                assert_eq!(error.problems.len(), 1, "{name} {slip:?}: {error}");
                let text = format!("{error} {error:?}");
                assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
            }
        }
        for (name, value) in [
            (ACCESS_KEY_ID, "AK IA"),
            (SECRET_ACCESS_KEY, "hunter2\nhunter2"),
            (SESSION_TOKEN, "h\u{fffd}unter2"),
            (SECRET_ACCESS_KEY, "hünter2"),
            (ACCESS_KEY_ID, "\"AKIA1\""),
            (SECRET_ACCESS_KEY, "'hunter2'\n"),
            ("AWS_ENDPOINT_URL", "localhost:4566"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://host/x"),
            ("AWS_SDK_UA_APP_ID", "ä"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1 2"),
        ] {
            let error = keys_of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains(value), "{error}");
        }
    }
}
