//! How components are compiled and run: one engine a process.

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, RegallocAlgorithm};

use super::component::{Component, LoadError};
use super::limits::Limits;

/// CPU features that compiled guests rely on: those of x86-64-v3, which every
/// x86 machine of AWS has, instead of the build machine's own, so that what was
/// compiled in one place runs in another.
#[cfg(target_arch = "x86_64")]
const CPU_FEATURES: [&str; 11] = [
    "has_cmpxchg16b",
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
];
#[cfg(not(target_arch = "x86_64"))]
const CPU_FEATURES: [&str; 0] = [];

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration or the machine.
    #[error("the wasm engine can't start on this machine: {0:#}")]
    Unusable(wasmtime::Error),
}

/// A component, and the form that [`Engine::precompile`] gave it.
#[derive(Debug, Clone, Copy)]
pub struct Precompiled<'a> {
    /// The component's own bytes: what is compiled where `code` doesn't fit.
    pub component: &'a [u8],
    /// Machine code that this program compiled from it.
    pub code: &'a [u8],
}

/// Compiles and runs components.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
}

impl Engine {
    /// An engine whose pool has room for `instances` at once, each with up to
    /// `memory_bytes` of linear memory.
    ///
    /// # Errors
    /// When wasmtime can't run here at all.
    pub fn new(instances: u32, memory_bytes: usize) -> Result<Self, EngineError> {
        let pooled = pooled(instances, memory_bytes);
        // Reserving address space fails under `ulimit -v` and in some sandboxes:
        // then instances are allocated one by one, which is slower but the same.
        wasmtime::Engine::new(&pooled)
            .or_else(|_| wasmtime::Engine::new(&frugal()))
            .map(|inner| Self { inner })
            .map_err(EngineError::Unusable)
    }

    /// Compiles a component ahead of time, for [`Engine::load_precompiled`].
    ///
    /// # Errors
    /// When the bytes are no component.
    pub fn precompile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        self.inner.precompile_component(component).map_err(LoadError::compile)
    }

    /// Compiles and checks a tenant's component.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who handed it over.
    pub fn load(&self, name: &str, bytes: &[u8], limits: Limits) -> Result<Component, LoadError> {
        super::component::refuse_what_is_no_component(bytes)?;
        let inner = wasmtime::component::Component::new(&self.inner, bytes).map_err(LoadError::compile)?;
        let component = Component::new(name, bytes, inner, &self.inner, limits)?;
        super::instance::check_types(&component)?;
        Ok(component)
    }

    /// Loads a component that this program compiled itself. Where its code
    /// doesn't fit this machine or wasmtime's version, it is compiled anew and
    /// the second value says so.
    ///
    /// # Errors
    /// When neither form can be used.
    #[expect(unsafe_code, reason = "deserializing machine code can't be safe; see SAFETY")]
    pub fn load_precompiled(
        &self,
        name: &str,
        guest: Precompiled<'_>,
        limits: Limits,
    ) -> Result<(Component, bool), LoadError> {
        // SAFETY: `Precompiled` is made only of what this project's build
        // compiled with `precompile` and embedded in the binary, or wrote to
        // its own target folder; nothing that a tenant handed over gets here.
        let inner = unsafe { wasmtime::component::Component::deserialize(&self.inner, guest.code) };
        match inner {
            Ok(inner) => Ok((Component::new(name, guest.component, inner, &self.inner, limits)?, false)),
            Err(_) => Ok((self.load(name, guest.component, limits)?, true)),
        }
    }
}

/// What decides about compiled code and how it behaves: the same everywhere.
fn config() -> Config {
    let mut config = Config::new();
    // Fuel is deterministic: a verdict on a guest never depends on how busy
    // the machine is.
    config.consume_fuel(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    config.wasm_component_model(true);
    // A trap's function names would be the tenant's; its kind is enough.
    config.wasm_backtrace_max_frames(None);
    config.max_wasm_stack(512 * 1024);
    portable(&mut config);
    config
}

/// Compiles for [`CPU_FEATURES`] where this machine has them, else for itself.
#[expect(unsafe_code, reason = "cranelift's flags can't be safe; see SAFETY")]
fn portable(config: &mut Config) {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    if !cpu_fits() || config.target(&triple).is_err() {
        return;
    }
    for feature in CPU_FEATURES {
        // SAFETY: each is a flag that wasmtime checks against the machine
        // before it runs any code compiled with it.
        unsafe { config.cranelift_flag_enable(feature) };
    }
}

fn cpu_fits() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("cmpxchg16b");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_os = "linux");
}

/// For little address space: a memory reserves no more than it has, and checks
/// its bounds in code. What was compiled for guard pages is compiled anew.
fn frugal() -> Config {
    let mut config = config();
    config.memory_reservation(0).memory_reservation_for_growth(1024 * 1024);
    config.memory_guard_size(0).guard_before_linear_memory(false);
    config
}

fn pooled(instances: u32, memory_bytes: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // A component is made of several core instances (shims, adapters). They
    // reserve nothing, so there are enough for the most that each may have:
    // otherwise one component could use up those of the others.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(32))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .max_core_instances_per_component(32)
        .max_memories_per_component(4)
        .max_tables_per_component(16)
        .max_memory_size(memory_bytes)
        .table_elements(20_000)
        // Nothing of one instance may be left for the next, and what is not
        // kept is not counted against us.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .max_unused_warm_slots(0);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
