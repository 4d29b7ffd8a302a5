//! A service's client with one identity in one region. Every call goes through one.

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

/// The access that a service's client is made from: identity, region, retry partition. The SDK bounds the
/// retries of a partition together, so tenants must not share one: else the throttling of one
/// tenant would use up the retries of another.
#[derive(Clone)]
pub(super) struct Access {
    /// The region, credentials, timeouts and endpoint.
    pub(super) config: SdkConfig,
    /// The session that signs. It is asked for credentials before each call, so that its failure
    /// isn't taken for the call's.
    pub(super) session: Arc<Session>,
    /// The client's region.
    pub(super) region: String,
    /// The name of the retry partition: the service, and the tenant if there is one. A partition
    /// is freed with its client (the SDK's default ones live as long as the process).
    pub(super) partition: String,
    /// See [`super::AwsOptions::request_timeout`].
    pub(super) request_timeout: Duration,
    /// See [`super::AwsOptions::path_style`].
    pub(super) path_style: bool,
    /// The processor's own region.
    pub(super) own_region: String,
    /// Whose fault a failure is, unless its kind says otherwise.
    pub(super) fault: Fault,
}

impl Access {
    /// Makes a retry partition of this name.
    pub(super) fn retry_partition(&self) -> RetryPartition {
        RetryPartition::custom(self.partition.clone()).build()
    }
}

/// A service's client and its access. `Clone` is cheap.
pub(super) struct Service<C>(Arc<(Access, Lazy<C>)>);

impl<C: Send + Sync + 'static> Service<C> {
    /// A service whose client is built when it is first used.
    pub(super) fn new(access: Access, build: fn(&Access) -> C) -> Self {
        let copy = access.clone();
        Self(Arc::new((access, Lazy::new(move || build(&copy)))))
    }

    /// The client, once its session has credentials. A role that can't be assumed is thus reported
    /// as such, outside of the call's attempts and timeout.
    ///
    /// # Errors
    /// The session can't get credentials.
    pub(super) async fn client(&self) -> Result<&C, AwsError> {
        self.session.credentials().await?;
        Ok(&self.0.1)
    }

    /// A call of this service, for the error if it fails.
    pub(super) fn call(&self, operation: Operation) -> CallInfo<'_> {
        self.call_in(operation, &self.region, self.fault)
    }

    /// A call of this service in another region, or with somebody else at fault.
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
