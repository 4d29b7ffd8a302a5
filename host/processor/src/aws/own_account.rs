//! The processor's own account: tenants' roles have it as external ID, and the operator's
//! buckets must be of it.

use tokio::sync::OnceCell;

use super::AwsError;
use super::lazy::Lazy;
use super::sts::own_account;

/// The processor's own account, asked for when it is first needed, and found once.
pub(super) struct OwnAccount {
    found: OnceCell<String>,
    sts: Lazy<aws_sdk_sts::Client>,
    region: String,
}

impl OwnAccount {
    /// To be asked for with this client, in its region.
    pub(super) fn new(sts: Lazy<aws_sdk_sts::Client>, region: String) -> Self {
        Self { found: OnceCell::new(), sts, region }
    }

    /// Twelve digits.
    ///
    /// # Errors
    /// STS doesn't say it; it is asked again the next time.
    pub(super) async fn get(&self) -> Result<&str, AwsError> {
        self.found.get_or_try_init(|| own_account(&self.sts, &self.region)).await.map(String::as_str)
    }

    /// The same, where it was asked for before.
    pub(super) fn get_if_found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// The processor's region, whose STS is asked.
    pub(super) fn region(&self) -> &str {
        &self.region
    }
}
