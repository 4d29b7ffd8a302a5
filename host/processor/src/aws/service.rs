//! One service with one identity in one region: what every call goes through.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::config::retry::RetryPartition;

use super::AwsError;
use super::error::CallInfo;
use super::lazy::Lazy;
use super::operation::Operation;
use super::sessions::Session;
use model::Fault;

/// What each service's client is made from: who signs, where, and whose retries
/// count against whose. The SDK bounds the retries of a partition together, so one
/// tenant's throttling must never be another's.
#[derive(Clone)]
pub(super) struct Access {
    /// Region, credentials, timeouts, endpoint.
    pub(super) config: SdkConfig,
    /// Signs. Asked before each call, so that its failure is told as its own.
    pub(super) session: Arc<Session>,
    /// Region of the client.
    pub(super) region: String,
    /// Named after the service, and after the tenant where there is one. Freed with
    /// the client (the SDK's partitions by name alone live as long as the process).
    pub(super) partition: String,
    /// From [`super::Options`].
    pub(super) request_timeout: Duration,
    /// From [`super::Options`].
    pub(super) path_style: bool,
    /// The processor's own region.
    pub(super) own_region: String,
    /// Who is charged with a failure, where nothing says otherwise.
    pub(super) fault: Fault,
}

impl Access {
    /// The partition of its retries: a new one.
    pub(super) fn retry_partition(&self) -> RetryPartition {
        RetryPartition::custom(self.partition.clone()).build()
    }
}

/// A service's client, and who signs its calls. `Clone` is cheap.
pub(super) struct Service<C>(Arc<(Access, Lazy<C>)>);

impl<C: Send + Sync + 'static> Service<C> {
    /// The client is built when it is first used.
    pub(super) fn new(access: Access, build: fn(&Access) -> C) -> Self {
        let copy = access.clone();
        Self(Arc::new((access, Lazy::new(move || build(&copy)))))
    }

    /// The client, with credentials in its session: so that a role that can't be
    /// assumed is told as itself, outside of the call's own attempts and timeout.
    ///
    /// # Errors
    /// There are no credentials.
    pub(super) async fn client(&self) -> Result<&C, AwsError> {
        self.session.credentials().await?;
        Ok(&self.0.1)
    }

    /// A call that is made to it.
    pub(super) fn call(&self, operation: Operation) -> CallInfo<'_> {
        self.call_in(operation, &self.region, self.fault)
    }

    /// A call that is made elsewhere, or charged to somebody else.
    pub(super) fn call_in<'a>(&self, operation: Operation, region: &'a str, fault: Fault) -> CallInfo<'a> {
        CallInfo { operation, region, fault, in_own_region: *region == self.own_region }
    }
}

impl<C> Clone for Service<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Service<C> {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.0.0
    }
}
