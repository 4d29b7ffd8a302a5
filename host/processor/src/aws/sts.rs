//! STS: the processor's own account, and assuming roles.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sts::config::retry::RetryPartition;
use aws_sdk_sts::config::{Config, ConfigBag, Intercept, Region, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use uuid::Uuid;

use super::AwsError;
use super::error::CallInfo;
use super::operation::Operation;
use super::skew::{measure_skew, server_time};
use model::Fault;

/// The duration of a session in seconds: the maximum for a role that was assumed by a role.
/// Source: API_AssumeRole.
const SESSION_SECONDS: i32 = 3600;

/// A role to be assumed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RoleToAssume {
    /// The role's ARN.
    pub(super) arn: String,
    /// The beginning of the session's name, before a UUID. CloudTrail shows it.
    pub(super) session_prefix: &'static str,
    /// The region whose STS is called.
    pub(super) region: String,
    /// Whose fault it is if the role can't be assumed.
    pub(super) fault: Fault,
    /// Whether `region` is the processor's own.
    pub(super) in_own_region: bool,
}

/// Assumes a role (AssumeRole).
///
/// # Errors
/// The role can't be assumed; the error names it.
pub(super) async fn assume_role(
    client: &Client,
    partition: &RetryPartition,
    role: &RoleToAssume,
    external_id: Option<&str>,
) -> Result<Credentials, AwsError> {
    let call = CallInfo {
        operation: Operation::AssumeRole,
        region: &role.region,
        fault: role.fault,
        in_own_region: role.in_own_region,
    };
    let server_time_seen = Arc::new(OnceLock::new());
    let resource = || format!("role {}", role.arn);
    // Whatever STS did, nothing was done with the role yet.
    let without_effect = |error: AwsError| AwsError { effect_unknown: false, ..error };
    let request = client.assume_role().role_arn(&role.arn).set_external_id(external_id.map(str::to_owned));
    let here = Config::builder().region(Region::new(role.region.clone())).retry_partition(partition.clone());
    let response = request
        .role_session_name(format!("{}-{}", role.session_prefix, Uuid::new_v4()))
        .duration_seconds(SESSION_SECONDS)
        .customize()
        .config_override(here)
        .interceptor(ServerTime(Arc::clone(&server_time_seen)))
        .send()
        .await
        .map_err(|error| without_effect(call.classify(resource(), error)))?;
    let given = response.credentials();
    let unproven = || without_effect(call.missing_proof(resource(), "credentials"));
    let given = given.ok_or_else(unproven)?;
    let (key, secret, token) = (given.access_key_id(), given.secret_access_key(), given.session_token());
    if key.is_empty() || secret.is_empty() || token.is_empty() {
        return Err(unproven());
    }
    let expiry = SystemTime::try_from(*given.expiration()).ok();
    let expiry = expiry.map(|expiry| by_own_clock(expiry, server_time_seen.get().copied(), SystemTime::now()));
    Ok(Credentials::new(key, secret, Some(token.to_owned()), expiry, Operation::AssumeRole.name()))
}

/// Gets the account of the caller (GetCallerIdentity).
///
/// # Errors
/// The call failed after all attempts.
pub(super) async fn own_account(client: &Client, region: &str) -> Result<String, AwsError> {
    let call = CallInfo::own(Operation::GetCallerIdentity, region);
    let resource = "the processor's own credentials";
    let response = client.get_caller_identity().send().await.map_err(|error| call.classify(resource, error))?;
    let account = response.account().filter(|account| !account.is_empty()).map(str::to_owned);
    account.ok_or_else(|| call.missing_proof(resource, "account"))
}

/// The end of a session by this machine's clock (`here`), which may be off by hours. By AWS's
/// clock the session ends at `expiry`, and was issued at `there`, which is known to the second.
fn by_own_clock(expiry: SystemTime, there: Option<SystemTime>, here: SystemTime) -> SystemTime {
    let off = there.filter(|there| measure_skew(*there, here).is_some());
    let lasts = off.map(|there| expiry.duration_since(there).unwrap_or_default());
    lasts.and_then(|lasts| here.checked_add(lasts)).unwrap_or(expiry)
}

/// An interceptor that notes the time of the response, by its header Date.
#[derive(Debug)]
struct ServerTime(Arc<OnceLock<SystemTime>>);

impl Intercept for ServerTime {
    fn name(&self) -> &'static str {
        "ServerTime"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Of several attempts only the last succeeds.
        if let (Ok(_), Some(time)) = (context.output_or_error(), server_time(context.response())) {
            let _ = self.0.set(time);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_session_lasts_as_long_as_aws_says_whatever_this_clock_says() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let hour = Duration::from_secs(3600);
        for there in [here - hour, here, here + hour] {
            assert_eq!(by_own_clock(there + hour, Some(there), here), here + hour);
        }
        assert_eq!(by_own_clock(here + hour, None, here), here + hour);
        assert_eq!(by_own_clock(here, Some(here + hour), here), here, "it is over");
        let second = Duration::from_secs(1);
        assert_eq!(
            by_own_clock(here + hour, Some(here - second), here),
            here + hour,
            "a clock that is right is kept to"
        );
    }
}
