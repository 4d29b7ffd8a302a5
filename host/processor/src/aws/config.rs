//! What all clients have in common: region, own credentials, endpoint, timeouts,
//! retries, the one HTTP client.

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

/// For a connection, TLS included; the SDK's default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Reads what the environment and profiles say about endpoints, and about credentials
/// where there are none in `options`.
pub(super) async fn load(options: &AwsOptions) -> SdkConfig {
    let loader = loader(options);
    // Given like this, the chain of all other places isn't built at the start.
    match options.keys.clone() {
        Some(StaticCredentials { id, secret, token }) => {
            loader.credentials_provider(Credentials::new(id, secret, token, None, "Environment")).load().await
        }
        None => loader.load().await,
    }
}

/// All settings but credentials.
pub(super) fn loader(options: &AwsOptions) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(options.region.clone()))
        .http_client(http::client())
        .retry_config(RetryConfig::standard().with_max_attempts(options.attempts.max(1)))
        .timeout_config(timeouts(options.request_timeout))
        // A body that stalls is noticed where it is read; an upload by its attempt's timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

/// Timeouts of a call whose attempts may take `attempt`. Connecting takes the same
/// time everywhere: connections are shared only where these timeouts are equal.
pub(super) fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(attempt).build()
}
