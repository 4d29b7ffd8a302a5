//! CloudWatch Logs.

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

/// Indexes into a batch that CloudWatch Logs refused, as its answer gives them.
/// Source: API_RejectedLogEventsInfo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedRanges {
    /// Events before this index are too old.
    pub too_old_before: Option<usize>,
    /// Events before this index are past the group's retention.
    pub expired_before: Option<usize>,
    /// Events from this index on are too new.
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

    /// PutLogEvents. `request` is the whole request as JSON (`logGroupName`,
    /// `logStreamName`, `logEvents`): the SDK's own serialization takes twice
    /// the CPU. `group` is for errors.
    ///
    /// # Errors
    /// After the SDK's attempts. `NotFound`: group or stream is missing. `NoProof`: a
    /// success without a document.
    pub async fn put(&self, group: &str, request: Bytes) -> Result<RejectedRanges, AwsError> {
        let (response_lost, empty) = (Arc::new(AtomicBool::new(false)), EmptyResponseCheck::default());
        let body = RawBody { request, response_lost: Arc::clone(&response_lost) };
        // What the SDK wants to see before it makes the request whose body is replaced.
        let call = self.logs.client().await?.put_log_events().log_group_name("-").log_stream_name("-");
        let call = call.set_log_events(Some(Vec::new())).customize().interceptor(body);
        match call.interceptor(empty.clone()).send().await {
            Ok(_) if empty.was_empty() => {
                Err(self.logs.call(Operation::PutLogEvents).missing_proof(self.resource(group), "JSON document"))
            }
            Ok(answer) => Ok(rejected_ranges(&answer)),
            Err(error) if error.code() == Some("DataAlreadyAcceptedException") => Ok(RejectedRanges::default()),
            Err(error) => {
                let mut error = self.classify(Operation::PutLogEvents, group, error);
                error.effect_unknown |= response_lost.load(Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// CreateLogStream. That it exists already is no error. AWS's answer is empty: the put
    /// that follows proves it.
    ///
    /// # Errors
    /// `NotFound`: the group is missing.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<(), AwsError> {
        let call = self.logs.client().await?.create_log_stream().log_group_name(group).log_stream_name(stream);
        let answer =
            call.send().await.map(drop).map_err(|error| self.classify(Operation::CreateLogStream, group, error));
        allow_existing(answer)
    }

    /// CreateLogGroup. That it exists already is no error.
    ///
    /// # Errors
    /// `Conflict`: somebody else is creating it.
    pub async fn create_group(&self, group: &str) -> Result<(), AwsError> {
        let call = self.logs.client().await?.create_log_group().log_group_name(group);
        let answer =
            call.send().await.map(drop).map_err(|error| self.classify(Operation::CreateLogGroup, group, error));
        allow_existing(answer)
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

fn allow_existing(answer: Result<(), AwsError>) -> Result<(), AwsError> {
    match answer {
        Err(error) if error.kind == AwsErrorKind::Exists => Ok(()),
        answer => answer,
    }
}

fn rejected_ranges(answer: &PutLogEventsOutput) -> RejectedRanges {
    let index = |index: Option<i32>| index.map(|index| usize::try_from(index).unwrap_or_default());
    let ranges = |info: &RejectedLogEventsInfo| RejectedRanges {
        too_old_before: index(info.too_old_log_event_end_index()),
        expired_before: index(info.expired_log_event_end_index()),
        too_new_from: index(info.too_new_log_event_start_index()),
    };
    answer.rejected_log_events_info().map(ranges).unwrap_or_default()
}

/// Puts a request's body in the place of the SDK's, before its attempts: each of
/// them signs and sends it anew.
#[derive(Debug)]
struct RawBody {
    request: Bytes,
    /// An attempt got no answer though it may have been received; a later one's
    /// failure says nothing about that.
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
