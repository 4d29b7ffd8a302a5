//! AWS credentials that were given as texts.

use std::fmt;

/// An access key, as the environment has it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// AWS_ACCESS_KEY_ID.
    pub id: String,
    /// AWS_SECRET_ACCESS_KEY.
    pub secret: String,
    /// AWS_SESSION_TOKEN, where they are temporary.
    pub token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials(…)")
    }
}
