//! The guests that a run works with.

use std::path::Path;
use std::sync::Arc;

use super::arguments::PluginArguments;
use crate::guest::{Component, Engine, Instance, Limits, Precompiled};
use crate::pipeline::{GuestSlots, Plan};
use crate::settings::{Machine, Settings};

/// Lines of a guest's log that are kept for each object.
const GUEST_LOG_LINES: u64 = 100;

/// Bytes that may be held back beside values of MAX_LINE_BYTES: whole chunks count.
const HELD_BESIDE_BYTES: usize = 1024 * 1024;

/// Loads the guests, for `at_once` deliveries at work; the second value is what is
/// odd about them.
///
/// # Errors
/// What is wrong with a component or its settings, and which flag named it.
pub(super) fn load(
    arguments: &PluginArguments,
    default_guest: Precompiled<'_>,
    settings: &Settings,
    at_once: usize,
    machine: Machine,
) -> Result<(Plan, Option<String>), String> {
    let tenant_limits = Limits {
        memory_bytes: usize::try_from(settings.plugin_memory_bytes).unwrap_or(usize::MAX),
        fuel_per_mib: settings.plugin_fuel_per_mib,
        output_ratio: usize::try_from(settings.plugin_max_output_ratio).unwrap_or(usize::MAX),
        // A value of MAX_LINE_BYTES over several lines, and what stands in its chunks beside it.
        held_back_bytes: settings.max_line_bytes.saturating_mul(2).saturating_add(HELD_BESIDE_BYTES),
        log_lines: GUEST_LOG_LINES,
    };
    let default_limits = tenant_limits.clone().for_default_guest(settings.max_line_bytes);
    // Each delivery at work has a tenant's and a default instance, and one for its key.
    let instances = u32::try_from(at_once.saturating_mul(3)).unwrap_or(u32::MAX);
    let memory = tenant_limits.memory_bytes.max(default_limits.memory_bytes);
    let engine = Engine::new(instances, memory).map_err(|error| error.to_string())?;
    let (default, compiled) = engine
        .load_precompiled("default", default_guest, default_limits)
        .map_err(|error| format!("the embedded guest can't be used: {error}"))?;
    let odd = compiled.then(|| {
        "the embedded guest was compiled anew, which takes longer: its machine code doesn't fit an older CPU (it needs AVX2) or little address space (ulimit -v)"
            .to_owned()
    });
    let tenant = arguments.plugin.as_deref().map(|path| plugin(&engine, path, tenant_limits)).transpose()?;
    if let Some(tenant) = &tenant {
        check_settings(tenant, &arguments.plugin_settings)?;
    }
    Ok((
        Plan {
            default,
            tenant,
            settings: Arc::new(arguments.plugin_settings.clone()),
            slots: GuestSlots::new(machine.cores),
        },
        odd,
    ))
}

fn plugin(engine: &Engine, path: &Path, limits: Limits) -> Result<Component, String> {
    let named = |error: &dyn std::fmt::Display| format!("--plugin {}: {error}", path.display());
    let bytes = crate::guest::read_component(path).map_err(|error| named(&error))?;
    engine.load(&path.display().to_string(), &bytes, limits).map_err(|error| named(&error))
}

fn check_settings(tenant: &Component, settings: &[(String, String)]) -> Result<(), String> {
    if !tenant.exports().settings_check {
        return Ok(());
    }
    let checked = Instance::start(tenant).and_then(|mut instance| instance.check_settings(settings));
    match checked {
        Ok(Ok(())) => Ok(()),
        Ok(Err(text)) => Err(format!("--plugin-setting: the component refuses its settings: {text}")),
        Err(error) => Err(format!("--plugin {}: {error}", tenant.name())),
    }
}
