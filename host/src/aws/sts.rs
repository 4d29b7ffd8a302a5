//! STS: who we are, and roles.

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryPartition;
use aws_sdk_sts::config::{Config, Region};
use uuid::Uuid;

use super::AwsError;
use super::error::{Call, Kind};

/// Seconds that a session is asked for: the most that STS gives a role that was
/// assumed by a role.
const SESSION_SECONDS: i32 = 3600;

/// A role to be assumed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Role {
    /// ARN.
    pub(super) arn: String,
    /// What the session is called, before a UUID: it stands in CloudTrail.
    pub(super) session_prefix: &'static str,
    /// Region whose STS is asked.
    pub(super) region: String,
}

/// AssumeRole.
///
/// # Errors
/// They name the role.
pub(super) async fn assume_role(
    client: &Client,
    partition: &RetryPartition,
    role: &Role,
    external_id: Option<&str>,
) -> Result<Credentials, AwsError> {
    let call = Call { operation: "AssumeRole", region: &role.region };
    let about = || format!("role {}", role.arn);
    let request = client.assume_role().role_arn(&role.arn).set_external_id(external_id.map(str::to_owned));
    let here = Config::builder().region(Region::new(role.region.clone())).retry_partition(partition.clone());
    let answer = request
        .role_session_name(format!("{}-{}", role.session_prefix, Uuid::new_v4()))
        .duration_seconds(SESSION_SECONDS)
        .customize()
        .config_override(here)
        .send()
        .await
        .map_err(|error| call.failed(about(), error))?;
    let given = answer.credentials();
    let given = given.ok_or_else(|| call.error(about(), Kind::Other, None, "the answer has no credentials", false))?;
    let expiry = (*given.expiration()).try_into().ok();
    let (key, secret, token) = (given.access_key_id(), given.secret_access_key(), given.session_token());
    Ok(Credentials::new(key, secret, Some(token.to_owned()), expiry, "AssumeRole"))
}

/// The account of whoever asks: GetCallerIdentity.
///
/// # Errors
/// After the SDK's attempts.
pub(super) async fn own_account(client: &Client, region: &str) -> Result<String, AwsError> {
    let call = Call { operation: "GetCallerIdentity", region };
    let about = "the processor's own credentials";
    let answer = client.get_caller_identity().send().await.map_err(|error| call.failed(about, error))?;
    let account = answer.account().map(str::to_owned);
    account.ok_or_else(|| call.error(about, Kind::Other, None, "the answer has no account", false))
}
