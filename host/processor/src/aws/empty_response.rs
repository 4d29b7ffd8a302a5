//! Answers with nothing in them. The SDK takes such a one for `{}`, and a success; AWS
//! never answers so where it speaks JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Notes whether the last attempt's answer has nothing in it. Clones note the same.
#[derive(Debug, Clone, Default)]
pub(super) struct EmptyResponseCheck(Arc<AtomicBool>);

impl EmptyResponseCheck {
    /// Whether it has.
    pub(super) fn was_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for EmptyResponseCheck {
    fn name(&self) -> &'static str {
        "EmptyResponseCheck"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes();
        self.0.store(body.is_some_and(|body| body.trim_ascii().is_empty()), Ordering::Relaxed);
        Ok(())
    }
}
