//! The errors of calls to AWS: kind, fault, message, and whether the call may have had its effect.

use std::error::Error;
use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::http::NoResponse;
use super::operation::Operation;
use super::remedy::{ErrorFacts, remedy};
use super::skew::{Skew, detect_skew};
use model::{AwsErrorKind, Failure, FailureKind, Fault};

/// The most bytes of a message.
const MAX_MESSAGE: usize = 512;

/// The kind of an AWS error code, if the code says enough.
fn kind_of_code(code: &str) -> Option<AwsErrorKind> {
    let kind = match code {
        "NoSuchBucket" => AwsErrorKind::NoBucket,
        "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchUpload"
        | "NotFound"
        | "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => AwsErrorKind::NotFound,
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "RequestExpired" | "TokenRefreshRequired" => {
            AwsErrorKind::Expired
        }
        "SlowDown"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "ProvisionedThroughputExceededException" => AwsErrorKind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "RegionDisabledException" => AwsErrorKind::Denied,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => AwsErrorKind::Unavailable,
        "RequestTimeout" | "RequestTimeoutException" => AwsErrorKind::Unreachable,
        "PreconditionFailed" => AwsErrorKind::Precondition,
        "EntityTooLarge" => AwsErrorKind::TooLarge,
        "ResourceAlreadyExistsException" => AwsErrorKind::Exists,
        "OperationAborted" | "OperationAbortedException" | "ConditionalRequestConflict" => AwsErrorKind::Conflict,
        "InvalidObjectState" | "ObjectNotInActiveTierError" => AwsErrorKind::Archived,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "IllegalLocationConstraint" => AwsErrorKind::OtherRegion,
        "RequestTimeTooSkewed" => AwsErrorKind::ClockSkew,
        _ if code.contains("Throttl") => AwsErrorKind::Throttled,
        _ if code.starts_with("KMS") => AwsErrorKind::Denied,
        _ => return None,
    };
    Some(kind)
}

/// The kind of an HTTP status, for responses without a known code (responses to HEAD have none).
fn kind_of_status(status: u16) -> AwsErrorKind {
    match status {
        301 | 307 => AwsErrorKind::OtherRegion,
        401 | 403 => AwsErrorKind::Denied,
        404 => AwsErrorKind::NotFound,
        412 => AwsErrorKind::Precondition,
        413 => AwsErrorKind::TooLarge,
        429 => AwsErrorKind::Throttled,
        // Not Implemented: trying again is of no use.
        501 => AwsErrorKind::Other,
        500..=599 => AwsErrorKind::Unavailable,
        _ => AwsErrorKind::Other,
    }
}

/// The error of a call that failed after all attempts of the SDK.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} of {resource} failed: {message}{}", self.remedy())]
pub struct AwsError {
    /// The operation, such as `PutLogEvents`.
    pub operation: Operation,
    /// The resource: `log group /a of account 123`, `s3://bucket/key`, `role arn:…`.
    pub resource: String,
    /// The kind.
    pub kind: AwsErrorKind,
    /// Whose fault the failure is.
    pub fault: Fault,
    /// AWS's error code, if there was one.
    pub code: Option<String>,
    /// AWS's message, or the transport's: bounded, and never a request's content.
    pub message: String,
    /// Whether the call may have had its effect: no response says what was done.
    pub effect_unknown: bool,
    /// The account that must own the bucket. If another one does, S3 says no more than that
    /// access is denied.
    pub owner: Option<Arc<str>>,
    /// The bucket's region, if S3 said that it isn't the one that was called.
    pub region: Option<Box<Arc<str>>>,
}

impl AwsError {
    /// An error at the destination's fault, without a code.
    pub fn new(
        operation: Operation,
        resource: impl Into<String>,
        kind: AwsErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            resource: resource.into(),
            kind,
            fault: Fault::Destination,
            code: None,
            message: bounded_line(message.into()),
            effect_unknown: false,
            owner: None,
            region: None,
        }
    }

    /// The same error, at somebody else's fault.
    #[must_use]
    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// The failure of a call that reads the source. Reading has no effect that could be unknown; a
    /// condition that doesn't hold means that the object has changed.
    pub fn into_source_failure(self) -> Failure {
        let kind = if self.kind == AwsErrorKind::Precondition { FailureKind::Changed } else { FailureKind::Source };
        let fault = if kind == FailureKind::Changed { Fault::Source } else { self.fault };
        Failure::of(kind, self).with_fault(fault)
    }

    /// Whether the object or its bucket doesn't exist.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.kind, AwsErrorKind::NotFound | AwsErrorKind::NoBucket)
    }

    /// The remedy, as the last clause of the error's text.
    fn remedy(&self) -> String {
        let (code, owner) = (self.code.as_deref(), self.owner.as_deref());
        remedy(&ErrorFacts { operation: self.operation, kind: self.kind, fault: self.fault, code, owner })
    }

    /// The same error, of a call that expected this owner of the bucket.
    #[must_use]
    pub(super) fn with_owner(self, owner: Option<&Arc<str>>) -> Self {
        Self { owner: owner.cloned(), ..self }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        let (kind, fault, effect_unknown) = (error.kind, error.fault, error.effect_unknown);
        Self::of(kind, error).with_fault(fault).with_effect_unknown(effect_unknown)
    }
}

/// A call, as its error describes it if it fails.
pub(super) struct CallInfo<'a> {
    /// The operation, such as `PutLogEvents`.
    pub(super) operation: Operation,
    /// The region that is called.
    pub(super) region: &'a str,
    /// Whose fault a failure is, unless its kind says otherwise.
    pub(super) fault: Fault,
    /// Whether the region is the processor's own. An endpoint that can't be reached there is nobody
    /// else's fault.
    pub(super) in_own_region: bool,
}

impl<'a> CallInfo<'a> {
    /// A call with the processor's own credentials, in its own region.
    pub(super) fn own(operation: Operation, region: &'a str) -> Self {
        Self { operation, region, fault: Fault::Host, in_own_region: true }
    }
}

impl CallInfo<'_> {
    /// Makes the error of this call from the SDK's. If an [`AwsError`] is among its sources (a role
    /// on the way that can't be assumed), that one is returned.
    pub(super) fn classify<E>(&self, resource: impl Into<String>, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(inner) = chain(&error).find_map(|error| error.downcast_ref::<AwsError>()) {
            return inner.clone();
        }
        let raw = error.raw_response();
        let status = raw.map(|response| response.status().as_u16());
        let region = raw.and_then(|raw| raw.headers().get("x-amz-bucket-region")).map(Arc::<str>::from);
        let skew = raw.and_then(detect_skew);
        let (kind, code, message, effect_unknown) = match &error {
            // So the SDK reports a success that it can't read.
            SdkError::ServiceError(context)
                if context.err().code().is_none() && context.raw().status().is_success() =>
            {
                (
                    AwsErrorKind::NoProof,
                    None,
                    format!("the answer can't be read: {}", describe_transport_error(context.err())),
                    true,
                )
            }
            SdkError::ServiceError(context) => {
                let code = context.err().code().map(str::to_owned);
                let response = ResponseFacts { status: status.unwrap_or_default(), region: region.as_deref(), skew };
                let (kind, message) = self.classify_response(context.err(), &response);
                let unknown = code.is_none() && status.is_some_and(|status| status >= 500);
                (kind, code, message, unknown)
            }
            SdkError::ResponseError(_) => {
                let kind = status.map_or(AwsErrorKind::Unreachable, kind_of_status);
                let kind = if kind == AwsErrorKind::Other { AwsErrorKind::Unreachable } else { kind };
                (kind, None, format!("the answer can't be read: {}", describe_transport_error(&error)), true)
            }
            SdkError::TimeoutError(_) => (AwsErrorKind::Unreachable, None, self.describe_no_response(&error), true),
            SdkError::DispatchFailure(_) => {
                (AwsErrorKind::Unreachable, None, self.describe_no_response(&error), !never_sent(&error))
            }
            _ => (AwsErrorKind::Other, None, describe_transport_error(&error), false),
        };
        // Boxed, to keep the error small.
        let elsewhere = region.filter(|region| **region != *self.region).map(Box::new);
        AwsError { region: elsewhere, ..self.error(resource, kind, code, message, effect_unknown) }
    }

    /// Makes an error that this program found itself.
    pub(super) fn error(
        &self,
        resource: impl Into<String>,
        kind: AwsErrorKind,
        code: Option<String>,
        message: impl Into<String>,
        effect_unknown: bool,
    ) -> AwsError {
        let fault = match kind {
            // Without a connection nobody was asked.
            AwsErrorKind::Unreachable if self.in_own_region && code.is_none() && !effect_unknown => Fault::Host,
            AwsErrorKind::ClockSkew | AwsErrorKind::Conflict => Fault::Host,
            AwsErrorKind::Archived => Fault::Source,
            _ => self.fault,
        };
        let error = AwsError::new(self.operation, resource, kind, message);
        AwsError { fault, code, effect_unknown, ..error }
    }

    /// Makes the error of a success without its proof, such as an ETag. The success isn't believed,
    /// and the call may have had its effect.
    pub(super) fn missing_proof(&self, resource: impl Into<String>, lacks: &str) -> AwsError {
        let message = format!("the answer says that it is done, but has no {lacks}");
        self.error(resource, AwsErrorKind::NoProof, None, message, true)
    }

    /// The kind and the message of an error response.
    fn classify_response(
        &self,
        error: &dyn ProvideErrorMetadata,
        response: &ResponseFacts<'_>,
    ) -> (AwsErrorKind, String) {
        let ResponseFacts { status, region, skew } = *response;
        let code = error.code().unwrap_or_default();
        let words = without_secrets(code, error.message().unwrap_or_default().trim_end_matches('.'));
        let kind = if words.contains("larger than the maximum allowable size") {
            AwsErrorKind::TooLarge
        } else {
            kind_of_code(code).unwrap_or_else(|| kind_of_status(status))
        };
        // A session signs for a destination. Its role may have been created anew since.
        let of_session = self.fault == Fault::Destination && SESSION_CODES.contains(&code);
        let kind = if of_session { AwsErrorKind::Expired } else { kind };
        // A refusal of HEAD has no code. In the wrong region it names the right one.
        let right = region.filter(|region| *region != self.region);
        let kind = if code.is_empty() && status == 400 && right.is_some() { AwsErrorKind::OtherRegion } else { kind };
        // The code doesn't say whether a signature was refused for its time or for its key.
        let kind = if SIGNATURE_CODES.contains(&code) && skew.is_some() { AwsErrorKind::ClockSkew } else { kind };
        let message = match (code, words.as_str()) {
            ("", "") => format!("status {status}, no reason given"),
            ("", words) => format!("status {status}: {words}"),
            (code, "") => format!("{code} (status {status})"),
            (code, words) => format!("{code}: {words}"),
        };
        let message = match (kind, skew, right) {
            (AwsErrorKind::ClockSkew, Some(skew), _) => format!("{message} (this machine's clock is {skew})"),
            (AwsErrorKind::OtherRegion, _, Some(right)) => {
                format!("{message} (region {} was asked, the bucket is in {right})", self.region)
            }
            (AwsErrorKind::OtherRegion, ..) => format!("{message} (region {} was asked)", self.region),
            _ if code == "RegionDisabledException" => format!("{message} (region {} was asked)", self.region),
            _ => message,
        };
        (kind, message)
    }

    /// The message for a response that never came, with the host if it is known, and the region.
    fn describe_no_response(&self, error: &(dyn Error + 'static)) -> String {
        format!("{} (region {})", describe_transport_error(error), self.region)
    }
}

/// The facts of an error response beside its code and message.
struct ResponseFacts<'a> {
    status: u16,
    /// The header x-amz-bucket-region.
    region: Option<&'a str>,
    /// The skew of this machine's clock, if it isn't tolerated.
    skew: Option<Skew>,
}

/// The codes of a refused signature. Source: the SDK's list, without AccessDeniedException.
const SIGNATURE_CODES: [&str; 5] =
    ["RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"];

/// The codes of a session or a key that AWS doesn't know.
const SESSION_CODES: [&str; 3] = ["UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"];

/// The error and its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Whether the request was never sent, since there was no connection. Only the text of hyper's error
/// says so.
pub(super) fn never_sent(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string().starts_with("client error (Connect)"))
}

/// The transport's messages, outermost first, from the host on if one is named.
pub(super) fn describe_transport_error(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in chain(error) {
        if error.is::<NoResponse>() {
            words.clear();
        }
        let text = error.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

/// AWS's message without what it may repeat of the request: a value that it found invalid, and the
/// text that was signed (which holds the session's token).
fn without_secrets(code: &str, message: &str) -> String {
    if matches!(code, "SignatureDoesNotMatch" | "InvalidSignatureException") {
        return message.split(['.', '\n']).next().unwrap_or_default().to_owned();
    }
    match (message.split_once("Value '"), message.rsplit_once("' at '")) {
        (Some((before, _)), Some((_, after))) => format!("{before}Value '…' at '{after}"),
        (Some((before, _)), None) => format!("{before}Value '…'"),
        _ => message.to_owned(),
    }
}

/// The message as one line of at most [`MAX_MESSAGE`] bytes.
fn bounded_line(message: String) -> String {
    let mut line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(MAX_MESSAGE));
    line
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
