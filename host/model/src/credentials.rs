//! AWS credentials from the environment.

use std::fmt;

/// An access key from the environment. Its values are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// AWS_ACCESS_KEY_ID.
    pub id: String,
    /// AWS_SECRET_ACCESS_KEY.
    pub secret: String,
    /// AWS_SESSION_TOKEN, if the credentials are temporary.
    pub token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials(…)")
    }
}
