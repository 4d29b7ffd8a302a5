//! The options that all clients are made from.

use std::time::Duration;

use model::StaticCredentials;

/// What clients are made from.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// AWS_REGION: where the processor's own resources are.
    pub region: String,
    /// AWS_S3_USE_PATH_STYLE.
    pub path_style: bool,
    /// RETRY_ATTEMPTS: attempts of a call, the first included.
    pub attempts: u32,
    /// REQUEST_TIMEOUT: of each attempt of a call.
    pub request_timeout: Duration,
    /// CENTRAL_LOG_DISTRIBUTION_ROLE_ARN, the first hop.
    pub central_role: Option<String>,
    /// The processor's own, where the environment has them; else the SDK looks for them.
    pub keys: Option<StaticCredentials>,
    /// Whose buckets are written to and read from, where the operator says it.
    pub owners: BucketOwners,
}

/// Who must own the buckets that are read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketOwners {
    /// SOURCE_BUCKET_OWNER; none: anybody's will do.
    pub source: Option<String>,
    /// DEAD_LETTER_OWNER.
    pub dead_letters: BucketOwnerSetting,
    /// PLUGIN_BUCKET_OWNER: of components, and of their compiled forms.
    pub components: BucketOwnerSetting,
}

/// Who must own a bucket of the operator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BucketOwnerSetting {
    /// The processor's own account, which STS says.
    #[default]
    Own,
    /// This account.
    Account(String),
    /// Anybody's will do.
    Anybody,
}
