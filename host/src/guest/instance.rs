//! One component at work: a fresh instance for one delivery of one object, so
//! that nothing of one object or tenant is ever visible to another.

use wasmtime::component::{ComponentNamedList, Instance as Handle, Lift, Lower};
use wasmtime::{Store, Trap};

use super::checked::{self, Rewritten, Transformed};
use super::component::{Component, LoadError};
use super::held::HeldBack;
use super::limits::Limits;
use super::state::{GuestLog, State};
use super::{GuestError, bounded, v0_1_0 as contract};
use crate::model::{Delivery, ObjectId, Origin};

/// Fuel for a component's start and for calls whose input is no log lines.
const START_FUEL: u64 = 1_000_000_000;

/// What a guest is told about the object and the delivery.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// From the key.
    pub origin: &'a Origin,
    /// The delivery that the object is processed for.
    pub delivery: &'a Delivery,
    /// The object.
    pub object: &'a ObjectId,
    /// The tenant's settings for its component.
    pub settings: &'a [(String, String)],
    /// Milliseconds since the epoch: the guest's only clock.
    pub now: i64,
    /// Milliseconds since the epoch.
    pub last_modified: i64,
    /// MAX_LINE_BYTES.
    pub max_line_bytes: usize,
}

impl Context<'_> {
    fn to_contract(self) -> contract::Context {
        contract::Context {
            origin: contract::Origin {
                cluster_id: self.origin.cluster_id.clone(),
                namespace: self.origin.namespace.clone(),
                tenant_id: self.origin.tenant_id.clone(),
                application: self.origin.application.clone(),
                pod_name: self.origin.pod_name.clone(),
                environment: self.origin.environment.clone(),
            },
            delivery: contract::Delivery {
                id: self.delivery.id().to_owned(),
                destination: self.delivery.destination.kind().to_owned(),
                desired_logs: self.delivery.desired_logs.clone(),
                groups: self.delivery.groups.clone(),
            },
            bucket: self.object.bucket.clone(),
            key: self.object.key.clone(),
            settings: self.settings.to_vec(),
            more: vec![
                ("last-modified".to_owned(), self.last_modified.to_string()),
                ("max-line-bytes".to_owned(), self.max_line_bytes.to_string()),
            ],
        }
    }
}

/// A component at work. After an error it must be dropped.
pub struct Instance {
    store: Store<State>,
    handle: Handle,
    component: Component,
    transform_input: HeldBack,
    rewrite_input: HeldBack,
}

impl Instance {
    /// A fresh instance.
    ///
    /// # Errors
    /// When the component's own start fails.
    pub fn start(component: &Component) -> Result<Self, GuestError> {
        let limits: &Limits = &component.limits;
        let mut store = Store::new(component.pre.engine(), State::new(limits));
        store.limiter(|state| &mut state.memory);
        let started = store.set_fuel(START_FUEL).and_then(|()| component.pre.instantiate(&mut store));
        match started {
            Ok(handle) => Ok(Self {
                store,
                handle,
                component: component.clone(),
                transform_input: HeldBack::default(),
                rewrite_input: HeldBack::default(),
            }),
            Err(error) => Err(match classify("start", &error, store.data(), limits, START_FUEL) {
                // No guest has spoken yet: no room in the pool, no memory.
                GuestError::Contract { what, .. } => GuestError::Host { what },
                error => error,
            }),
        }
    }

    /// Reads an object's key.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn parse_key(&mut self, key: &str) -> Result<Origin, GuestError> {
        let origin: contract::Origin = self.call(contract::KEY_PARSER, "parse-key", (key,), START_FUEL, key.len())?;
        Ok(Origin {
            cluster_id: origin.cluster_id,
            namespace: origin.namespace,
            tenant_id: origin.tenant_id,
            application: origin.application,
            pod_name: origin.pod_name,
            environment: origin.environment,
        })
    }

    /// Whether the delivery wants the object at all.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn wants(&mut self, context: &Context<'_>) -> Result<bool, GuestError> {
        self.call(contract::LOG_FILTER, "wants", (context.to_contract(),), START_FUEL, 0)
    }

    /// Whether the component accepts its settings: what is wrong with them, if not.
    ///
    /// # Errors
    /// What the guest did wrong.
    pub fn check_settings(&mut self, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError> {
        let answer: Result<(), String> = self.raw(contract::SETTINGS_CHECK, "check", (settings,), START_FUEL, 0)?;
        Ok(answer.map_err(bounded))
    }

    /// Begins an object for `transform`.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn begin_transform(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        let params = (context.to_contract(), context.now);
        self.call(contract::RECORD_TRANSFORM, "begin", params, START_FUEL, 0)
    }

    /// Whole lines in, events out. `open`: first line that is not settled yet,
    /// and the line after the last of `lines`.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn transform(&mut self, first_line: u64, lines: &[u8], open: (u64, u64)) -> Result<Transformed, GuestError> {
        let input = self.transform_input.add(open.1, lines.len());
        let fuel = self.component.limits.fuel(lines.len()).saturating_add(self.transform_input.unspent_fuel);
        let out: contract::Transformed =
            self.call(contract::RECORD_TRANSFORM, "transform", (first_line, lines), fuel, input)?;
        let out = checked::transformed("transform", out, open, false, &self.component.limits, input)?;
        let (left, limit) = (self.fuel_left(), self.component.limits.held_back_bytes);
        self.transform_input.settle("transform", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// After the last line: what `transform` held back.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn end_transform(&mut self, open: (u64, u64)) -> Result<Transformed, GuestError> {
        let input = self.transform_input.bytes;
        let fuel = self.component.limits.fuel(0).saturating_add(self.transform_input.unspent_fuel);
        let out: contract::Transformed = self.call(contract::RECORD_TRANSFORM, "end", (), fuel, input)?;
        checked::transformed("end", out, open, true, &self.component.limits, input)
    }

    /// Begins an object for `rewrite`.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn begin_rewrite(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        let params = (context.to_contract(), context.now);
        self.call(contract::RECORD_REWRITE, "begin", params, START_FUEL, 0)
    }

    /// Whole lines in, lines out; `open` as in [`Instance::transform`].
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn rewrite(&mut self, first_line: u64, lines: &[u8], open: (u64, u64)) -> Result<Rewritten, GuestError> {
        let input = self.rewrite_input.add(open.1, lines.len());
        let fuel = self.component.limits.fuel(lines.len()).saturating_add(self.rewrite_input.unspent_fuel);
        let out: contract::Rewritten =
            self.call(contract::RECORD_REWRITE, "rewrite", (first_line, lines), fuel, input)?;
        let out = checked::rewritten("rewrite", out, open, false, &self.component.limits, input)?;
        let (left, limit) = (self.fuel_left(), self.component.limits.held_back_bytes);
        self.rewrite_input.settle("rewrite", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// After the last line: what `rewrite` held back.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn end_rewrite(&mut self, open: (u64, u64)) -> Result<Rewritten, GuestError> {
        let input = self.rewrite_input.bytes;
        let fuel = self.component.limits.fuel(0).saturating_add(self.rewrite_input.unspent_fuel);
        let out: contract::Rewritten = self.call(contract::RECORD_REWRITE, "end", (), fuel, input)?;
        checked::rewritten("end", out, open, true, &self.component.limits, input)
    }

    fn fuel_left(&self) -> u64 {
        self.store.get_fuel().unwrap_or(0)
    }

    /// What it logged so far.
    pub fn take_log(&mut self) -> GuestLog {
        std::mem::take(&mut self.store.data_mut().log)
    }

    /// Calls a function that may say that it failed.
    fn call<P, R>(
        &mut self,
        interface: &str,
        function: &'static str,
        params: P,
        fuel: u64,
        input: usize,
    ) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower,
        Result<R, contract::Failure>: Lift,
        R: 'static,
    {
        let answer: Result<R, contract::Failure> = self.raw(interface, function, params, fuel, input)?;
        answer.map_err(|failure| match failure {
            contract::Failure::Rejected(text) => GuestError::Rejected { function, text: bounded(text) },
            contract::Failure::Internal(text) => GuestError::Internal { function, text: bounded(text) },
        })
    }

    fn raw<P, R>(
        &mut self,
        interface: &str,
        function: &'static str,
        params: P,
        fuel: u64,
        input: usize,
    ) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let limits = &self.component.limits;
        self.store.set_hostcall_fuel(limits.copied_bytes(input));
        let answer = self
            .store
            .set_fuel(fuel)
            .and_then(|()| typed::<P, R>(&mut self.store, &self.handle, interface, function))
            .and_then(|func| func.call(&mut self.store, params));
        match answer {
            Ok((answer,)) => Ok(answer),
            Err(error) => Err(classify(function, &error, self.store.data(), limits, fuel)),
        }
    }
}

fn typed<P, R>(
    store: &mut Store<State>,
    handle: &Handle,
    interface: &str,
    function: &str,
) -> wasmtime::Result<wasmtime::component::TypedFunc<P, (R,)>>
where
    P: ComponentNamedList + Lower,
    R: Lift + 'static,
{
    let missing = || wasmtime::format_err!("`{interface}` has no `{function}`");
    let index = handle.get_export_index(&mut *store, None, interface).ok_or_else(missing)?;
    let index = handle.get_export_index(&mut *store, Some(&index), function).ok_or_else(missing)?;
    handle.get_typed_func(&mut *store, index)
}

/// Says what a failed call means.
fn classify(function: &'static str, error: &wasmtime::Error, state: &State, limits: &Limits, fuel: u64) -> GuestError {
    let limit = |limit, detail| GuestError::Limit { function, limit, detail };
    let text = format!("{error:#}");
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            // What has no lines for its input has a budget that no setting raises.
            let remedy = if fuel == START_FUEL { "" } else { " (PLUGIN_FUEL_PER_MIB)" };
            limit("fuel", format!("{fuel} units were used up: an endless loop, or too much work for the input{remedy}"))
        }
        // A guest whose memory can't grow usually traps in its own allocator.
        _ if state.memory.denied => {
            limit("memory", format!("more than {} bytes were asked for (PLUGIN_MEMORY_BYTES)", limits.memory_bytes))
        }
        Some(trap) => GuestError::Trap { function, what: trap.to_string() },
        None if text.contains("fuel allocated for hostcalls") => {
            limit("output", "more was returned than the host may copy (PLUGIN_MAX_OUTPUT_RATIO)".to_owned())
        }
        None => GuestError::Contract { function, what: bounded(text) },
    }
}

/// Checks that everything that a component exports of the contract is of the
/// contract's types. It takes an instance: so a start that fails shows here.
pub(super) fn check_types(component: &Component) -> Result<(), LoadError> {
    let exports = component.exports();
    let mut instance = Instance::start(component).map_err(|error| LoadError::Start(error.to_string()))?;
    let Instance { store, handle, .. } = &mut instance;
    macro_rules! check {
        ($exported:expr, $interface:expr, $($function:literal: $params:ty => $result:ty),+) => {
            if $exported {
                $(typed::<$params, $result>(store, handle, $interface, $function).map_err(|error| LoadError::Type {
                    interface: $interface,
                    detail: bounded(format!("{}: {error:#}", $function)),
                })?;)+
            }
        };
    }
    type Fallible<T> = Result<T, contract::Failure>;
    type Lines<'a> = (u64, &'a [u8]);
    check!(exports.key_parser, contract::KEY_PARSER, "parse-key": (&str,) => Fallible<contract::Origin>);
    check!(exports.log_filter, contract::LOG_FILTER, "wants": (contract::Context,) => Fallible<bool>);
    check!(exports.record_rewrite, contract::RECORD_REWRITE,
        "begin": (contract::Context, i64) => Fallible<()>,
        "rewrite": Lines<'_> => Fallible<contract::Rewritten>,
        "end": () => Fallible<contract::Rewritten>);
    check!(exports.record_transform, contract::RECORD_TRANSFORM,
        "begin": (contract::Context, i64) => Fallible<()>,
        "transform": Lines<'_> => Fallible<contract::Transformed>,
        "end": () => Fallible<contract::Transformed>);
    check!(exports.settings_check, contract::SETTINGS_CHECK,
        "check": (&[(String, String)],) => Result<(), String>);
    Ok(())
}
