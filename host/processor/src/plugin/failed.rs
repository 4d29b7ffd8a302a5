//! Why a component can't be had.

use std::fmt::Display;

use model::{ComponentRef, Digest};

/// Why a component can't be had. Its records wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LoadFailed {
    /// A bounded name for metrics: `component-missing`, `component-source`,
    /// `component-forbidden`, `component-digest`, `component-too-large`,
    /// `component-refused`, `component-settings`, `component-not-compiled`; where the
    /// host couldn't run it to look at it: `host`, `guest-timeout`.
    pub name: &'static str,
    /// Which component, what is wrong, what to do.
    pub text: String,
}

impl LoadFailed {
    /// `text`: what is wrong with the component, and what to do.
    pub(super) fn new(name: &'static str, component: &ComponentRef, text: impl Display) -> Self {
        Self { name, text: format!("component {component}: {text}") }
    }

    /// It isn't there; `why`: in the words of who was asked.
    pub(super) fn missing(component: &ComponentRef, why: &dyn Display) -> Self {
        let text = format!("it isn't there ({why}): put it there, or correct `component` in the delivery's item");
        Self::new("component-missing", component, text)
    }

    /// It has `bytes`, where that is known, and may have `most`.
    pub(super) fn too_large(component: &ComponentRef, bytes: Option<u64>, most: u64) -> Self {
        let has = bytes.map_or_else(|| "more".to_owned(), |bytes| format!("{bytes}"));
        let text = format!(
            "it has {has} bytes, and may have {most}: make it smaller, or have the limit raised (`component_bytes` in \
             the item's limits, PLUGIN_MAX_COMPONENT_BYTES)"
        );
        Self::new("component-too-large", component, text)
    }

    /// Its bytes are others than the item says.
    pub(super) fn digest(component: &ComponentRef, expected: Digest, found: Digest) -> Self {
        let text = format!(
            "its SHA-256 is {found}, and the item says {expected}: correct `sha256` in the delivery's item, or put the \
             component back that it was made of"
        );
        Self::new("component-digest", component, text)
    }
}
