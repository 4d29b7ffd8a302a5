//! How components are compiled and run. A process has one engine.

use wasmtime::{
    Config, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, RegallocAlgorithm, WasmFeatures,
};

use crate::built_ins::charge_built_ins;
use crate::error::LoadError;
use crate::limits::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};

/// Stack of a guest's own code, in bytes.
const WASM_STACK: usize = 512 * 1024;
/// Stack of a guest's code and of the host functions that it calls, in bytes: they copy what
/// crosses, and log.
const STACK: usize = 1024 * 1024;

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

/// Why an engine can't be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration or the machine.
    #[error("the wasm engine can't start on this machine: {0:#}")]
    Unusable(wasmtime::Error),
}

/// Compiles and runs components.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
}

impl Engine {
    /// Makes an engine whose pool has room for `instances` at once, each with up to
    /// `memory_bytes` of linear memory.
    ///
    /// # Errors
    /// wasmtime can't run here at all.
    pub fn new(instances: u32, memory_bytes: usize) -> Result<Self, EngineError> {
        let pooled = pooled(instances, memory_bytes);
        // Reserving address space fails under `ulimit -v` and in some sandboxes:
        // then instances are allocated one by one, which is slower but the same.
        wasmtime::Engine::new(&pooled)
            .or_else(|_| wasmtime::Engine::new(&unpooled()))
            .map(|inner| Self { inner })
            .map_err(EngineError::Unusable)
    }

    /// Makes the engine that [`Engine::new`] falls back to where address space is short.
    ///
    /// # Errors
    /// wasmtime can't run here at all.
    pub fn without_pool() -> Result<Self, EngineError> {
        wasmtime::Engine::new(&unpooled()).map(|inner| Self { inner }).map_err(EngineError::Unusable)
    }

    /// Makes an engine without fuel: nothing stops what it runs. Only the benchmark uses it,
    /// to measure what fuel costs.
    ///
    /// # Errors
    /// wasmtime can't run here at all.
    pub fn without_fuel(instances: u32, memory_bytes: usize) -> Result<Self, EngineError> {
        let mut config = pooled(instances, memory_bytes);
        config.consume_fuel(false);
        wasmtime::Engine::new(&config).map(|inner| Self { inner }).map_err(EngineError::Unusable)
    }

    /// Compiles a component ahead of time, for [`Engine::load_precompiled`].
    ///
    /// # Errors
    /// The bytes are no component.
    pub fn precompile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        self.inner.precompile_component(&charge_built_ins(component)?).map_err(LoadError::compile)
    }

    /// Compiles a component.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn compile_code(&self, component: &[u8]) -> Result<wasmtime::component::Component, LoadError> {
        let charged = charge_built_ins(component)?;
        wasmtime::component::Component::new(&self.inner, charged).map_err(LoadError::compile)
    }

    /// The engine of wasmtime itself.
    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }
}

/// The configuration of compiled code and of how it behaves: the same everywhere.
fn config() -> Config {
    let mut config = Config::new();
    // Fuel is deterministic: a verdict on a guest never depends on how busy
    // the machine is.
    config.consume_fuel(true).operator_cost(costs());
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    config.wasm_component_model(true);
    // A trap's function names would be the tenant's; its kind is enough.
    config.wasm_backtrace_max_frames(None);
    config.max_wasm_stack(WASM_STACK).async_stack_size(STACK);
    // Nothing of one guest is left on a stack for the next.
    config.async_stack_zeroing(true);
    features(&mut config);
    portable(&mut config);
    config
}

/// Turns off the proposals of WebAssembly that guests may not use.
///
/// On, as wasmtime has them, because compilers use them and fuel and the limits
/// bound them: all of WebAssembly 2.0 (bulk memory, multi-value, reference types,
/// SIMD, sign extension, saturating conversions), tail calls, extended constants,
/// multiple memories in a module (but see `limits::MEMORIES`), and relaxed SIMD, which
/// is made deterministic above.
fn features(config: &mut Config) {
    let off = [
        // A thread would be out of fuel's and the clock's reach, and shared memory
        // makes runs differ.
        WasmFeatures::THREADS,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        // No guest has more than 4 GiB.
        WasmFeatures::MEMORY64,
        WasmFeatures::CM64,
        // Garbage collection is not compiled in; what builds on it: exceptions.
        WasmFeatures::GC,
        WasmFeatures::GC_TYPES,
        WasmFeatures::FUNCTION_REFERENCES,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::LEGACY_EXCEPTIONS,
        // Not finished, and wasmtime has them off too: said here so that an update
        // of it decides nothing.
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::WIDE_ARITHMETIC,
        WasmFeatures::CM_ASYNC,
        WasmFeatures::CM_ASYNC_STACKFUL,
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        WasmFeatures::CM_THREADING,
        WasmFeatures::CM_ERROR_CONTEXT,
        WasmFeatures::CM_GC,
        WasmFeatures::CM_MAP,
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        WasmFeatures::CM_IMPLEMENTS,
    ];
    for feature in off {
        config.wasm_features(feature, false);
    }
}

/// Costs of instructions in fuel: one per instruction (0.2 to 0.5 ns); for what leaves the
/// compiled code, as many as take about as long, as far as wasmtime's scale goes. What
/// works on many bytes costs one per byte besides.
fn costs() -> OperatorCost {
    let mut costs = OperatorCost::new();
    // Asks the limiter and the kernel, some 70 ns; a page is 64 KiB to be zeroed.
    costs.MemoryGrow = u8::MAX;
    costs.TableGrow = u8::MAX;
    costs.variable.memory_grow_per_page = u8::MAX;
    // 50 to 90 ns.
    for cost in [&mut costs.MemoryFill, &mut costs.TableFill, &mut costs.TableInit, &mut costs.RefFunc] {
        *cost = 128;
    }
    // 4 ns: compilers use it for every copy.
    for cost in [&mut costs.MemoryCopy, &mut costs.MemoryInit, &mut costs.TableCopy, &mut costs.ElemDrop] {
        *cost = 16;
    }
    costs
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

/// Whether this machine has [`CPU_FEATURES`].
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

/// The configuration for little address space: a memory reserves no more than it has, and
/// checks its bounds in code. What was compiled for guard pages is compiled anew.
fn unpooled() -> Config {
    let mut config = config();
    config.memory_reservation(0).memory_reservation_for_growth(1024 * 1024);
    config.memory_guard_size(0).guard_before_linear_memory(false);
    config
}

/// The configuration with a pool: room for so many instances is reserved at the start, and
/// none of it is taken before it is used.
fn pooled(instances: u32, memory_bytes: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // Enough for the most that each may have: otherwise one component could use
    // up what is the others'. Each instance has one stack, which it keeps.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        // `component` refuses more than MEMORIES, in words.
        .max_memories_per_component(CORE_INSTANCES)
        .max_memories_per_module(CORE_INSTANCES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        // Nothing of one instance may be left for the next, and what is not
        // kept is not counted against us.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        // But what any guest uses of its stack; the rest is given back.
        .async_stack_keep_resident(32 * 1024)
        .max_unused_warm_slots(0);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
