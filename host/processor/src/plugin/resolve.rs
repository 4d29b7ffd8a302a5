//! Resolves components that aren't in memory: from disk, from the operator's bucket, or
//! compiled from their source.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::blocking::blocking;
use super::cache::max_compiled_bytes;
use super::failure;
use super::loader::{CompileSlots, Loaded, LoaderInner};
use model::{ComponentErrorKind, ComponentRef, Digest, Failure, ObjectId, Plugin};
use sandbox::Seal;

/// The size in bytes above which a component is large. Compiling takes about 0.1 s per MiB.
const LARGE_BYTES: u64 = 1 << 20;

/// Why no published component can be trusted.
const NO_KEY: &str = "PLUGIN_COMPILED is of no use without PLUGIN_CACHE_KEY";

/// Why a component isn't taken from the operator's bucket.
struct NotPublished {
    /// The kind of failure, if the component can't be had otherwise.
    kind: ComponentErrorKind,
    why: String,
}

impl NotPublished {
    fn new(why: impl Into<String>) -> Self {
        Self { kind: ComponentErrorKind::NotCompiled, why: why.into() }
    }
}

impl LoaderInner {
    pub(super) async fn resolve(self: &Arc<Self>, plugin: &Plugin, sha256: Digest) -> Result<Loaded, Failure> {
        let component = &plugin.component;
        // The file is read into memory before anything vouches for it.
        let max_compiled_bytes = max_compiled_bytes(plugin.limits.component_bytes).min(self.options.loaded_bytes);
        if let Some(loaded) = self.from_disk(component, sha256, max_compiled_bytes).await? {
            self.counts.disk.fetch_add(1, Ordering::Relaxed);
            return Ok(loaded);
        }
        let unpublished = match self.from_published(component, sha256, max_compiled_bytes).await? {
            Ok(loaded) => {
                self.counts.published.fetch_add(1, Ordering::Relaxed);
                return Ok(loaded);
            }
            Err(unpublished) => unpublished,
        };
        let here = self.options.compile_at_most.unwrap_or(u64::MAX);
        let most = plugin.limits.component_bytes;
        match self.bytes(component, sha256, most.min(here)).await {
            // A component that isn't compiled here needn't be fetched here either.
            Err(failure) if failure.kind == ComponentErrorKind::TooLarge.into() && here < most => {
                Err(not_compiled(component, here, &unpublished))
            }
            bytes => self.compile(component, sha256, bytes?).await,
        }
    }

    async fn from_disk(
        self: &Arc<Self>,
        component: &ComponentRef,
        sha256: Digest,
        most: u64,
    ) -> Result<Option<Loaded>, Failure> {
        let inner = Arc::clone(self);
        blocking(component, move || {
            let found = inner.cache.compiled(&inner.engine, sha256, most);
            Ok(found.map(|(component, bytes)| Loaded { component, bytes }))
        })
        .await
    }

    /// Loads a published component. Its own bytes are not needed: the seal holds their digest.
    #[expect(unsafe_code, reason = "what is published is machine code; see SAFETY")]
    async fn from_published(
        self: &Arc<Self>,
        component: &ComponentRef,
        sha256: Digest,
        most: u64,
    ) -> Result<Result<Loaded, NotPublished>, Failure> {
        let (object, sealed) = match self.read_published(sha256, most).await {
            Ok(read) => read,
            Err(unpublished) => return Ok(Err(unpublished)),
        };
        let inner = Arc::clone(self);
        blocking(component, move || {
            let Some(key) = inner.cache.key() else { return Ok(Err(NotPublished::new(NO_KEY))) };
            // SAFETY: the key is the operator's secret (PLUGIN_CACHE_KEY), so whoever may
            // write to the bucket can't seal anything.
            let unsealed = unsafe { inner.engine.unseal("", &sealed, sha256, Seal::Key(key)) };
            Ok(match unsealed {
                Ok((component, bytes)) => {
                    inner.cache.keep_sealed(&inner.engine, sha256, &sealed);
                    Ok(Loaded { component, bytes })
                }
                Err(error) => {
                    tracing::warn!(%object, %error, "a published compiled component isn't used");
                    Err(NotPublished::new(format!("{object} isn't used: {error}")))
                }
            })
        })
        .await
    }

    async fn read_published(&self, sha256: Digest, most: u64) -> Result<(ObjectId, Vec<u8>), NotPublished> {
        let place = self.options.compiled.as_ref().ok_or_else(|| NotPublished::new("PLUGIN_COMPILED isn't set"))?;
        if self.cache.key().is_none() {
            return Err(NotPublished::new(NO_KEY));
        }
        let object = place.object(self.engine.fingerprint(), sha256);
        let why = match tokio::time::timeout(self.fetch_time, place.read(&object, most)).await {
            Ok(Ok(Some(sealed))) => return Ok((object, sealed)),
            Ok(Ok(None)) => return Err(NotPublished::new(format!("{object} isn't there"))),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it didn't come whole in {:?}", self.fetch_time),
        };
        tracing::warn!(%object, why, "a published compiled component can't be read");
        Err(NotPublished { kind: ComponentErrorKind::Source, why: format!("{object} can't be read: {why}") })
    }

    /// The component's own bytes, verified by digest: from disk, or fetched.
    async fn bytes(self: &Arc<Self>, component: &ComponentRef, sha256: Digest, most: u64) -> Result<Vec<u8>, Failure> {
        let inner = Arc::clone(self);
        let kept = blocking(component, move || Ok(inner.cache.component(sha256, most))).await?;
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        let fetched = tokio::time::timeout(self.fetch_time, self.options.sources.fetch(component, most)).await;
        let bytes = fetched.map_err(|_| {
            let text = format!(
                "it didn't come whole in {:?}: check that where it lies can be reached, and how fast",
                self.fetch_time
            );
            failure::of_component(ComponentErrorKind::Source, component, text)
        })??;
        let (inner, name) = (Arc::clone(self), component.clone());
        blocking(component, move || {
            let found = Digest::of(&bytes);
            if found != sha256 {
                return Err(failure::other_digest(&name, sha256, found));
            }
            inner.cache.keep_component(sha256, &bytes);
            Ok(bytes)
        })
        .await
    }

    /// Compiles a component when it gets its permit, and keeps the compiled form.
    pub(super) async fn compile(
        self: &Arc<Self>,
        component: &ComponentRef,
        sha256: Digest,
        bytes: Vec<u8>,
    ) -> Result<Loaded, Failure> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // Held until the component is compiled, even if nobody waits for it any more.
        let turn = self.compile_slots.of(length).await;
        let (inner, name) = (Arc::clone(self), component.clone());
        blocking(component, move || {
            let _turn = turn;
            let refused = |error| failure::by_error(ComponentErrorKind::Refused, &name, error);
            let component = inner.engine.compile("", &bytes).map_err(refused)?;
            inner.counts.compiled.fetch_add(1, Ordering::Relaxed);
            inner.cache.keep_compiled(&inner.engine, &component, sha256, length).map_err(refused)?;
            Ok(Loaded { component, bytes: length })
        })
        .await
    }
}

impl CompileSlots {
    /// Waits for the permit for a component of so many bytes. Never `None`, since the
    /// semaphores are never closed.
    pub(super) async fn of(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let compile_slots = if bytes > LARGE_BYTES { &self.large } else { &self.small };
        Arc::clone(compile_slots).acquire_owned().await.ok()
    }
}

fn not_compiled(component: &ComponentRef, here: u64, NotPublished { kind, why }: &NotPublished) -> Failure {
    let text = format!(
        "it has more than {here} bytes, too much to be compiled here, and {why}. Compile it with `log-processor guest \
         precompile --publish s3://bucket/prefix` of this version, and set PLUGIN_COMPILED to that place and \
         PLUGIN_CACHE_KEY to the same key"
    );
    failure::of_component(*kind, component, text)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
