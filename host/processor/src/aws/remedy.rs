//! Remedies: what can be done about a failed call, as the last clause of its message.

use super::operation::Operation;
use model::{AwsErrorKind, Fault};

/// The code of the error that the central role isn't set.
pub(super) const NO_CENTRAL_ROLE: &str = "NoCentralRole";

/// The code of the error that the processor has no credentials of its own.
pub(super) const NO_CREDENTIALS: &str = "NoCredentials";

/// The facts of a failed call that its remedy depends on.
pub(super) struct ErrorFacts<'a> {
    /// The operation, such as `PutLogEvents`.
    pub(super) operation: Operation,
    /// The error's kind.
    pub(super) kind: AwsErrorKind,
    /// Whose fault it is.
    pub(super) fault: Fault,
    /// AWS's error code, or one of the two above.
    pub(super) code: Option<&'a str>,
    /// The account that must own the bucket, if there is one.
    pub(super) owner: Option<&'a str>,
}

/// The remedy as a clause that begins with `; `. Empty if AWS's own message must do.
pub(super) fn remedy(error: &ErrorFacts<'_>) -> String {
    let clause = match error.kind {
        AwsErrorKind::NotFound => not_found(error.operation),
        AwsErrorKind::NoBucket => "create the bucket, or correct its name where it is configured",
        AwsErrorKind::Denied => denied(error),
        AwsErrorKind::Expired => {
            "sessions are renewed; where it is the processor's own credentials that expired, refresh them"
        }
        AwsErrorKind::Throttled => "try again later, or ask AWS for a higher limit",
        AwsErrorKind::Unavailable => "try again later; AWS's health dashboard may know more",
        AwsErrorKind::Unreachable => "check that the region exists, AWS_ENDPOINT_URL, and the network",
        AwsErrorKind::Precondition => "it has changed since; its own notification should follow",
        AwsErrorKind::TooLarge => "it must be sent in smaller parts",
        AwsErrorKind::Exists => "nothing to do",
        AwsErrorKind::Conflict => "try again: it is being created or changed at this moment",
        AwsErrorKind::Archived => {
            "the source's owner must restore it, or have its lifecycle rule archive objects later than they are read"
        }
        AwsErrorKind::OtherRegion => "correct the region that is configured for it",
        AwsErrorKind::ClockSkew => "set this machine's clock (NTP)",
        AwsErrorKind::NoProof => "it is tried again; a proxy or what stands in for AWS may have answered in its place",
        AwsErrorKind::Other => return String::new(),
    };
    match error.owner {
        Some(owner) if error.kind == AwsErrorKind::Denied => {
            format!("; its bucket must be of account {owner}: check that it still is; if so, {clause}")
        }
        _ => format!("; {clause}"),
    }
}

fn not_found(operation: Operation) -> &'static str {
    match operation {
        Operation::Query | Operation::Scan => "check TENANT_CONFIG_TABLE and AWS_REGION",
        Operation::PutLogEvents | Operation::CreateLogStream => {
            "create the log group, or allow logs:CreateLogGroup to the tenant's role"
        }
        Operation::GetObject | Operation::HeadObject | Operation::CopyObject | Operation::UploadPartCopy => {
            "it may have been deleted, by a lifecycle rule for one; without s3:ListBucket AWS doesn't say"
        }
        Operation::ReceiveMessage
        | Operation::SendMessageBatch
        | Operation::DeleteMessageBatch
        | Operation::ChangeMessageVisibilityBatch => "check SQS_QUEUE_URL and AWS_REGION",
        _ => "check its name and region",
    }
}

fn denied(error: &ErrorFacts<'_>) -> &'static str {
    let by_code = error.code.and_then(denied_by_code);
    by_code.unwrap_or_else(|| match (error.operation, error.fault) {
        (Operation::CopyObject | Operation::UploadPartCopy, Fault::Source) => SOURCE_OF_COPY,
        (operation, _) => denied_by_policy(operation),
    })
}

/// The remedy for a copy that may not read its source.
const SOURCE_OF_COPY: &str = "allow s3:GetObject on the source to the central role, in the source bucket's policy too, \
                              and kms:Decrypt on its key";

/// The remedy for a code that says more than that access is denied.
fn denied_by_code(code: &str) -> Option<&'static str> {
    let clause = match code {
        NO_CENTRAL_ROLE => "set it to the ARN of the role that may assume the tenants' roles",
        NO_CREDENTIALS => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the pod or the Lambda a role, or name a profile in \
             AWS_PROFILE"
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
            "check the credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or the role"
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => "check AWS_SECRET_ACCESS_KEY and this machine's clock",
        "RegionDisabledException" => "enable the region in the role's account",
        code if code.starts_with("KMS") => "allow kms:Decrypt and kms:GenerateDataKey on its key",
        _ => return None,
    };
    Some(clause)
}

fn denied_by_policy(operation: Operation) -> &'static str {
    match operation {
        Operation::AssumeRole => {
            "allow sts:AssumeRole on it to the role that assumes it, and name that role (and the external ID) in its \
             trust policy"
        }
        Operation::Query => "allow dynamodb:Query on the table to the processor",
        Operation::Scan => "allow dynamodb:Scan on the table to whoever runs this, or name one tenant with --tenant",
        Operation::GetObject | Operation::HeadObject => {
            "allow s3:GetObject on it (s3:GetObjectVersion for a version), in its bucket's policy too, and kms:Decrypt \
             on its key"
        }
        Operation::ListObjectsV2 => "allow s3:ListBucket on the bucket",
        Operation::CopyObject | Operation::UploadPartCopy => {
            "allow s3:PutObject to the central role in the target's bucket policy, and kms:GenerateDataKey and \
             kms:Decrypt on its key"
        }
        Operation::PutObject
        | Operation::CreateMultipartUpload
        | Operation::UploadPart
        | Operation::CompleteMultipartUpload => {
            "allow s3:PutObject in the bucket policy, and kms:GenerateDataKey on its key"
        }
        Operation::AbortMultipartUpload => {
            "allow s3:AbortMultipartUpload, or let a lifecycle rule remove unfinished uploads"
        }
        Operation::PutLogEvents | Operation::CreateLogStream | Operation::CreateLogGroup => {
            "allow logs:PutLogEvents, logs:CreateLogStream and logs:CreateLogGroup to the tenant's role"
        }
        Operation::PutMetricData => "allow cloudwatch:PutMetricData to the processor",
        Operation::ChangeMessageVisibilityBatch => "allow sqs:ChangeMessageVisibility on the queue to the processor",
        Operation::DeleteMessageBatch => "allow sqs:DeleteMessage on the queue to the processor",
        Operation::SendMessageBatch => "allow sqs:SendMessage on the queue to the processor",
        Operation::ReceiveMessage => "allow sqs:ReceiveMessage on the queue to the processor",
        _ => "allow it in the policies of the role",
    }
}
