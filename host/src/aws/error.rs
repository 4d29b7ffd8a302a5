//! What a failed call means.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::http::NoAnswer;
use super::remedy::remedy;

/// AWS's words are cut to this many bytes.
const MAX_MESSAGE: usize = 512;

/// The class of a failure; what is done about it is decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The object, table, group, stream or queue isn't there.
    NotFound,
    /// The bucket isn't there.
    NoBucket,
    /// Access denied: by a policy, KMS, or a role that may not be assumed.
    Denied,
    /// The session has expired, or its token is invalid.
    Expired,
    /// Too many calls.
    Throttled,
    /// A 5xx answer.
    Unavailable,
    /// No answer: connection, name, reset, timeout.
    Unreachable,
    /// A condition (If-Match) doesn't hold.
    Precondition,
    /// Larger than the call takes.
    TooLarge,
    /// It exists already.
    Exists,
    /// Anything else.
    Other,
}

impl Kind {
    /// The name in metrics and logs: a bounded set.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NoBucket => "no-bucket",
            Self::Denied => "denied",
            Self::Expired => "expired-session",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Precondition => "changed",
            Self::TooLarge => "too-large",
            Self::Exists => "exists",
            Self::Other => "aws",
        }
    }

    /// Whether `name` is a class's: something that AWS, or the way to it, failed with.
    pub fn is_name(name: &str) -> bool {
        const ALL: [Kind; 11] = [
            Kind::NotFound,
            Kind::NoBucket,
            Kind::Denied,
            Kind::Expired,
            Kind::Throttled,
            Kind::Unavailable,
            Kind::Unreachable,
            Kind::Precondition,
            Kind::TooLarge,
            Kind::Exists,
            Kind::Other,
        ];
        ALL.iter().any(|kind| kind.name() == name)
    }

    /// The class of an AWS error code, where it says enough.
    fn of_code(code: &str) -> Option<Self> {
        let kind = match code {
            "NoSuchBucket" => Self::NoBucket,
            "NoSuchKey"
            | "NoSuchVersion"
            | "NoSuchUpload"
            | "NotFound"
            | "ResourceNotFoundException"
            | "QueueDoesNotExist"
            | "AWS.SimpleQueueService.NonExistentQueue" => Self::NotFound,
            "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "RequestExpired" | "TokenRefreshRequired" => {
                Self::Expired
            }
            "SlowDown"
            | "TooManyRequests"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "ProvisionedThroughputExceededException" => Self::Throttled,
            "AccessDenied"
            | "AccessDeniedException"
            | "AllAccessDisabled"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "RegionDisabledException" => Self::Denied,
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Self::Unavailable,
            "RequestTimeout" | "RequestTimeoutException" => Self::Unreachable,
            "PreconditionFailed" => Self::Precondition,
            "EntityTooLarge" => Self::TooLarge,
            "ResourceAlreadyExistsException" => Self::Exists,
            _ if code.contains("Throttl") => Self::Throttled,
            _ if code.starts_with("KMS") => Self::Denied,
            _ => return None,
        };
        Some(kind)
    }

    /// The class of an HTTP status, where there is no code that says more (HEAD has none).
    fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 => Self::NotFound,
            412 => Self::Precondition,
            413 => Self::TooLarge,
            429 => Self::Throttled,
            500..=599 => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

/// A call that failed after the SDK's own attempts.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} of {about} failed: {message}{}", remedy(self))]
pub struct AwsError {
    /// Such as `PutLogEvents`.
    pub operation: &'static str,
    /// What it was about: `log group /a of account 123`, `s3://bucket/key`, `role arn:…`.
    pub about: String,
    /// Class.
    pub kind: Kind,
    /// AWS's error code, where it gave one.
    pub code: Option<String>,
    /// AWS's own words, or the transport's, bounded; never a request's content.
    pub message: String,
    /// No answer came: the call may have taken effect.
    pub effect_unknown: bool,
}

/// A call that is made, for what is said when it fails.
pub(super) struct Call<'a> {
    /// Such as `PutLogEvents`.
    pub(super) operation: &'static str,
    /// Region that was asked.
    pub(super) region: &'a str,
}

impl Call<'_> {
    /// What a failure of this call means. An [`AwsError`] inside (a role that
    /// can't be assumed on the way) is returned as it is.
    pub(super) fn failed<E>(&self, about: impl Into<String>, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(inner) = chain(&error).find_map(|error| error.downcast_ref::<AwsError>()) {
            return inner.clone();
        }
        let status = error.raw_response().map(|response| response.status().as_u16());
        let (kind, code, message, effect_unknown) = match &error {
            // The SDK's name for a success that it can't read.
            SdkError::ServiceError(context)
                if context.err().code().is_none() && context.raw().status().is_success() =>
            {
                (Kind::Unreachable, None, format!("the answer can't be read: {}", words(context.err())), true)
            }
            SdkError::ServiceError(context) => {
                let code = context.err().code().map(str::to_owned);
                let (kind, message) = self.answer(context.err(), status.unwrap_or_default());
                let unknown = code.is_none() && status.is_some_and(|status| status >= 500);
                (kind, code, message, unknown)
            }
            SdkError::ResponseError(_) => {
                let kind = status.map_or(Kind::Unreachable, Kind::of_status);
                let kind = if kind == Kind::Other { Kind::Unreachable } else { kind };
                (kind, None, format!("the answer can't be read: {}", words(&error)), true)
            }
            SdkError::TimeoutError(_) => (Kind::Unreachable, None, self.silence(&error), true),
            SdkError::DispatchFailure(_) => (Kind::Unreachable, None, self.silence(&error), !never_sent(&error)),
            _ => (Kind::Other, None, words(&error), false),
        };
        self.error(about, kind, code, message, effect_unknown)
    }

    /// A failure that this program found itself.
    pub(super) fn error(
        &self,
        about: impl Into<String>,
        kind: Kind,
        code: Option<String>,
        message: impl Into<String>,
        effect_unknown: bool,
    ) -> AwsError {
        let message = bounded(message.into());
        AwsError { operation: self.operation, about: about.into(), kind, code, message, effect_unknown }
    }

    /// Class and words of an answer that is an error.
    fn answer(&self, error: &dyn ProvideErrorMetadata, status: u16) -> (Kind, String) {
        let code = error.code().unwrap_or_default();
        let words = without_secrets(code, error.message().unwrap_or_default().trim_end_matches('.'));
        let kind = if words.contains("larger than the maximum allowable size") {
            Kind::TooLarge
        } else {
            Kind::of_code(code).unwrap_or_else(|| Kind::of_status(status))
        };
        let message = match (code, words.as_str()) {
            ("", "") => format!("status {status}, no reason given"),
            ("", words) => format!("status {status}: {words}"),
            (code, "") => format!("{code} (status {status})"),
            (code, words) => format!("{code}: {words}"),
        };
        let other_region = matches!(
            code,
            "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "IllegalLocationConstraint"
                | "RegionDisabledException"
        ) || status == 301;
        let message = if other_region { format!("{message} (region {} was asked)", self.region) } else { message };
        (kind, message)
    }

    /// Words for an answer that never came: the host where it is known, and the region.
    fn silence(&self, error: &(dyn Error + 'static)) -> String {
        format!("{} (region {})", words(error), self.region)
    }
}

/// The error and all that is behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Whether the request can't have reached anyone: there was no connection. hyper's
/// error says so in its words alone.
pub(super) fn never_sent(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string().starts_with("client error (Connect)"))
}

/// What the transport says, from the host on where one is named, outermost first.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in chain(error) {
        if error.is::<NoAnswer>() {
            words.clear();
        }
        let text = error.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

/// AWS's words without what they may repeat of a request: a value that it found
/// invalid, and what was signed (which holds the session's token).
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

/// One line of at most [`MAX_MESSAGE`] bytes.
fn bounded(message: String) -> String {
    let mut line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(MAX_MESSAGE));
    line
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
