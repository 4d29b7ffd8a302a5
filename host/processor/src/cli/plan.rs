//! Loads the components that a run starts with.

use std::path::Path;
use std::sync::Arc;

use super::arguments::PluginArguments;
use super::environment::path_variable;
use crate::aws::S3;
use crate::pipeline::{GuestSlots, LoadedPlugin};
use crate::plugin::{CacheOptions, CompiledBucket, Loader, LoaderOptions, Plans, PlansParts, Sources, default_folder};
use crate::settings::{Machine, PluginSettings, Settings};
use crate::telemetry::Metrics;
use model::{Limits, OnError};
use sandbox::{Component, Engine, Instance, Precompiled, Surroundings};

/// The largest component that a Lambda compiles itself, about a second's work. Larger ones are
/// published by `guest precompile`.
const MAX_LAMBDA_COMPILE_BYTES: u64 = 1024 * 1024;

/// The components that are loaded at the start.
pub(super) struct StartupComponents {
    engine: Engine,
    default: Component,
    command_line: Option<LoadedPlugin>,
    /// A warning about the components.
    pub(super) warning: Option<String>,
}

/// Whether a component's own text about its settings, which may quote them, is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuestText {
    /// The text is shown: the person who gave the settings reads it.
    Shown,
    /// The text is hidden: anyone who may read the log would see it.
    Hidden,
}

/// Loads the components, for `at_once` concurrent deliveries.
///
/// # Errors
/// What is wrong with a component or its settings, and which flag named it.
pub(super) fn load(
    arguments: &PluginArguments,
    default_guest: Precompiled<'_>,
    settings: &Settings,
    at_once: usize,
    guest_text: GuestText,
) -> Result<StartupComponents, String> {
    let tenant_limits = settings.plugin.limits.clone();
    let default_limits = tenant_limits.clone().for_default_guest(settings.max_line_bytes);
    // Each delivery at work has a tenant's and a default instance, the same of its
    // shadow, and one for its key.
    let instances = u32::try_from(at_once.saturating_mul(4)).unwrap_or(u32::MAX);
    let memory = tenant_limits.memory_bytes.max(default_limits.memory_bytes);
    let engine = Engine::new(instances, memory).map_err(|error| error.to_string())?;
    let (default, compiled) = engine
        .load_precompiled("default", default_guest, default_limits)
        .map_err(|error| format!("the embedded guest can't be used: {error}"))?;
    let warning = compiled.then(|| {
        "the embedded guest was compiled anew, which takes longer: its machine code doesn't fit an older CPU (it needs AVX2) or little address space (ulimit -v)"
            .to_owned()
    });
    let command_line = arguments.plugin.as_deref().map(|path| plugin(&engine, path, tenant_limits)).transpose()?;
    if let Some(component) = &command_line {
        check_settings(component, &arguments.plugin_settings, guest_text)?;
    }
    let command_line = command_line.map(|component| LoadedPlugin {
        component,
        settings: Arc::new(arguments.plugin_settings.clone()),
        on_error: OnError::Retry,
        logs_to_operator: false,
    });
    Ok(StartupComponents { engine, default, command_line, warning })
}

/// The places that items' components are fetched from.
pub(super) enum ComponentSources {
    /// Folders and registries.
    Local,
    /// Folders, registries and buckets.
    Aws {
        /// S3 with the central role.
        s3: S3,
        /// Whether this is a Lambda, whose invocations have no time to compile much.
        lambda: bool,
    },
}

/// Plans for these components and those that items name.
pub(super) fn plans(
    components: StartupComponents,
    settings: &PluginSettings,
    sources: ComponentSources,
    machine: Machine,
    metrics: Metrics,
) -> Plans {
    let StartupComponents { engine, default, command_line, .. } = components;
    Plans::new(PlansParts {
        default,
        command_line,
        default_plugin: settings.default_plugin.clone(),
        key_parser: settings.key_parser.clone(),
        slots: GuestSlots::new(machine.cores),
        suspends: matches!(sources, ComponentSources::Aws { .. }),
        loader: Loader::new(engine, options(settings, sources)),
        metrics,
    })
}

fn options(settings: &PluginSettings, sources: ComponentSources) -> LoaderOptions {
    let (s3, lambda, guest_words) = match sources {
        // A person is watching.
        ComponentSources::Local => (None, false, true),
        ComponentSources::Aws { s3, lambda } => (Some(s3), lambda, false),
    };
    let compiled = settings.compiled.clone().zip(s3.clone());
    LoaderOptions {
        compiled: compiled.map(|((bucket, prefix), s3)| CompiledBucket { s3, bucket, prefix }),
        compile_at_most: lambda.then_some(MAX_LAMBDA_COMPILE_BYTES),
        guest_words,
        ..loader_options(settings, s3)
    }
}

/// A loader's options by the settings, for anything but a Lambda. `s3`: with the central
/// role's credentials; `None` without AWS.
pub(super) fn loader_options(settings: &PluginSettings, s3: Option<S3>) -> LoaderOptions {
    let PluginSettings { sources, registry_auth, cache_dir, cache_bytes, cache_key, loaded_bytes, .. } =
        settings.clone();
    let own = settings.default_plugin.iter().chain(&settings.key_parser);
    let own = own.map(|plugin| (plugin.component.clone(), plugin.sha256)).collect();
    let folder = cache_dir.unwrap_or_else(|| default_folder(path_variable));
    LoaderOptions {
        sources: Sources { allowed: sources, own, s3, registry_auth },
        cache: CacheOptions { folder: Some(folder), bytes: cache_bytes, key: cache_key.map(|key| key.0) },
        compiled: None,
        compile_at_most: None,
        loaded_bytes,
        guest_words: false,
    }
}

fn plugin(engine: &Engine, path: &Path, limits: Limits) -> Result<Component, String> {
    let named = |error: &dyn std::fmt::Display| format!("--plugin {}: {error}", path.display());
    let unreadable = |error| named(&format!("{error}; name a component's file that can be read"));
    let bytes = sandbox::read_component(path, &limits).map_err(unreadable)?;
    engine.load(&path.display().to_string(), &bytes, limits).map_err(|error| named(&error))
}

fn check_settings(tenant: &Component, settings: &[(String, String)], guest_text: GuestText) -> Result<(), String> {
    if tenant.exports().settings_check.is_none() {
        return Ok(());
    }
    let checked =
        Instance::start(tenant, &Surroundings::none()).and_then(|mut instance| instance.check_settings(settings));
    match (checked, guest_text) {
        (Ok(Ok(())), _) => Ok(()),
        (Ok(Err(text)), GuestText::Shown) => {
            Err(format!("--plugin-setting: the component refuses its settings: {text}"))
        }
        (Ok(Err(_)), GuestText::Hidden) => {
            Err("--plugin-setting: the component refuses its settings; `log-processor local` \
                                          with the same flags shows why, in its own words"
                .to_owned())
        }
        (Err(error), GuestText::Shown) => Err(format!("--plugin {}: {error}", tenant.name())),
        (Err(error), GuestText::Hidden) => Err(format!("--plugin {}: {}", tenant.name(), error.without_words())),
    }
}
