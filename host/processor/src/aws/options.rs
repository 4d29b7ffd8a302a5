//! The options that all clients are made from.

use std::time::Duration;

use model::StaticCredentials;

/// The options of all clients.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// AWS_REGION: the region of the processor's own resources.
    pub region: String,
    /// AWS_S3_USE_PATH_STYLE: whether buckets are named in the path.
    pub path_style: bool,
    /// RETRY_ATTEMPTS: attempts per call, including the first.
    pub attempts: u32,
    /// REQUEST_TIMEOUT: the timeout of each attempt.
    pub request_timeout: Duration,
    /// CENTRAL_LOG_DISTRIBUTION_ROLE_ARN: the role that assumes tenants' roles.
    pub central_role: Option<String>,
    /// The processor's own credentials, if the environment has them. `None`: the SDK looks for them.
    pub keys: Option<StaticCredentials>,
    /// The accounts that must own the operator's buckets.
    pub owners: BucketOwners,
}

/// The accounts that must own the buckets that are read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketOwners {
    /// SOURCE_BUCKET_OWNER: the owner of the source's buckets. `None`: anybody.
    pub source: Option<String>,
    /// DEAD_LETTER_OWNER: the owner of the bucket for dead letters.
    pub dead_letters: BucketOwnerSetting,
    /// PLUGIN_BUCKET_OWNER: the owner of buckets with components and their compiled forms.
    pub components: BucketOwnerSetting,
}

/// The account that must own a bucket of the operator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BucketOwnerSetting {
    /// The processor's own account, which STS is asked for.
    #[default]
    Own,
    /// This account: twelve digits.
    Account(String),
    /// Any account.
    Anybody,
}
