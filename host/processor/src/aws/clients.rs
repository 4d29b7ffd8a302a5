//! The clients, one for each purpose, each built when it is first used.

use std::sync::Arc;

use aws_config::SdkConfig;

use super::cache::IdleCache;
use super::config;
use super::options::{AwsOptions, BucketOwnerSetting};
use super::service::{Access, Service};
use super::sessions::{Session, Sessions, with_session};
use super::{AwsError, Logs, MetricsClient, Queue, S3, Table};
use model::{Delivery, Destination, Fault};

/// The most tenants' clients that are kept, per service.
const MAX_CLIENTS: usize = 500;

/// The error that no AWS credentials were found, with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(pub String);

/// The clients of this process. `Clone` is cheap.
#[derive(Clone)]
pub struct Aws(Arc<AwsInner>);

struct AwsInner {
    options: AwsOptions,
    config: SdkConfig,
    sessions: Sessions,
    source: S3,
    dead_letters: S3,
    components: S3,
    sqs: Service<aws_sdk_sqs::Client>,
    dynamodb: Service<aws_sdk_dynamodb::Client>,
    metrics: MetricsClient,
    /// By tenant, role and region.
    logs: IdleCache<(String, String, String), Logs>,
    /// By tenant and region.
    destinations: IdleCache<(String, String), S3>,
}

impl Aws {
    /// Finds the processor's own credentials and makes the clients.
    ///
    /// # Errors
    /// There are no credentials (exit code 4).
    pub async fn connect(options: AwsOptions) -> Result<Self, ConnectError> {
        let config = config::load(&options).await;
        let aws = Self::new(options, config);
        aws.0.sessions.own().credentials().await.map_err(|error| ConnectError(error.to_string()))?;
        Ok(aws)
    }

    /// Makes the clients. `config` has the processor's own region and credentials.
    pub(super) fn new(options: AwsOptions, config: SdkConfig) -> Self {
        let sessions = Sessions::new(&config, options.central_role.as_deref());
        let own = |service, fault| access(&options, &config, sessions.own(), &options.region, service, fault);
        let reader = if options.central_role.is_some() { sessions.destination() } else { sessions.own() };
        let owned = |s3: S3, owner: &BucketOwnerSetting| match owner {
            BucketOwnerSetting::Own => s3.owned_by_processor(sessions.own_account()),
            BucketOwnerSetting::Account(account) => s3.owned_by(Some(account)),
            BucketOwnerSetting::Anybody => s3,
        };
        let components = access(&options, &config, reader, &options.region, "s3-components", Fault::Component);
        let inner = AwsInner {
            source: S3::new(own("s3", Fault::Source)).owned_by(options.owners.source.as_deref()),
            dead_letters: owned(S3::new(own("s3-dead-letters", Fault::Host)), &options.owners.dead_letters),
            components: owned(S3::new(components), &options.owners.components),
            sqs: super::sqs::client(own("sqs", Fault::Host)),
            dynamodb: super::dynamodb::client(own("dynamodb", Fault::Host)),
            metrics: MetricsClient::new(own("cloudwatch", Fault::Host)),
            logs: IdleCache::new(MAX_CLIENTS),
            destinations: IdleCache::new(MAX_CLIENTS),
            sessions,
            config,
            options,
        };
        Self(Arc::new(inner))
    }

    /// S3 for the source: the processor's own credentials and region.
    pub fn source(&self) -> S3 {
        self.0.source.clone()
    }

    /// S3 for dead letters: the processor's own credentials and region.
    pub fn dead_letters(&self) -> S3 {
        self.0.dead_letters.clone()
    }

    /// S3 for components and their compiled forms, in the processor's region: with the
    /// central role if there is one, else with the processor's own credentials.
    pub fn components(&self) -> S3 {
        self.0.components.clone()
    }

    /// The queue at `url`, with the processor's own credentials.
    pub fn queue(&self, url: &str) -> Queue {
        Queue::new(self.0.sqs.clone(), url)
    }

    /// The DynamoDB table `name`, with the processor's own credentials.
    pub fn table(&self, name: &str) -> Table {
        Table::new(self.0.dynamodb.clone(), name)
    }

    /// CloudWatch metrics, with the processor's own credentials.
    pub fn metrics(&self) -> MetricsClient {
        self.0.metrics.clone()
    }

    /// CloudWatch Logs of a tenant in `region`, with the tenant's role, which the central role
    /// assumes. The client is cached by all three parameters.
    pub fn logs(&self, tenant: &str, role_arn: &str, region: &str) -> Logs {
        let key = (tenant.to_owned(), role_arn.to_owned(), region.to_owned());
        self.0.logs.get_or_insert(key, |_| {
            let session = self.0.sessions.tenant_session(role_arn, region);
            Logs::new(self.access(&session, region, format!("logs-{tenant}")), role_arn)
        })
    }

    /// Assumes a tenant's role, by way of the central one, to see that it can be assumed.
    ///
    /// # Errors
    /// One of the two roles can't be assumed; the error names it.
    pub async fn assume(&self, role_arn: &str, region: &str) -> Result<(), AwsError> {
        self.0.sessions.tenant_session(role_arn, region).credentials().await.map(drop)
    }

    /// S3 for a tenant's bucket in `region`, with the central role alone. `account` must own the
    /// bucket, if it is given; copies come from the source's buckets. The client is cached.
    pub fn destination(&self, tenant: &str, region: &str, account: Option<&str>) -> S3 {
        let s3 = self.0.destinations.get_or_insert((tenant.to_owned(), region.to_owned()), |_| {
            let s3 = S3::new(self.access(self.0.sessions.destination(), region, format!("s3-{tenant}")));
            s3.with_source_owner(self.0.options.owners.source.as_deref())
        });
        s3.owned_by(account)
    }

    /// Forgets the session of a delivery that AWS called expired, so that the next call gets a
    /// new one. No other tenant's session is forgotten.
    pub fn forget_session(&self, delivery: &Delivery) {
        self.0.sessions.forget(match &delivery.destination {
            Destination::CloudWatch { role_arn, .. } => Some((role_arn, &delivery.target_region)),
            Destination::S3 { .. } => None,
        });
    }

    fn access(&self, session: &Arc<Session>, region: &str, partition: String) -> Access {
        access(&self.0.options, &self.0.config, session, region, partition, Fault::Destination)
    }
}

fn access(
    options: &AwsOptions,
    config: &SdkConfig,
    session: &Arc<Session>,
    region: &str,
    partition: impl Into<String>,
    fault: Fault,
) -> Access {
    Access {
        config: with_session(config, session, region),
        session: Arc::clone(session),
        region: region.to_owned(),
        partition: partition.into(),
        request_timeout: options.request_timeout,
        path_style: options.path_style,
        own_region: options.region.clone(),
        fault,
    }
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
