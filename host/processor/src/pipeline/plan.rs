//! Which component does what: the tenant's where it exports the interface, the
//! default guest for the rest.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::slots::GuestSlots;
use model::{Delivery, OnError, Origin, TimestampNumbers, hex};
use sandbox::{Component, Exports};

/// What fuel and memory a component takes, and how the lines that it fails on are found,
/// is the host's, and may be another's in another version.
const HOST_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A component of a tenant's (or the operator's for every tenant), ready to run.
#[derive(Clone)]
pub struct LoadedPlugin {
    /// Loaded, with its limits.
    pub component: Component,
    /// The tenant's settings for it.
    pub settings: Arc<Vec<(String, String)>>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// What it logs goes to the processor's log.
    pub logs_to_operator: bool,
}

/// What an object becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputKind {
    /// Events of a log stream.
    Events,
    /// Lines of another object.
    Lines,
}

/// What a component does with an object's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StageRole {
    Rewrite,
    Transform,
}

impl StageRole {
    /// Whether a component with these exports has it.
    pub(super) fn is_among(self, exports: Exports) -> bool {
        match self {
            Self::Rewrite => exports.record_rewrite.is_some(),
            Self::Transform => exports.record_transform.is_some(),
        }
    }
}

/// The components of a delivery. `Clone` is cheap.
#[derive(Clone)]
pub struct Plan {
    /// The default guest.
    pub default: Component,
    /// Whose output is delivered.
    pub tenant: Option<LoadedPlugin>,
    /// Whose output is only compared.
    pub shadow: Option<LoadedPlugin>,
    /// What bounds how many guests are at work at once; shared by all plans.
    pub slots: GuestSlots,
}

impl Plan {
    /// What the tenant's component exports; nothing where there is none.
    pub(super) fn exports(&self) -> Exports {
        self.tenant.as_ref().map(|tenant| tenant.component.exports()).unwrap_or_default()
    }

    /// SHA-256, in hexadecimal digits, of all that decides which events an object
    /// becomes, beside the object: under another one the number of an event says
    /// nothing. It is kept where settings, which may be secrets, must not be.
    pub fn digest(
        &self,
        max_line_bytes: usize,
        numbers: TimestampNumbers,
        origin: &Origin,
        delivery: &Delivery,
    ) -> String {
        let default = self.default.digest();
        let decides = match &self.tenant {
            None => format!("{default} none {max_line_bytes} []"),
            Some(LoadedPlugin { component, settings, on_error, .. }) => {
                let (digest, limits) = (component.digest(), component.limits());
                let Delivery { desired_logs, groups, .. } = delivery;
                format!(
                    "{default} {digest} {max_line_bytes} {settings:?} {on_error:?} {limits:?} {origin:?} \
                     {desired_logs:?} {groups:?} {HOST_VERSION}"
                )
            }
        };
        let mut hash = Sha256::new_with_prefix(decides);
        if let Some((name, value)) = numbers.context_entry() {
            hash.update(format!(" {name}={value}"));
        }
        hex(&hash.finalize())
    }

    /// Whether records are rewritten: then an S3 delivery is no plain copy.
    pub fn rewrites(&self) -> bool {
        self.exports().record_rewrite.is_some()
    }
}
