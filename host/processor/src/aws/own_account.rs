//! The processor's own account. Tenants' roles expect it as external ID, and it must own the
//! operator's buckets.

use tokio::sync::OnceCell;

use super::AwsError;
use super::lazy::Lazy;
use super::sts::own_account;

/// The processor's own account. STS is asked when it is first needed, until it answers once.
pub(super) struct OwnAccount {
    found: OnceCell<String>,
    sts: Lazy<aws_sdk_sts::Client>,
    region: String,
}

impl OwnAccount {
    /// An account that is not known yet. `region` is that of the client.
    pub(super) fn new(sts: Lazy<aws_sdk_sts::Client>, region: String) -> Self {
        Self { found: OnceCell::new(), sts, region }
    }

    /// The account: twelve digits.
    ///
    /// # Errors
    /// STS's. The next call asks again.
    pub(super) async fn get(&self) -> Result<&str, AwsError> {
        self.found.get_or_try_init(|| own_account(&self.sts, &self.region)).await.map(String::as_str)
    }

    /// The account, if it was found before.
    pub(super) fn get_if_found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// The processor's region.
    pub(super) fn region(&self) -> &str {
        &self.region
    }
}
