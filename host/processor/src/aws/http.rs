//! The HTTP client of all services, which sets up TLS when it is first needed.
//!
//! The SDK's own client builds a TLS connector, with all of the system's roots, for each
//! service that starts, only to check that it can. This one builds a connector at the
//! first request, and none for plain HTTP (an emulator, credentials of a pod). HTTPS goes
//! through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), plain HTTP directly.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Makes the client. All services must share it, since it holds the connections.
pub(super) fn client() -> SharedHttpClient {
    SharedHttpClient::new(Client::default())
}

/// The timeouts for connecting and for reading.
type TimeoutPair = (Option<Duration>, Option<Duration>);

/// The client: one connector per pair of timeouts.
#[derive(Debug, Default)]
struct Client {
    connectors: RwLock<HashMap<TimeoutPair, SharedHttpConnector>>,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        if let Some(found) = self.connectors.read().unwrap_or_else(PoisonError::into_inner).get(&timeouts) {
            return found.clone();
        }
        let mut connectors = self.connectors.write().unwrap_or_else(PoisonError::into_inner);
        connectors.entry(timeouts).or_insert_with(|| SharedHttpConnector::new(Connector::new(settings))).clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some(Cow::Borrowed("1.x"))))
    }
}

/// The connections with the same timeouts.
#[derive(Debug)]
struct Connector {
    settings: HttpConnectorSettings,
    plain: OnceLock<aws_smithy_http_client::Connector>,
    tls: OnceLock<aws_smithy_http_client::Connector>,
}

impl Connector {
    fn new(settings: &HttpConnectorSettings) -> Self {
        Self { settings: settings.clone(), plain: OnceLock::new(), tls: OnceLock::new() }
    }

    fn inner(&self, uri: &str) -> &aws_smithy_http_client::Connector {
        let builder = || aws_smithy_http_client::Connector::builder().connector_settings(self.settings.clone());
        if uri.starts_with("https:") {
            self.tls.get_or_init(|| {
                let tls = builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
                tls.proxy_config(ProxyConfig::from_env()).build()
            })
        } else {
            self.plain.get_or_init(|| builder().build_http())
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = host_of(request.uri()).to_owned();
        let response = self.inner(request.uri()).call(request);
        HttpConnectorFuture::new(async move { response.await.map_err(|error| name_host(error, host)) })
    }
}

/// The error that no response came from a host. Its source is the transport's error.
#[derive(Debug)]
pub(super) struct NoResponse {
    /// The host, with the port if it isn't the scheme's.
    pub(super) host: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {}", self.host)
    }
}

impl std::error::Error for NoResponse {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// Adds the host to an error, and keeps its class, since retries depend on it. Only a response that
/// is no HTTP (such as a body that a proxy sent in response to HEAD) becomes an I/O error, as
/// if the connection had broken off: another connection may do.
fn name_host(error: ConnectorError, host: String) -> ConnectorError {
    let (io, timeout, user, other) = (error.is_io(), error.is_timeout(), error.is_user(), error.as_other());
    let connection = error.connection_metadata().cloned();
    let source = Box::new(NoResponse { host, source: error.into_source() });
    let named = if io || is_no_http(&*source) {
        ConnectorError::io(source)
    } else if timeout {
        ConnectorError::timeout(source)
    } else if user {
        ConnectorError::user(source)
    } else {
        ConnectorError::other(source, other)
    };
    match connection {
        Some(connection) => named.with_connection(connection),
        None => named,
    }
}

fn is_no_http(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(error), |&error| error.source());
    errors.any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
}

/// The host and port of an address such as `https://host:port/path?query`.
fn host_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_of_an_address() {
        assert_eq!(host_of("https://logs.eu-west-1.amazonaws.com/"), "logs.eu-west-1.amazonaws.com");
        assert_eq!(host_of("http://127.0.0.1:4566?x=/"), "127.0.0.1:4566");
    }

    #[test]
    fn plain_http_builds_no_tls() {
        let connector = Connector::new(&HttpConnectorSettings::builder().build());
        connector.inner("http://localhost/");
        assert!(connector.plain.get().is_some() && connector.tls.get().is_none());
    }

    #[test]
    fn the_class_that_retries_depend_on_stays() {
        let named = name_host(ConnectorError::timeout("late".into()), "h".into());
        assert!(named.is_timeout());
        let named = name_host(ConnectorError::io("reset".into()), "h".into());
        assert!(named.is_io());
        assert_eq!(named.into_source().to_string(), "no answer from h");
    }
}
