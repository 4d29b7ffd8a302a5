//! Functions that guests may call: how they are defined, how a guest pays for what the
//! host does for it, and its log.

use std::task::Poll;

use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};
use wasmtime::{StoreContextMut, Trap};

use crate::log::Level;
use crate::store::StoreData;
use crate::version::Version;

/// Fuel that any call of the host costs, beside what the function itself costs: it
/// takes about as long as so many instructions.
const CALL_FUEL: u64 = 200;
/// Fuel that a log line costs its guest, and each byte of it.
const LOG_LINE_FUEL: u64 = 2_000;
const LOG_BYTE_FUEL: u64 = 4;

/// Takes fuel for what the host does. Setting a store's fuel begins a new slice, so
/// where one is over is kept here: else a guest that calls the host all the time
/// would never let others have their turn.
async fn pay(store: &mut StoreContextMut<'_, StoreData>, fuel: u64) -> wasmtime::Result<()> {
    let left = store.get_fuel()?.checked_sub(fuel).ok_or(Trap::OutOfFuel)?;
    store.set_fuel(left)?;
    if store.data_mut().ends_slice(left) {
        let mut waited = false;
        std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
    Ok(())
}

/// Defines a function that guests may call; `cost`: its fuel, beside what any call costs.
pub(crate) fn function<P, R>(
    instance: &mut LinkerInstance<'_, StoreData>,
    name: &str,
    cost: fn(&P) -> u64,
    body: impl Fn(&mut StoreData, P) -> wasmtime::Result<R> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + Send + 'static,
    R: ComponentNamedList + Lower + Send + 'static,
{
    instance.func_wrap_async(name, move |mut store: StoreContextMut<'_, StoreData>, params: P| {
        Box::new(async move {
            pay(&mut store, CALL_FUEL.saturating_add(cost(&params))).await?;
            body(store.data_mut(), params)
        })
    })
}

/// Fuel for text that goes to the log.
pub(crate) fn log_cost(lines: usize, bytes: usize) -> u64 {
    let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
    number(lines).saturating_mul(LOG_LINE_FUEL).saturating_add(number(bytes).saturating_mul(LOG_BYTE_FUEL))
}

/// Gives guests their log, in every version of the contract.
pub(crate) fn add_host_log(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let cost = |(_, text): &(Level, String)| log_cost(1, text.len());
    Version::ALL.into_iter().try_for_each(|version| {
        let mut interface = linker.instance(version.names().host_log)?;
        function(&mut interface, "log", cost, |state, (level, text): (Level, String)| {
            state.log.lock().line(level, text);
            Ok(())
        })
    })
}
