//! Work that blocks or takes long.

use super::failure;
use model::{ComponentErrorKind, ComponentRef, Failure};

/// Work that blocks or takes long, off the tasks' threads.
pub(super) async fn blocking<T: Send + 'static>(
    component: &ComponentRef,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let lost = |_| Err(failure::of_component(ComponentErrorKind::Refused, component, "the host gave it up: a bug"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(lost)
}
