//! Loads components: finds them, checks them, and keeps them in memory while there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache as MokaCache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;

use super::blocking::blocking;
use super::cache::{CacheOptions, DiskCache};
use super::failure;
use super::fetch::Sources;
use super::published::CompiledBucket;
use model::{ComponentErrorKind, ComponentRef, Digest, Failure, Plugin};
use sandbox::{CheckError, Component, Engine, Seal};

/// The longest that fetching a component may take in all.
const FETCH_TIME: Duration = Duration::from_secs(30);

/// An estimate of a component's memory in addition to its machine code, in bytes.
const BESIDE_CODE_BYTES: usize = 16 * 1024;

/// The size of the cache of checked plugins, in bytes of their settings.
const CHECKED_BYTES: u64 = 8 << 20;

/// The options of a loader.
#[derive(Clone)]
pub struct LoaderOptions {
    /// The places that components may come from.
    pub sources: Sources,
    /// The cache of compiled components on disk.
    pub cache: CacheOptions,
    /// The bucket where compiled components are published; needs `cache.key`.
    pub compiled: Option<CompiledBucket>,
    /// The largest component that is compiled here, in bytes; `None` for any. Lambda: 1 MiB.
    pub compile_at_most: Option<u64>,
    /// PLUGIN_LOADED_BYTES: the most bytes of machine code in memory, of all components
    /// together.
    pub loaded_bytes: u64,
    /// Whether a component's own text about its settings, which may quote them, is shown:
    /// `check` and `local` show it to the person who made the settings and asked. Otherwise
    /// only `log: operator` in the item allows it, since failures end up in the processor's
    /// log.
    pub guest_words: bool,
}

/// The statistics of a loader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoaderStats {
    /// Loads that found their component in memory.
    pub memory: u64,
    /// Loads that found their component on disk, compiled.
    pub disk: u64,
    /// Loads that found their component in the operator's bucket, compiled.
    pub published: u64,
    /// Loads that compiled their component.
    pub compiled: u64,
    /// Loads that failed.
    pub failed: u64,
    /// Components in memory now.
    pub held: u64,
    /// An estimate of their machine code in bytes.
    pub held_bytes: u64,
}

/// Loads components. `Clone` is cheap.
#[derive(Clone)]
pub struct Loader(pub(super) Arc<LoaderInner>);

pub(super) struct LoaderInner {
    pub(super) engine: Engine,
    pub(super) options: LoaderOptions,
    pub(super) cache: DiskCache,
    /// The longest that a fetch may take.
    pub(super) fetch_time: Duration,
    /// Loaded components by digest, so that tenants share them.
    loaded: MokaCache<Digest, Loaded>,
    /// The plugins that were checked with these settings and limits, and whose source is
    /// allowed.
    checked: MokaCache<Plugin, ()>,
    pub(super) compile_slots: CompileSlots,
    pub(super) counts: LoadCounters,
}

/// A component before its plugin's limits are applied.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) component: Component,
    /// The length of the component itself, in bytes.
    pub(super) bytes: u64,
}

/// Permits to compile, so that deliveries have cores left: one for small components, which
/// thus never wait for large ones, and one for large ones.
pub(super) struct CompileSlots {
    pub(super) small: Arc<Semaphore>,
    pub(super) large: Arc<Semaphore>,
}

#[derive(Default)]
pub(super) struct LoadCounters {
    memory: AtomicU64,
    pub(super) disk: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) compiled: AtomicU64,
    failed: AtomicU64,
}

/// A failed load, shared by all who waited for it.
struct LoadFailed {
    /// The reference and the size limit of the load that failed.
    by: (ComponentRef, u64),
    failure: Failure,
}

impl Loader {
    /// A loader without any components yet.
    pub fn new(engine: Engine, options: LoaderOptions) -> Self {
        Self::with_fetch_time(engine, options, FETCH_TIME)
    }

    pub(super) fn with_fetch_time(engine: Engine, options: LoaderOptions, fetch_time: Duration) -> Self {
        let loaded = MokaCache::builder()
            .max_capacity(options.loaded_bytes)
            .weigher(|_, loaded: &Loaded| weight(loaded.component.code_bytes().saturating_add(BESIDE_CODE_BYTES)))
            .eviction_policy(EvictionPolicy::lru());
        let checked = MokaCache::builder()
            .max_capacity(CHECKED_BYTES)
            .weigher(|plugin: &Plugin, ()| weight(size(plugin)))
            .eviction_policy(EvictionPolicy::lru());
        let one = || Arc::new(Semaphore::new(1));
        Self(Arc::new(LoaderInner {
            cache: DiskCache::new(options.cache.clone()),
            engine,
            options,
            fetch_time,
            loaded: loaded.build(),
            checked: checked.build(),
            compile_slots: CompileSlots { small: one(), large: one() },
            counts: LoadCounters::default(),
        }))
    }

    /// Loads a component with the plugin's limits, and checks its settings. A component is
    /// fetched once at a time, whoever asks; a caller that waits for a failing fetch gets its
    /// failure. Components are found in memory, on disk, or in the operator's bucket, or are
    /// compiled.
    ///
    /// # Errors
    /// Why the component can't be loaded.
    pub async fn load(&self, plugin: &Plugin) -> Result<Component, Failure> {
        // Boxed: what it may have to do is deep, and every delivery's future holds it.
        Ok(Box::pin(self.loaded(plugin)).await?.1.component)
    }

    /// Compiles a component into the cache on disk; returns the bytes of the compiled form.
    ///
    /// # Errors
    /// Why the component can't be compiled or kept.
    pub async fn precompile(&self, plugin: &Plugin) -> Result<u64, Failure> {
        let (sha256, loaded) = self.loaded(plugin).await?;
        let (inner, component) = (Arc::clone(&self.0), plugin.component.clone());
        blocking(&plugin.component, move || {
            let kept = inner.cache.keep_compiled(&inner.engine, &loaded.component, sha256, loaded.bytes);
            let kept = kept.map_err(|error| failure::by_error(ComponentErrorKind::Refused, &component, error))?;
            kept.ok_or_else(|| {
                let text = "its compiled form isn't kept: PLUGIN_CACHE_DIR must be a folder that can be written, of this \
                            user's own (or with PLUGIN_CACHE_KEY), and PLUGIN_CACHE_BYTES enough for it";
                failure::of_component(ComponentErrorKind::NotCompiled, &component, text)
            })
        })
        .await
    }

    /// Returns the bytes of the component itself, which its compiled form knows.
    ///
    /// # Errors
    /// Why the component can't be loaded.
    pub async fn component_bytes(&self, plugin: &Plugin) -> Result<u64, Failure> {
        Ok(self.loaded(plugin).await?.1.bytes)
    }

    /// Writes the compiled form to `to`, with its HMAC; returns its key there.
    ///
    /// # Errors
    /// Why the component can't be compiled or written.
    pub async fn publish(&self, plugin: &Plugin, to: &CompiledBucket) -> Result<String, Failure> {
        let name = &plugin.component;
        if self.0.cache.key().is_none() {
            let text = "publishing needs PLUGIN_CACHE_KEY, the key that whoever reads it knows too";
            return Err(failure::of_component(ComponentErrorKind::NotCompiled, name, text));
        }
        let (sha256, loaded) = self.loaded(plugin).await?;
        let object = to.object(self.0.engine.fingerprint(), sha256);
        let (inner, component) = (Arc::clone(&self.0), name.clone());
        let sealed = blocking(name, move || {
            let seal = Seal::Key(inner.cache.key().unwrap_or_default());
            let sealed = inner.engine.seal(&loaded.component, sha256, loaded.bytes, seal);
            sealed.map_err(|error| failure::by_error(ComponentErrorKind::Refused, &component, error))
        });
        let written = to.write(&object, sealed.await?).await;
        written.map_err(|error| {
            let text = format!("component {name}: it can't be published: {error}");
            failure::by_error(ComponentErrorKind::Source, name, error).in_words(text)
        })?;
        Ok(object.key)
    }

    /// Returns the statistics.
    pub fn stats(&self) -> LoaderStats {
        let LoadCounters { memory, disk, published, compiled, failed } = &self.0.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LoaderStats {
            memory: read(memory),
            disk: read(disk),
            published: read(published),
            compiled: read(compiled),
            failed: read(failed),
            held: self.0.loaded.entry_count(),
            held_bytes: self.0.loaded.weighted_size(),
        }
    }

    /// [Loads](Loader::load) a component; returns also its digest and length.
    async fn loaded(&self, plugin: &Plugin) -> Result<(Digest, Loaded), Failure> {
        let loaded = self.0.load(plugin).await;
        if loaded.is_err() {
            self.0.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        loaded
    }
}

impl LoaderInner {
    async fn load(self: &Arc<Self>, plugin: &Plugin) -> Result<(Digest, Loaded), Failure> {
        let checked = plugin.sha256.is_some() && self.checked.get(plugin).await.is_some();
        let (sha256, found) = match plugin.sha256 {
            Some(sha256) => {
                if !checked && !self.options.sources.is_own(plugin) {
                    self.options.sources.permit(&plugin.component).await?;
                }
                // Boxed: with all that it awaits, the compiler's limit of nested futures is near.
                (sha256, Box::pin(self.find(plugin, sha256)).await?)
            }
            None => self.find_unnamed(plugin).await?,
        };
        let most = plugin.limits.component_bytes;
        if found.bytes > most {
            return Err(failure::too_large(&plugin.component, Some(found.bytes), most));
        }
        let component = found.component.with_name(&plugin.component.to_string()).with_limits(plugin.limits.clone());
        let check = self.check(component.clone(), plugin);
        if plugin.sha256.is_none() {
            check.await?;
        } else if !checked {
            let check = self.checked.try_get_with_by_ref(plugin, check);
            check.await.map_err(|failed| Failure::clone(&failed))?;
        }
        Ok((sha256, Loaded { component, ..found }))
    }

    /// Finds a component in memory, or resolves it.
    async fn find(self: &Arc<Self>, plugin: &Plugin, sha256: Digest) -> Result<Loaded, Failure> {
        let by = (plugin.component.clone(), plugin.limits.component_bytes);
        let mut mine = false;
        let found = self.loaded.try_get_with(sha256, async {
            mine = true;
            let obtained = self.resolve(plugin, sha256).await;
            obtained.map_err(|failure| LoadFailed { by: by.clone(), failure })
        });
        let found = found.await;
        if mine {
            self.loaded.run_pending_tasks().await;
        } else if found.is_ok() {
            self.counts.memory.fetch_add(1, Ordering::Relaxed);
        }
        match found {
            Ok(loaded) => Ok(loaded),
            Err(failed) if mine || failed.by == by => Err(failed.failure.clone()),
            // The failure of another reference or limit says nothing about this one.
            Err(_) => {
                let loaded = self.resolve(plugin, sha256).await?;
                self.loaded.insert(sha256, loaded.clone()).await;
                self.loaded.run_pending_tasks().await;
                Ok(loaded)
            }
        }
    }

    /// Loads a file that the operator named on the command line, as it is now.
    async fn find_unnamed(self: &Arc<Self>, plugin: &Plugin) -> Result<(Digest, Loaded), Failure> {
        let ComponentRef::File(path) = &plugin.component else {
            let text = "it has no `sha256`: add that of its bytes to the delivery's item";
            return Err(failure::of_component(ComponentErrorKind::Digest, &plugin.component, text));
        };
        let bytes = super::fetch::read_file(&plugin.component, path, plugin.limits.component_bytes).await?;
        let sha256 = Digest::of(&bytes);
        let compile = self.compile(&plugin.component, sha256, bytes);
        let loaded = self.loaded.try_get_with(sha256, compile).await;
        Ok((sha256, loaded.map_err(|failed| Failure::clone(&failed))?))
    }

    /// Runs a component for the first time with these settings and limits.
    async fn check(self: &Arc<Self>, component: Component, plugin: &Plugin) -> Result<(), Failure> {
        let turn = self.compile_slots.of(0).await;
        let (settings, name) = (Arc::clone(&plugin.settings), plugin.component.clone());
        let guest_words = self.options.guest_words || plugin.logs_to_operator;
        blocking(&plugin.component, move || {
            let _turn = turn;
            let refused = |why: &str| {
                let text = format!("it refuses its settings: {why}; correct `settings` in the delivery's item");
                failure::of_component(ComponentErrorKind::Settings, &name, text)
            };
            component.check(&settings).map_err(|unfit| match unfit {
                CheckError::Refused(error) => failure::by_error(ComponentErrorKind::Refused, &name, error),
                check @ CheckError::SettingsCheck(_) => refused(&check.to_string()),
                CheckError::SettingsRefused(words) if guest_words => refused(&words),
                CheckError::SettingsRefused(_) => refused("`log-processor check` shows why, in its own words"),
                CheckError::NotNow(error) => failure::not_now(&name, error),
            })
        })
        .await
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// An estimate of a plugin's memory.
fn size(plugin: &Plugin) -> usize {
    let settings =
        plugin.settings.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(64));
    settings.fold(512, usize::saturating_add)
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
