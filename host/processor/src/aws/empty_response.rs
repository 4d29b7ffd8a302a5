//! Responses with an empty body. The SDK reads one as `{}`, a success, though AWS's JSON services
//! never send one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// An interceptor that notes whether the last attempt's response was empty. Clones share the note.
#[derive(Debug, Clone, Default)]
pub(super) struct EmptyResponseCheck(Arc<AtomicBool>);

impl EmptyResponseCheck {
    /// Whether the last response was empty, but for white space.
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
