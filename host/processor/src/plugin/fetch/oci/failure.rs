//! Interprets failures of a registry's calls. Only codes of a registry's answers are passed
//! on: its texts, and addresses that it redirects to, may hold secrets.

use std::error::Error;

use model::ComponentErrorKind;
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};

/// The class of a failure, and why. `of`: what was asked for.
pub(super) fn of_call(
    registry: &str,
    of: &str,
    with_credentials: bool,
    error: OciDistributionError,
) -> (ComponentErrorKind, String) {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            denied(registry, of, with_credentials)
        }
        OciDistributionError::ServerError { code, .. } => status(registry, of, with_credentials, code),
        OciDistributionError::RegistryError { envelope, .. } => {
            let code = envelope.errors.first().map(|error| &error.code);
            registry_code(registry, of, with_credentials, code)
        }
        OciDistributionError::DigestError(error) => digest(of, &error),
        OciDistributionError::IoError(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(mismatch) => digest(of, mismatch),
            None => unanswered(registry, of, &error),
        },
        OciDistributionError::RequestError(error) => unanswered(registry, of, &error),
        _ => (
            ComponentErrorKind::Source,
            format!("the registry {registry} doesn't follow the protocol when asked for {of}"),
        ),
    }
}

/// The failure of a client that can't be created, which is TLS's.
pub(super) fn of_client(error: &OciDistributionError) -> (ComponentErrorKind, String) {
    let text = format!(
        "no TLS client can be made: {}; registries need the system's certificates: install ca-certificates, or set \
         SSL_CERT_FILE",
        innermost(error)
    );
    (ComponentErrorKind::Source, text)
}

fn denied(registry: &str, of: &str, with_credentials: bool) -> (ComponentErrorKind, String) {
    let remedy = match with_credentials {
        true => "check the credentials for it in PLUGIN_REGISTRY_AUTH, and that they may pull this",
        false => "PLUGIN_REGISTRY_AUTH has no credentials for it: name a Docker config.json that does",
    };
    (ComponentErrorKind::Source, format!("the registry {registry} denies access to {of}; {remedy}"))
}

fn missing(registry: &str, of: &str) -> (ComponentErrorKind, String) {
    (
        ComponentErrorKind::Missing,
        format!("the registry {registry} doesn't have {of}; check name and digest, or push it"),
    )
}

fn status(registry: &str, of: &str, with_credentials: bool, code: u16) -> (ComponentErrorKind, String) {
    match code {
        401 | 403 => denied(registry, of, with_credentials),
        404 | 410 => missing(registry, of),
        429 => busy(registry),
        _ => (
            ComponentErrorKind::Source,
            format!("the registry {registry} answered with status {code} when asked for {of}"),
        ),
    }
}

fn busy(registry: &str) -> (ComponentErrorKind, String) {
    (ComponentErrorKind::Source, format!("the registry {registry} has too many requests (429); it is tried again"))
}

/// The failure by OCI's error code. With a code, the library drops the status.
fn registry_code(
    registry: &str,
    of: &str,
    with_credentials: bool,
    code: Option<&OciErrorCode>,
) -> (ComponentErrorKind, String) {
    use OciErrorCode as Code;
    match code {
        Some(Code::Unauthorized | Code::Denied) => denied(registry, of, with_credentials),
        Some(Code::NotFound | Code::NameUnknown | Code::ManifestUnknown | Code::ManifestBlobUnknown)
        | Some(Code::BlobUnknown) => missing(registry, of),
        Some(Code::Toomanyrequests) => busy(registry),
        Some(Code::Other(code)) => refused(registry, of, &printable(code)),
        Some(code) => refused(registry, of, &format!("{code:?}")),
        None => refused(registry, of, "no code"),
    }
}

fn refused(registry: &str, of: &str, code: &str) -> (ComponentErrorKind, String) {
    (ComponentErrorKind::Source, format!("the registry {registry} answered with an error ({code}) when asked for {of}"))
}

fn digest(of: &str, error: &DigestError) -> (ComponentErrorKind, String) {
    match error {
        DigestError::VerificationError { expected, actual } => (
            ComponentErrorKind::Digest,
            format!("{of} has the digest {}, and {} was expected", printable(actual), printable(expected)),
        ),
        _ => (ComponentErrorKind::Source, format!("the registry sent {of} with a digest that can't be read")),
    }
}

fn unanswered(registry: &str, of: &str, error: &(dyn Error + 'static)) -> (ComponentErrorKind, String) {
    (ComponentErrorKind::Source, format!("the registry {registry} can't be asked for {of}: {}", innermost(error)))
}

/// The innermost cause, such as "Connection refused (os error 111)". The outer ones name
/// addresses.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error.source();
    while let Some(next) = cause.and_then(Error::source) {
        cause = Some(next);
    }
    cause.map_or_else(|| "the answer broke off".to_owned(), |cause| printable(&cause.to_string()))
}

/// Escapes a text of the registry's.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}
