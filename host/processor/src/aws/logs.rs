//! CloudWatch Logs: putting events, and creating groups and streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::interceptors::{
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_cloudwatchlogs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::put_log_events::PutLogEventsOutput;
use aws_sdk_cloudwatchlogs::types::RejectedLogEventsInfo;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::empty_response::EmptyResponseCheck;
use super::error::never_sent;
use super::operation::Operation;
use super::service::{Access, Service};
use super::{AwsError, AwsErrorKind};

/// The ranges of a batch whose events CloudWatch Logs refused, as indexes into it.
/// Source: API_RejectedLogEventsInfo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedRanges {
    /// Events before this index were too old.
    pub too_old_before: Option<usize>,
    /// Events before this index were past the group's retention.
    pub expired_before: Option<usize>,
    /// Events from this index on were too far in the future.
    pub too_new_from: Option<usize>,
}

/// CloudWatch Logs of one tenant's role in one region. `Clone` is cheap.
#[derive(Clone)]
pub struct Logs {
    logs: Service<Client>,
    account: Arc<str>,
}

impl Logs {
    pub(super) fn new(access: Access, role_arn: &str) -> Self {
        let logs = Service::new(access, |access| {
            let config = aws_sdk_cloudwatchlogs::config::Builder::from(&access.config);
            Client::from_conf(config.retry_partition(access.retry_partition()).build())
        });
        let account = role_arn.split(':').nth(4).unwrap_or_default();
        Self { logs, account: account.into() }
    }

    /// Puts events (PutLogEvents). `request` is the whole request as JSON (`logGroupName`,
    /// `logStreamName`, `logEvents`), since the SDK's serialization takes twice the CPU. `group` is
    /// for errors.
    ///
    /// # Errors
    /// The call failed after all attempts. `NotFound`: the group or the stream is missing.
    /// `NoProof`: a success without a JSON document.
    pub async fn put(&self, group: &str, request: Bytes) -> Result<RejectedRanges, AwsError> {
        let (response_lost, empty) = (Arc::new(AtomicBool::new(false)), EmptyResponseCheck::default());
        let body = RawBody { request, response_lost: Arc::clone(&response_lost) };
        // The SDK demands these before it makes the request whose body is then replaced.
        let call = self.logs.client().await?.put_log_events().log_group_name("-").log_stream_name("-");
        let call = call.set_log_events(Some(Vec::new())).customize().interceptor(body);
        match call.interceptor(empty.clone()).send().await {
            Ok(_) if empty.was_empty() => {
                Err(self.logs.call(Operation::PutLogEvents).missing_proof(self.resource(group), "JSON document"))
            }
            Ok(response) => Ok(rejected_ranges(&response)),
            Err(error) if error.code() == Some("DataAlreadyAcceptedException") => Ok(RejectedRanges::default()),
            Err(error) => {
                let mut error = self.classify(Operation::PutLogEvents, group, error);
                error.effect_unknown |= response_lost.load(Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Creates a stream (CreateLogStream), unless it exists. AWS's response is empty, and proves
    /// nothing: the put that follows does.
    ///
    /// # Errors
    /// `NotFound`: the group is missing.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<(), AwsError> {
        let call = self.logs.client().await?.create_log_stream().log_group_name(group).log_stream_name(stream);
        let response =
            call.send().await.map(drop).map_err(|error| self.classify(Operation::CreateLogStream, group, error));
        allow_existing(response)
    }

    /// Creates a group (CreateLogGroup), unless it exists.
    ///
    /// # Errors
    /// `Conflict`: somebody else is creating it.
    pub async fn create_group(&self, group: &str) -> Result<(), AwsError> {
        let call = self.logs.client().await?.create_log_group().log_group_name(group);
        let response =
            call.send().await.map(drop).map_err(|error| self.classify(Operation::CreateLogGroup, group, error));
        allow_existing(response)
    }

    fn classify<E>(&self, operation: Operation, group: &str, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.logs.call(operation).classify(self.resource(group), error)
    }

    fn resource(&self, group: &str) -> String {
        format!("log group {group} of account {} in {}", self.account, self.logs.region)
    }
}

fn allow_existing(response: Result<(), AwsError>) -> Result<(), AwsError> {
    match response {
        Err(error) if error.kind == AwsErrorKind::Exists => Ok(()),
        response => response,
    }
}

fn rejected_ranges(response: &PutLogEventsOutput) -> RejectedRanges {
    let index = |index: Option<i32>| index.map(|index| usize::try_from(index).unwrap_or_default());
    let ranges = |info: &RejectedLogEventsInfo| RejectedRanges {
        too_old_before: index(info.too_old_log_event_end_index()),
        expired_before: index(info.expired_log_event_end_index()),
        too_new_from: index(info.too_new_log_event_start_index()),
    };
    response.rejected_log_events_info().map(ranges).unwrap_or_default()
}

/// An interceptor that replaces the request's body before the first attempt. Each attempt signs and
/// sends it.
#[derive(Debug)]
struct RawBody {
    request: Bytes,
    /// Set if an attempt may have reached AWS without a response. The error of a later attempt
    /// says nothing about that one.
    response_lost: Arc<AtomicBool>,
}

impl Intercept for RawBody {
    fn name(&self) -> &'static str {
        "RawBody"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_cloudwatchlogs::error::BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.request.len().to_string());
        *request.body_mut() = SdkBody::from(self.request.clone());
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_cloudwatchlogs::error::BoxError> {
        if let (None, Some(Err(error))) = (context.response(), context.output_or_error())
            && (error.is_connector_error() || error.is_timeout_error())
            && !never_sent(error)
        {
            self.response_lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
