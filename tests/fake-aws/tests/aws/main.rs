//! What is promised, asked by the real SDKs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod dynamodb;
mod fault;
mod identity;
mod lambda;
mod logs;
mod metrics;
mod multipart;
mod s3;
mod scene;
mod sqs;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use fake_aws::{Credentials, FakeAws};

/// What a client is made from: no retries, so that each call is one request.
fn config_in(fake: &FakeAws, credentials: &Credentials, region: &str) -> SdkConfig {
    let Credentials { access_key_id, secret_access_key, session_token } = credentials.clone();
    let credentials =
        aws_credential_types::Credentials::new(access_key_id, secret_access_key, session_token, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(fake.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

fn config(fake: &FakeAws, credentials: &Credentials) -> SdkConfig {
    config_in(fake, credentials, fake_aws::REGION)
}

fn s3_of(fake: &FakeAws, credentials: &Credentials) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&config(fake, credentials)).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// The code that AWS gave; a failure without one has none.
fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    let Err(error) = result else { panic!("it succeeded") };
    error.code().unwrap_or("no code").to_owned()
}

/// The status of a refusal.
fn status<T, E>(result: Result<T, SdkError<E, aws_sdk_s3::config::http::HttpResponse>>) -> u16 {
    let Err(error) = result else { panic!("it succeeded") };
    error.raw_response().map_or(0, |response| response.status().as_u16())
}
