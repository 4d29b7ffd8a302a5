//! What several files' tests need.

use model::{DestinationKind, ObjectId};

use super::{Entry, Outcome};
use crate::pipeline::{ComponentRun, ShadowRun};

/// An entry of a delivery with these runs.
pub(super) fn entry(component: Option<ComponentRun>, shadow: Option<ShadowRun>) -> Entry {
    let object = ObjectId { bucket: "b".to_owned(), key: "k".to_owned() };
    Entry {
        component,
        shadow,
        ..Entry::new(&object, Some("acme"), Some(DestinationKind::CloudWatch), Outcome::Delivered)
    }
}
