//! The configuration of all clients: region, own credentials, endpoint, timeouts, retries, and the
//! one HTTP client.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};

use super::http;
use super::options::AwsOptions;
use model::StaticCredentials;

/// The timeout for connecting, including TLS. Source: the SDK's default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Loads the configuration. Endpoints, and credentials that `options` doesn't have, come from the
/// environment and from profiles.
pub(super) async fn load(options: &AwsOptions) -> SdkConfig {
    let loader = loader(options);
    // With these the SDK doesn't build its chain of credential providers at the start.
    match options.keys.clone() {
        Some(StaticCredentials { id, secret, token }) => {
            loader.credentials_provider(Credentials::new(id, secret, token, None, "Environment")).load().await
        }
        None => loader.load().await,
    }
}

/// The configuration without credentials.
pub(super) fn loader(options: &AwsOptions) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(options.region.clone()))
        .http_client(http::client())
        .retry_config(RetryConfig::standard().with_max_attempts(options.attempts.max(1)))
        .timeout_config(timeouts(options.request_timeout))
        // A download that stalls is noticed by its reader, an upload by the timeout of its attempt.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

/// The timeouts of a call whose attempts may take as long as `attempt`. All calls have the same
/// timeout for connecting, since only calls with equal timeouts share connections.
pub(super) fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(attempt).build()
}
