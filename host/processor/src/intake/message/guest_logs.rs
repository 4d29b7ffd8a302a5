//! What guests log, in the processor's log, where their items say `log: operator`.

use std::time::{Duration, Instant};

use crate::telemetry::Throttle;
use model::{Digest, ObjectId};
use sandbox::{Component, Level, LogLine};

/// Lines a second of one component of a tenant's.
const MAX_LINES_PER_SECOND: u32 = 50;

/// Shows guests' lines, so many of each component.
pub(super) struct GuestLogs(Throttle);

impl Default for GuestLogs {
    fn default() -> Self {
        Self(Throttle::new(MAX_LINES_PER_SECOND, Duration::from_secs(1)))
    }
}

impl GuestLogs {
    /// Shows what a component said of an object: each line with its own level, cut where
    /// it was taken. It may hold log contents, which is what the item asks for.
    pub(super) fn show(&self, tenant: &str, component: &Component, object: &ObjectId, lines: &[LogLine]) {
        let digest = component.digest();
        let digest = Digest::shorten(digest);
        let key = format!("{tenant} {digest}");
        for LogLine { level, text } in lines {
            let Some(left_out) = self.0.admit(&key, Instant::now()) else { continue };
            macro_rules! line {
                ($level:ident) => {
                    tracing::$level!(tenant, digest, %object, text, left_out, "guest log")
                };
            }
            match level {
                Level::Debug => line!(debug),
                Level::Info => line!(info),
                Level::Warn => line!(warn),
                Level::Error => line!(error),
            }
        }
    }
}
