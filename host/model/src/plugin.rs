//! Plugins: the components that items or the operator's environment name, with their digest,
//! settings, limits, and what happens when they fail.

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
    /// The length of a shortened digest: enough to tell a tenant's components apart.
    const SHORT: usize = 12;

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The short digest that labels and log lines have: the first twelve digits.
    pub fn short(&self) -> String {
        Self::shorten(&hex(&self.0)).to_owned()
    }

    /// Shortens a digest in hexadecimal digits to its first twelve, as [`Digest::short`]. A shorter
    /// text is returned as it is.
    pub fn shorten(digits: &str) -> &str {
        digits.get(..Self::SHORT).unwrap_or(digits)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The error for a text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256: 64 hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// Parses 64 hexadecimal digits, with or without `sha256:` before them.
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

/// A reference to a component.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ComponentRef {
    /// `s3://bucket/key`, read with the processor's own credentials.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// `oci://registry/name@sha256:…`: an artifact's manifest, by digest.
    Oci {
        /// The registry's host, with the port if it has one.
        registry: String,
        /// The repository.
        name: String,
        /// The digest of the artifact's manifest.
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

/// A place that components may come from, with all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AllowedSource {
    /// Keys of a bucket that begin with `prefix`, which ends in `/` or is empty.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, which ends in `/` or is empty.
        prefix: String,
    },
    /// Repositories of a registry: this one and those below it, or all if the name is empty.
    Oci {
        /// The registry's host, with the port if it has one.
        registry: String,
        /// The repository, without `/` at its end.
        name: String,
    },
    /// Files below a folder, links followed.
    Folder(PathBuf),
}

/// What becomes of a delivery whose component fails by its own fault, or can't be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The delivery fails and is tried again.
    #[default]
    Retry,
    /// The lines that the component fails on are dead-lettered, and the others delivered. If
    /// it can't be loaded, the delivery is tried again, as with `Retry`.
    Quarantine,
    /// The default guest goes on alone: records go out unfiltered.
    Default,
}

impl OnError {
    /// The name in items.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Quarantine => "quarantine",
            Self::Default => "default",
        }
    }
}

/// The limits of an instance of a component: the operator's, or lower ones of the item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of linear memory, over all memories of the component.
    pub memory_bytes: usize,
    /// Fuel per MiB of input. A wasm instruction takes about one, a bulk operation one per byte.
    pub fuel_per_mib: u64,
    /// Fuel for the start of an instance, and for each call whose input is not log lines.
    pub start_fuel: u64,
    /// Bytes of messages or lines that a call may return per byte of its input.
    pub output_ratio: usize,
    /// Bytes of messages or lines that a call may return, however large its input.
    pub output_bytes: usize,
    /// Events or lines that a call may return, however large its input.
    pub output_events: usize,
    /// Bytes of a message or line.
    pub message_bytes: usize,
    /// Bytes of input that a component may hold back (`pending-from`), over all its calls.
    pub held_back_bytes: usize,
    /// Lines per object that are kept of a guest's log. More are counted and dropped.
    pub log_lines: u64,
    /// Bytes per object that are kept of a guest's log.
    pub log_bytes: usize,
    /// The time that a call may run, without its pauses. A call that exceeds it is tried again,
    /// since a busy machine may be the cause.
    pub call_time: Duration,
    /// Bytes of the component's file.
    pub component_bytes: u64,
}

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

impl Limits {
    /// The limits of the operator's default settings, with lines of up to 16 MiB.
    pub const DEFAULT: Self = Self {
        memory_bytes: 64 * MIB,
        // Measured over a chunk of Kubernetes logs: the default guest takes about 20
        // million per MiB; a redactor in JavaScript (QuickJS in wasm) that parses and
        // prints each record, with a regular expression between, takes 2.2 billion.
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

    /// The memory that the default guest takes for each byte of a line, beside 48 MiB at most for
    /// the list of events of 24 bytes each: the byte itself, and the six that it may become (`<`
    /// as `\u003c`). Measured, and held, by `tests/in_process/guest_memory.rs`.
    pub const GUEST_BYTES_PER_LINE_BYTE: usize = 7;

    /// The limits of the default guest, which is the operator's own: a line of MAX_LINE_BYTES
    /// must never be too much for it, nor one that ends a value of as many bytes which was held
    /// back, and goes on. `memory_bytes` has room for the list of events.
    #[must_use]
    pub fn for_default_guest(self, max_line_bytes: usize) -> Self {
        let lines = max_line_bytes.saturating_mul(2 * Self::GUEST_BYTES_PER_LINE_BYTE);
        let memory_bytes = lines.saturating_add(self.memory_bytes).min(4095 * MIB);
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

/// A plugin: a component that one delivery or every tenant runs, and how it is run.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Plugin {
    /// The reference to its component.
    pub component: ComponentRef,
    /// The digest of the component's bytes, which is checked before anything parses them. `None`
    /// if the operator named a file on the command line, which is taken as it is.
    pub sha256: Option<Digest>,
    /// The tenant's settings for the plugin. Their values may be secrets.
    pub settings: Arc<Vec<(String, String)>>,
    /// What becomes of a delivery when the component fails.
    pub on_error: OnError,
    /// The limits of its instances.
    pub limits: Limits,
    /// `log: operator`: whether the component's log lines go to the processor's log.
    pub logs_to_operator: bool,
}

impl fmt::Debug for Plugin {
    /// Shows the names of settings without their values.
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

/// The plugins that a delivery's item names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Plugins {
    /// The active plugin, whose output is delivered.
    pub active: Option<Arc<Plugin>>,
    /// The shadow, whose output is only compared with what is delivered.
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
