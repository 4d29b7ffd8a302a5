//! Contract 0.2.0, a draft, as `wit/0.2.0/plugin.wit` has it: what a guest is told
//! has types. What it leaves as it was is 0.1.0's.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::binding::Types;
use super::v0_1_0::{Delivery, Failure, Origin, Rewritten, Transformed};
use crate::version::Version;

/// This version of the contract, as the functions are bound to it.
pub(super) struct V0_2_0;

impl Types for V0_2_0 {
    const VERSION: Version = Version::V0_2_0;
    type Origin = Origin;
    type Context = Context;
    type Begin = (Context,);
    type Rewritten = Rewritten;
    type Transformed = Transformed;
    type Failure = Failure;

    fn begin(context: &crate::context::Context<'_>) -> Self::Begin {
        (context.into(),)
    }
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Object {
    bucket: String,
    key: String,
    #[component(name = "last-modified")]
    last_modified: i64,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Context {
    origin: Origin,
    delivery: Delivery,
    object: Object,
    now: i64,
    #[component(name = "max-line-bytes")]
    max_line_bytes: u64,
    settings: Vec<(String, String)>,
    more: Vec<(String, String)>,
}

impl From<&crate::context::Context<'_>> for Context {
    fn from(context: &crate::context::Context<'_>) -> Self {
        Self {
            origin: context.origin.into(),
            delivery: context.delivery.into(),
            object: Object {
                bucket: context.object.bucket.clone(),
                key: context.object.key.clone(),
                last_modified: context.last_modified,
            },
            now: context.now,
            max_line_bytes: u64::try_from(context.max_line_bytes).unwrap_or(u64::MAX),
            settings: context.settings.to_vec(),
            more: context.timestamp_numbers.context_entry().into_iter().collect(),
        }
    }
}
