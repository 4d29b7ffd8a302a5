//! Failures to load a component, whose records wait. Each names the component.

use std::error::Error;
use std::fmt::Display;

use model::{ComponentErrorKind, ComponentRef, Digest, Failure, FailureKind, Fault};
use sandbox::GuestError;

/// Says which component it is, what is wrong with it, and what to do.
pub(super) fn of_component(kind: ComponentErrorKind, component: &ComponentRef, text: impl Display) -> Failure {
    Failure::new(kind, about(component, text)).with_fault(Fault::Component)
}

/// A failure whose cause is an error.
pub(super) fn by_error(
    kind: impl Into<FailureKind>,
    component: &ComponentRef,
    error: impl Error + Send + Sync + 'static,
) -> Failure {
    let text = about(component, &error);
    Failure::of(kind, error).in_words(text).with_fault(Fault::Component)
}

fn about(component: &ComponentRef, text: impl Display) -> String {
    format!("component {component}: {text}")
}

/// The host couldn't run it to look at it. Without the guest's own words.
pub(super) fn not_now(component: &ComponentRef, error: GuestError) -> Failure {
    let failure = error.into_failure(false);
    let text = about(component, &failure);
    failure.in_words(text)
}

/// The component isn't there, as `error` says.
pub(super) fn missing(component: &ComponentRef, error: impl Error + Send + Sync + 'static) -> Failure {
    let text = format!("it isn't there ({error}): put it there, or correct `component` in the delivery's item");
    by_error(ComponentErrorKind::Missing, component, error).in_words(about(component, text))
}

/// The component is too large. `bytes`: its size, if known; `most`: the limit.
pub(super) fn too_large(component: &ComponentRef, bytes: Option<u64>, most: u64) -> Failure {
    let has = bytes.map_or_else(|| "more".to_owned(), |bytes| format!("{bytes}"));
    let text = format!(
        "it has {has} bytes, and may have {most}: make it smaller, or have the limit raised (`component_bytes` in \
         the item's limits, PLUGIN_MAX_COMPONENT_BYTES)"
    );
    of_component(ComponentErrorKind::TooLarge, component, text)
}

/// The component's bytes have another digest than the item says.
pub(super) fn other_digest(component: &ComponentRef, expected: Digest, found: Digest) -> Failure {
    let text = format!(
        "its SHA-256 is {found}, and the item says {expected}: correct `sha256` in the delivery's item, or put the \
         component back that it was made of"
    );
    of_component(ComponentErrorKind::Digest, component, text)
}
