//! The options of AWS clients, from the settings.

use crate::aws::AwsOptions;
use crate::settings::AwsSettings;

pub(super) fn aws_options(settings: &AwsSettings) -> AwsOptions {
    AwsOptions {
        region: settings.region.clone(),
        path_style: settings.path_style,
        attempts: settings.attempts,
        request_timeout: settings.request_timeout,
        central_role: settings.central_role.clone(),
        keys: settings.keys.clone(),
        owners: settings.owners.clone(),
    }
}
