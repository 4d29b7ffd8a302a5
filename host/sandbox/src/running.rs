//! A component's instance while its code runs: fuel, time slices, and what a call that
//! fails means.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use model::Limits;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::component::Component;
use crate::error::{GuestError, GuestLimit};
use crate::limits::{CallLimits, HANDLES, SLICE, setting};
use crate::log::GuestLog;
use crate::store::{NotGranted, SecondMemory, StoreData};
use crate::surroundings::Surroundings;
use crate::text::bounded;
use crate::untyped::Untyped;
use crate::wasi::Stopped;

/// What an instance used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls of the contract's functions.
    pub calls: u64,
    /// CPU time at work, its start included.
    pub cpu: Duration,
    /// Fuel, its start included. Of a call that traps up to a slice may be missing.
    pub fuel: u64,
    /// Most linear memory, in bytes.
    pub peak_memory: u64,
    /// Time that its instantiation took.
    pub start: Duration,
}

/// A function of the contract, as an instance of an interface exports it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    /// With its version.
    pub(crate) interface: &'static str,
    pub(crate) name: &'static str,
}

/// A component's instance with its store, limits, and what it used so far.
pub(crate) struct RunningInstance {
    store: Store<StoreData>,
    instance: Instance,
    limits: Arc<Limits>,
    used: Used,
    pause: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl RunningInstance {
    /// A fresh instance.
    pub(crate) fn start(component: &Component, around: &Surroundings) -> Result<Self, GuestError> {
        let limits = Arc::clone(&component.limits);
        let mut store = Store::new(component.pre.engine(), StoreData::new(&limits, around));
        store.limiter(|state| &mut state.memory);
        store.set_max_component_handles(HANDLES);
        let pause = around.pause.clone();
        let budget = Budget { fuel: limits.start_fuel, copied_bytes: limits.copied_bytes(0) };
        let mut used = Used::default();
        let started = budget.grant(&mut store).and_then(|()| {
            let (limit, waited) = (limits.call_time, Arc::clone(&store.data().memory.waited));
            let mut slices = TimeSlices { limit, pause: pause.as_deref(), waited, cpu: &mut used.cpu };
            let (instance, took) = slices.run(component.pre.instantiate_async(&mut store))?;
            used.start = took;
            instance
        });
        used.fuel = budget.spent(&store);
        match started {
            Ok(instance) => Ok(Self { store, instance, limits, used, pause }),
            Err(error) => Err(match budget.classify("start", &error, store.data(), &limits) {
                // No guest has spoken yet: no room in the pool, no memory.
                GuestError::Contract { what, .. } => GuestError::Host { what },
                error => error,
            }),
        }
    }

    /// Calls a function with so much fuel. `input_bytes`: the input that its answer may be about.
    pub(crate) fn call<P, R>(
        &mut self,
        function: Function,
        params: P,
        fuel: u64,
        input_bytes: usize,
    ) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
    {
        self.used.calls += 1;
        let budget = Budget { fuel, copied_bytes: self.limits.copied_bytes(input_bytes) };
        let answer =
            budget.grant(&mut self.store).and_then(|()| self.typed_function::<P, R>(function)).and_then(|func| {
                let (limit, waited) = (self.limits.call_time, Arc::clone(&self.store.data().memory.waited));
                let mut slices = TimeSlices { limit, pause: self.pause.as_deref(), waited, cpu: &mut self.used.cpu };
                slices.run(func.call_async(&mut self.store, params))?.0
            });
        self.used.fuel = self.used.fuel.saturating_add(budget.spent(&self.store));
        match answer {
            Ok((answer,)) => Ok(answer),
            Err(error) => Err(budget.classify(function.name, &error, self.store.data(), &self.limits)),
        }
    }

    /// Finds a function; an error: it isn't there, or of other types.
    pub(crate) fn typed_function<P, R>(&mut self, function: Function) -> wasmtime::Result<TypedFunc<P, (R,)>>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let Function { interface, name } = function;
        let missing = || wasmtime::format_err!("`{interface}` has no `{name}`");
        let index = self.instance.get_export_index(&mut self.store, None, interface).ok_or_else(missing)?;
        let index = self.instance.get_export_index(&mut self.store, Some(&index), name).ok_or_else(missing)?;
        self.instance.get_typed_func(&mut self.store, index)
    }

    /// Fuel that the last call left.
    pub(crate) fn fuel_left(&self) -> u64 {
        self.store.get_fuel().unwrap_or(0)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn used(&self) -> Used {
        let peak_memory = u64::try_from(self.store.data().memory.peak).unwrap_or(u64::MAX);
        Used { peak_memory, ..self.used }
    }

    /// Takes what was logged since the last time.
    pub(crate) fn take_log(&mut self) -> GuestLog {
        self.store.data().log.lock().take()
    }
}

/// Runs a guest on this thread, one time slice after the other.
struct TimeSlices<'a> {
    /// Most time at work.
    limit: Duration,
    pause: Option<&'a (dyn Fn() + Send + Sync)>,
    /// Waited for memory within slices, in nanoseconds: not at work.
    waited: Arc<AtomicU64>,
    /// Sum of CPU time, to which each slice adds.
    cpu: &'a mut Duration,
}

/// A call took longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("at work for too long")]
struct OverTime;

impl TimeSlices<'_> {
    /// Runs until it is done, and says how long that took. What takes too long is
    /// dropped, which stops the guest.
    fn run<T>(&mut self, work: impl Future<Output = T>) -> wasmtime::Result<(T, Duration)> {
        self.run_by(work, Instant::now)
    }

    /// As [`TimeSlices::run`], by this clock.
    fn run_by<T>(
        &mut self,
        work: impl Future<Output = T>,
        clock: impl Fn() -> Instant,
    ) -> wasmtime::Result<(T, Duration)> {
        let mut work = pin!(work);
        // A guest waits for nothing: it is always ready for its next slice.
        let mut context = Context::from_waker(Waker::noop());
        let mut at_work = Duration::ZERO;
        loop {
            let (began, cpu, waited) = (clock(), cpu_time(), self.waited.load(Ordering::Relaxed));
            let polled = work.as_mut().poll(&mut context);
            *self.cpu += cpu_time().saturating_sub(cpu);
            let waited = self.waited.load(Ordering::Relaxed).saturating_sub(waited);
            at_work += clock().saturating_duration_since(began).saturating_sub(Duration::from_nanos(waited));
            match polled {
                Poll::Ready(result) => return Ok((result, at_work)),
                Poll::Pending if at_work >= self.limit => return Err(OverTime.into()),
                Poll::Pending => self.pause.iter().for_each(|pause| pause()),
            }
        }
    }
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// What one call may use.
struct Budget {
    fuel: u64,
    /// Bytes that the host may copy out of the guest.
    copied_bytes: usize,
}

impl Budget {
    /// Gives a store what the call may use.
    fn grant(&self, store: &mut Store<StoreData>) -> wasmtime::Result<()> {
        store.set_hostcall_fuel(self.copied_bytes);
        if store.get_fuel().is_err() {
            // `Engine::without_fuel`: only the benchmark has one.
            return Ok(());
        }
        store.set_fuel(self.fuel)?;
        // It divides the fuel into slices; its sum stays the same.
        store.fuel_async_yield_interval(Some(SLICE))?;
        store.data_mut().begin_call(self.fuel);
        Ok(())
    }

    /// Fuel that the call has used.
    fn spent(&self, store: &Store<StoreData>) -> u64 {
        self.fuel.saturating_sub(store.get_fuel().unwrap_or(self.fuel))
    }

    /// Says what a failed call means.
    fn classify(
        &self,
        function: &'static str,
        error: &wasmtime::Error,
        data: &StoreData,
        limits: &Limits,
    ) -> GuestError {
        let limit = |limit, detail| GuestError::Limit { function, limit, detail };
        let fuel = self.fuel;
        if let Some(refused) = error.downcast_ref::<NotGranted>() {
            return GuestError::Host { what: refused.to_string() };
        }
        match (error.downcast_ref::<Trap>(), error.downcast_ref::<Stopped>()) {
            (Some(Trap::OutOfFuel), _) => {
                // What has no lines for its input has a budget of its own.
                let setting = if fuel == limits.start_fuel { setting::START_FUEL } else { setting::FUEL_PER_MIB };
                limit(
                    GuestLimit::Fuel,
                    format!("{fuel} units were used up: an endless loop, or too much work for the input ({setting})"),
                )
            }
            _ if error.is::<SecondMemory>() => limit(GuestLimit::Memories, SecondMemory.to_string()),
            (_, Some(Stopped::Forbidden(what))) => GuestError::Forbidden { function, what: bounded(what.clone()) },
            // A guest whose memory can't grow usually traps or exits in its own allocator.
            _ if data.memory.was_denied => {
                let (most, setting) = (limits.memory_bytes, setting::MEMORY);
                limit(GuestLimit::Memory, format!("more than {most} bytes were asked for ({setting})"))
            }
            (Some(trap), _) => GuestError::Trap { function, what: trap.to_string() },
            (_, Some(stopped)) => GuestError::Trap { function, what: stopped.to_string() },
            (None, None) => match error.downcast_ref::<I32Exit>() {
                // Whoever exits will not answer: as if it had trapped.
                Some(I32Exit(status)) => {
                    let how = if *status == 0 { "without an error" } else { "with an error" };
                    GuestError::Trap { function, what: format!("it exited ({how})") }
                }
                None => self.classify_text(function, error, limits),
            },
        }
    }

    /// Says what an error means that is neither a trap nor the host's own.
    fn classify_text(&self, function: &'static str, error: &wasmtime::Error, limits: &Limits) -> GuestError {
        let what = || bounded(format!("{error:#}"));
        if error.is::<OverTime>() {
            return GuestError::Timeout { function, seconds: limits.call_time.as_secs() };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return GuestError::Host { what: what() };
        }
        match Untyped::of(error) {
            Some(Untyped::HostcallFuel) => {
                let (copied, setting) = (self.copied_bytes, setting::OUTPUT_RATIO);
                let detail = format!("more was returned than the host may copy: {copied} bytes ({setting})");
                GuestError::Limit { function, limit: GuestLimit::Output, detail }
            }
            Some(Untyped::InstanceLimit) => GuestError::Trap { function, what: what() },
            Some(Untyped::PoolLimit) | None => GuestError::Contract { function, what: what() },
        }
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
