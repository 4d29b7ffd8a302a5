//! Components on disk: original ones by digest, compiled ones by digest and engine. Nothing
//! that is read here is trusted before it is verified.
//!
//! - `folder`: the files.

mod folder;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::folder::Folder;
use crate::telemetry::Throttle;
use model::Digest;
use sandbox::{Component, Engine, LoadError, Seal};

/// The largest compiled form of any component, in bytes.
const MAX_COMPILED_BYTES: u64 = 1 << 30;

/// The most bytes of a compiled form per byte of its component: three to six are usual, fuel
/// and explicit bounds checks included.
const COMPILED_RATIO: u64 = 16;

/// The interval between warnings about the folder.
const WARN_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The most bytes of a compiled form in addition to that.
const COMPILED_MARGIN_BYTES: u64 = 4 << 20;

/// The largest compiled form of a component of at most so many bytes; a larger one isn't read,
/// whatever it is.
pub(super) fn max_compiled_bytes(component_bytes: u64) -> u64 {
    component_bytes.saturating_mul(COMPILED_RATIO).saturating_add(COMPILED_MARGIN_BYTES).min(MAX_COMPILED_BYTES)
}

/// The options of the cache.
#[derive(Clone)]
pub struct CacheOptions {
    /// PLUGIN_CACHE_DIR, else [`default_folder`]; `None` keeps nothing on disk.
    pub folder: Option<PathBuf>,
    /// PLUGIN_CACHE_BYTES: the most bytes of all entries; the least recently used go first.
    pub bytes: u64,
    /// PLUGIN_CACHE_KEY: entries are trusted for their HMAC. `None`: they are trusted for
    /// their folder, which only this user can write.
    pub key: Option<Vec<u8>>,
}

impl fmt::Debug for CacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, bytes, key } = self;
        let key = key.as_ref().map(|_| "…");
        f.debug_struct("CacheOptions").field("folder", folder).field("bytes", bytes).field("key", &key).finish()
    }
}

/// The folder if PLUGIN_CACHE_DIR isn't set: in the user's cache folder, or a temporary one of
/// this user's own. `lookup` reads the environment.
pub fn default_folder(lookup: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    // A Lambda may write nowhere else, whatever HOME says.
    match user.filter(|_| lookup("AWS_LAMBDA_FUNCTION_NAME").is_none()) {
        Some(user) => user.join("log-processor/plugins"),
        None => {
            let folder = format!("log-processor-plugins-{}", rustix::process::geteuid().as_raw());
            absolute("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")).join(folder)
        }
    }
}

/// The cache on disk. All calls block. Failures are logged, and the caller goes on without the
/// cache.
pub(super) struct DiskCache {
    options: CacheOptions,
    /// Limits warnings about the folder.
    warnings: Throttle,
}

impl DiskCache {
    pub(super) fn new(options: CacheOptions) -> Self {
        Self { options, warnings: Throttle::new(1, WARN_INTERVAL) }
    }

    /// The operator's key, if there is one.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.options.key.as_deref()
    }

    /// Reads a component of at most `max_bytes` bytes, verified by digest.
    pub(super) fn component(&self, sha256: Digest, max_bytes: u64) -> Option<Vec<u8>> {
        let (folder, name) = (self.folder()?, component_name(sha256));
        let bytes = self.read(&folder, &name, max_bytes)?.bytes;
        if Digest::of(&bytes) == sha256 {
            return Some(bytes);
        }
        tracing::warn!(file = %self.shown(&name), "a component in the cache was damaged; it is fetched anew");
        folder.remove(&name);
        None
    }

    /// Keeps a component's bytes.
    pub(super) fn keep_component(&self, sha256: Digest, bytes: &[u8]) {
        self.keep(&component_name(sha256), bytes);
    }

    /// Loads a component from its compiled form of at most `max_bytes`; returns also the
    /// length of the component itself.
    #[expect(unsafe_code, reason = "compiled forms are machine code; see SAFETY")]
    pub(super) fn compiled(&self, engine: &Engine, sha256: Digest, max_bytes: u64) -> Option<(Component, u64)> {
        let (folder, name) = (self.folder()?, compiled_name(sha256, engine.fingerprint()));
        let seal = self.seal(&folder)?;
        let found = self.read(&folder, &name, self.max_bytes().min(max_bytes))?;
        let loaded = match (seal, found.own) {
            (Seal::OwnFolder, false) => Err("others may have written it".to_owned()),
            // SAFETY: a key is the operator's secret (PLUGIN_CACHE_KEY). Without one, `seal`
            // found that the folder, which is open and no link, is this user's and that
            // nobody else can write in it; `found.own` says the same of the file itself.
            // What this program writes under a compiled form's name is what `Engine::seal` returned.
            _ => unsafe { engine.unseal("", &found.bytes, sha256, seal) }.map_err(|error| error.to_string()),
        };
        match loaded {
            Ok(loaded) => Some(loaded),
            Err(why) => {
                tracing::warn!(file = %self.shown(&name), why, "a compiled component in the cache can't be used; it is compiled anew");
                folder.remove(&name);
                None
            }
        }
    }

    /// Keeps a component's compiled form; returns its bytes if it is kept.
    ///
    /// # Errors
    /// The compiled form can't be serialized.
    pub(super) fn keep_compiled(
        &self,
        engine: &Engine,
        component: &Component,
        sha256: Digest,
        bytes: u64,
    ) -> Result<Option<u64>, LoadError> {
        let Some(folder) = self.folder() else { return Ok(None) };
        let Some(seal) = self.seal(&folder) else { return Ok(None) };
        let sealed = engine.seal(component, sha256, bytes, seal)?;
        let kept = self.keep(&compiled_name(sha256, engine.fingerprint()), &sealed);
        Ok(kept.then_some(length(&sealed)))
    }

    /// Keeps a compiled form that has the key's seal already.
    pub(super) fn keep_sealed(&self, engine: &Engine, sha256: Digest, sealed: &[u8]) {
        self.keep(&compiled_name(sha256, engine.fingerprint()), sealed);
    }

    /// The seal that vouches for compiled forms here; `None` if nothing does.
    fn seal(&self, folder: &Folder) -> Option<Seal<'_>> {
        if let Some(key) = &self.options.key {
            return Some(Seal::Key(key));
        }
        if folder.is_own() {
            return Some(Seal::OwnFolder);
        }
        self.warn(
            "others can write in the plugins' cache, so components are compiled anew at each start: make it a folder \
             (no link) that belongs to this user and that nobody else can write, or set PLUGIN_CACHE_KEY",
        );
        None
    }

    fn folder(&self) -> Option<Folder> {
        let opened = Folder::open(self.options.folder.as_ref()?);
        opened
            .map_err(|error| {
                let what = "the plugins' cache can't be used, so components are fetched and compiled anew at each \
                            start: set PLUGIN_CACHE_DIR to a folder that can be written";
                self.warn(&format!("{what} ({error})"));
            })
            .ok()
    }

    fn read(&self, folder: &Folder, name: &str, max_bytes: u64) -> Option<folder::CachedFile> {
        folder.read(name, max_bytes).unwrap_or_else(|error| {
            tracing::warn!(file = %self.shown(name), %error, "a file of the plugins' cache can't be read");
            None
        })
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> bool {
        let Some(folder) = self.folder() else { return false };
        if length(bytes) > self.max_bytes() {
            tracing::warn!(file = %self.shown(name), bytes = bytes.len(), "it is larger than the plugins' cache (PLUGIN_CACHE_BYTES)");
            return false;
        }
        let room = folder.make_room(length(bytes), self.options.bytes, is_entry);
        let written = room.and_then(|()| folder.write(name, bytes));
        written.map_err(|error| self.warn(&format!("the plugins' cache can't be written: {error}"))).is_ok()
    }

    fn max_bytes(&self) -> u64 {
        self.options.bytes.min(MAX_COMPILED_BYTES)
    }

    /// Warns at most once per hour: the folder may be repaired, and break again.
    fn warn(&self, what: &str) {
        if self.warnings.admit("", Instant::now()).is_some() {
            let folder = self.options.folder.as_deref().unwrap_or_else(|| Path::new("")).display();
            tracing::warn!(%folder, "{what}");
        }
    }

    fn shown(&self, name: &str) -> String {
        self.options.folder.clone().unwrap_or_default().join(name).display().to_string()
    }
}

fn component_name(sha256: Digest) -> String {
    format!("{sha256}.wasm")
}

fn compiled_name(sha256: Digest, fingerprint: Digest) -> String {
    format!("{sha256}-{fingerprint}.cwasm")
}

/// Whether a file has a cache entry's name: nothing else is ever removed.
fn is_entry(name: &str) -> bool {
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    match (name.strip_suffix(".wasm"), name.strip_suffix(".cwasm").and_then(|name| name.split_once('-'))) {
        (Some(component), _) => digest(component),
        (_, Some((component, fingerprint))) => digest(component) && digest(fingerprint),
        _ => false,
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
