//! What an item, or the operator's environment, says about a component: which one,
//! how it is known, what it is given, what happens when it fails.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::hex::hex;

/// SHA-256 of a component's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digits of a shortened digest: enough to tell a tenant's components apart.
    const SHORT: usize = 12;

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The first twelve digits, as labels and log lines have them.
    pub fn short(&self) -> String {
        Self::shorten(&hex(&self.0)).to_owned()
    }

    /// The first twelve digits of a digest in hexadecimal digits, as [`Digest::short`]; a
    /// shorter text stays as it is.
    pub fn shorten(digits: &str) -> &str {
        digits.get(..Self::SHORT).unwrap_or(digits)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// A text is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256: 64 hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// 64 hexadecimal digits, with or without `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(ParseDigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(ParseDigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// Where a component lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ComponentRef {
    /// `s3://bucket/key`, read with the processor's own credentials.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// `oci://registry/name@sha256:…`: an artifact's manifest, by digest.
    Oci {
        /// Host, and port where it has one.
        registry: String,
        /// Repository.
        name: String,
        /// Of the manifest.
        manifest: Digest,
    },
    /// `file:path`.
    File(PathBuf),
}

impl fmt::Display for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Oci { registry, name, manifest } => write!(f, "oci://{registry}/{name}@sha256:{manifest}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Where components may come from: all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AllowedSource {
    /// Keys of a bucket that begin with `prefix`, which ends in `/` or is empty.
    S3 {
        /// Bucket.
        bucket: String,
        /// Ends in `/`, or is empty.
        prefix: String,
    },
    /// Repositories of a registry, of this name or below it; empty: all.
    Oci {
        /// Host, and port where it has one.
        registry: String,
        /// Repository, without `/` at its end.
        name: String,
    },
    /// Files below a folder, links followed.
    Folder(PathBuf),
}

/// What happens when a component fails: by its own fault, or because it can't be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The delivery fails and is tried again.
    #[default]
    Retry,
    /// The lines that it fails on are dead-lettered, the others delivered. What
    /// can't be loaded is as with `Retry`.
    Quarantine,
    /// The default guest goes on alone: records go out unfiltered.
    Default,
}

impl OnError {
    /// As items have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Quarantine => "quarantine",
            Self::Default => "default",
        }
    }
}

/// What an instance of a component may use. The operator's, or lower.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Linear memory, all memories of the component together, in bytes.
    pub memory_bytes: usize,
    /// Fuel (about one a wasm instruction, one a byte of bulk operations) for each MiB of input.
    pub fuel_per_mib: u64,
    /// Fuel for a component's start, and for each call whose input is no log lines.
    pub start_fuel: u64,
    /// Bytes of messages or lines that a call may return for each byte of its input.
    pub output_ratio: usize,
    /// Bytes of messages or lines that a call may return, whatever its input.
    pub output_bytes: usize,
    /// Events or lines that a call may return, whatever its input.
    pub output_events: usize,
    /// Bytes of one message or line.
    pub message_bytes: usize,
    /// Bytes of input that may be held back (`pending-from`) over all calls.
    pub held_back_bytes: usize,
    /// Lines that are kept of a guest's log for an object; more are counted and dropped.
    pub log_lines: u64,
    /// Bytes that are kept of a guest's log for an object.
    pub log_bytes: usize,
    /// Time at work that a call may take. Whoever meets it is tried again: it says
    /// nothing about the guest.
    pub call_time: Duration,
    /// Bytes of the component itself.
    pub component_bytes: u64,
}

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

impl Limits {
    /// What the operator's settings are by default, for lines of 16 MiB.
    pub const DEFAULT: Self = Self {
        memory_bytes: 64 * MIB,
        // Measured over a chunk of Kubernetes logs: the default guest takes about 20
        // million a MiB, a rewriter in JavaScript (QuickJS in wasm) that parses and
        // prints each record 1.5 billion.
        fuel_per_mib: 8_000_000_000,
        start_fuel: 1_000_000_000,
        output_ratio: 16,
        output_bytes: 64 * MIB,
        output_events: 1_000_000,
        message_bytes: 16 * MIB,
        held_back_bytes: 33 * MIB,
        log_lines: 100,
        log_bytes: 64 * 1024,
        call_time: Duration::from_secs(60),
        component_bytes: 64 * 1024 * 1024,
    };

    /// What the default guest may use: it is the operator's own, and a line of
    /// MAX_LINE_BYTES must never be too much for it. A byte may become six
    /// (`<` as `\u003c`) in a buffer that doubles, beside the line itself and
    /// an index of its members.
    #[must_use]
    pub fn for_default_guest(self, max_line_bytes: usize) -> Self {
        let memory_bytes = max_line_bytes.saturating_mul(24).saturating_add(self.memory_bytes).min(4095 * MIB);
        let (output_bytes, output_events, message_bytes) = (usize::MAX, usize::MAX, usize::MAX);
        Self { memory_bytes, output_bytes, output_events, message_bytes, component_bytes: u64::MAX, ..self }
    }
}

impl Default for Limits {
    /// [`Limits::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A component that a delivery, or every tenant, runs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Plugin {
    /// Where it lies.
    pub component: ComponentRef,
    /// Of its bytes; checked before anything parses them. None: the operator named
    /// a file on the command line, which is taken as it is.
    pub sha256: Option<Digest>,
    /// The tenant's settings for it. Their values may be secrets.
    pub settings: Arc<Vec<(String, String)>>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// What its instances may use.
    pub limits: Limits,
    /// `log: operator`: what it logs goes to the processor's log.
    pub logs_to_operator: bool,
}

impl fmt::Debug for Plugin {
    /// Without the values of settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, sha256, settings, on_error, limits, logs_to_operator } = self;
        let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Plugin")
            .field("component", component)
            .field("sha256", sha256)
            .field("settings", &names)
            .field("on_error", on_error)
            .field("limits", limits)
            .field("logs_to_operator", logs_to_operator)
            .finish()
    }
}

/// The components that a delivery's item names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Plugins {
    /// Whose output is delivered.
    pub active: Option<Arc<Plugin>>,
    /// Whose output is only compared with what is delivered.
    pub shadow: Option<Arc<Plugin>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_digits() {
        let digest = Digest::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        for same in [text.to_owned(), format!("sha256:{text}"), text.to_uppercase()] {
            assert_eq!(same.parse(), Ok(digest), "{same}");
        }
        for none in
            ["", "e3b0", text.get(1..).unwrap(), &format!("{text}0"), &text.replace('e', "+"), &format!("md5:{text}")]
        {
            assert_eq!(none.parse::<Digest>(), Err(ParseDigestError), "{none}");
        }
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn settings_are_shown_by_name_only() {
        let plugin = Plugin {
            component: ComponentRef::File("/a.wasm".into()),
            sha256: None,
            settings: Arc::new(vec![("token".to_owned(), "hunter2".to_owned())]),
            on_error: OnError::Retry,
            limits: Limits::DEFAULT,
            logs_to_operator: false,
        };
        let shown = format!("{:?}", Plugins { active: Some(Arc::new(plugin)), shadow: None });
        assert!(shown.contains("token") && !shown.contains("hunter2"), "{shown}");
    }
}
