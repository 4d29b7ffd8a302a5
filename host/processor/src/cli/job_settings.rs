//! The settings of deliveries, which are the same in all modes and locally.

use crate::delivery_run::{CHUNK_BYTES, JobSettings};
use crate::object::ReadLimits;
use crate::settings::Settings;

/// What is the same for all deliveries. `window_bytes`: of the window of each.
pub(super) fn job_settings(settings: &Settings, window_bytes: usize) -> JobSettings {
    JobSettings {
        read_limits: ReadLimits {
            chunk_bytes: CHUNK_BYTES,
            max_line_bytes: settings.max_line_bytes,
            max_object_bytes: settings.max_object_bytes.unwrap_or(0),
        },
        window_bytes,
        max_batch_events: settings.max_batch_size,
        timestamp_numbers: settings.timestamp_numbers,
        shadow_contents: settings.plugin.shadow_contents,
    }
}
