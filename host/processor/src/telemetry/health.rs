//! Health: whether the intake's loop makes progress, and whether its dependencies can be
//! reached.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model::lock;

/// The longest that the intake's loop may go without progress before /healthz is 503.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// The interval at which progress is recorded while the loop waits for something.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A dependency without which the process can't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// SQS_QUEUE_URL: messages are received.
    Queue,
    /// TENANT_CONFIG_TABLE: tenants are found.
    TenantTable,
    /// SOURCE_BUCKET: objects are listed.
    Bucket,
}

impl Dependency {
    /// The name in /readyz and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::TenantTable => "tenant table",
            Self::Bucket => "bucket",
        }
    }
}

/// The health of the process. `Clone` is cheap.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<HealthState>>);

#[derive(Debug)]
struct HealthState {
    last_progress: Instant,
    down: BTreeSet<Dependency>,
}

impl Default for Health {
    /// A health in which the loop isn't late and nothing is known to be down.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(HealthState { last_progress: Instant::now(), down: BTreeSet::new() })))
    }
}

impl Health {
    /// Records that a dependency answered.
    pub fn mark_up(&self, dependency: Dependency) {
        if self.lock().down.remove(&dependency) {
            tracing::info!(part = dependency.name(), "it can be reached again");
        }
    }

    /// Records that a dependency failed: /readyz is 503 until it is [up](Self::mark_up) again.
    /// The caller must keep asking, whether or not there is work. `error` goes to the log,
    /// once per change.
    pub fn mark_down(&self, dependency: Dependency, error: &dyn Display) {
        if self.lock().down.insert(dependency) {
            tracing::warn!(part = dependency.name(), %error, "it can't be reached: /readyz is 503 until it can");
        }
    }

    /// Whether a dependency failed when it was last asked.
    pub fn is_down(&self, dependency: Dependency) -> bool {
        self.lock().down.contains(&dependency)
    }

    /// Records that the intake's loop made progress: /healthz is 503 when it hasn't for two
    /// minutes.
    pub fn record_progress(&self) {
        self.lock().last_progress = Instant::now();
    }

    /// Waits for work that may take long but is bounded in itself, and records progress
    /// meanwhile: waiting for it is no reason to restart the process.
    pub async fn keep_alive_during<T>(&self, work: impl Future<Output = T>) -> T {
        self.keep_alive_every(PROGRESS_INTERVAL, work).await
    }

    async fn keep_alive_every<T>(&self, every: Duration, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.record_progress();
            if let Ok(done) = tokio::time::timeout(every, &mut work).await {
                self.record_progress();
                return done;
            }
        }
    }

    /// The time since the loop's last progress, if it is overdue.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        let idle = now.saturating_duration_since(self.lock().last_progress);
        (idle > MAX_SILENCE).then_some(idle)
    }

    /// The dependencies that are down.
    pub(super) fn down(&self) -> Vec<Dependency> {
        self.lock().down.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HealthState> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_part_goes_down_and_comes_back_by_itself() {
        let health = Health::default();
        assert_eq!(health.down(), []);
        for dependency in [Dependency::Queue, Dependency::TenantTable, Dependency::Bucket] {
            health.mark_up(dependency);
            assert_eq!(health.down(), []);
            health.mark_down(dependency, &"why");
            health.mark_down(dependency, &"why");
            assert_eq!(health.down(), [dependency]);
            let other = if dependency == Dependency::Queue { Dependency::Bucket } else { Dependency::Queue };
            health.mark_up(other);
            assert!(health.is_down(dependency), "another part's success is none of its own");
            health.mark_down(other, &"why");
            health.mark_up(dependency);
            assert_eq!(health.down(), [other]);
            health.mark_up(other);
            assert!(health.down().is_empty() && !health.is_down(dependency));
        }
    }

    #[test]
    fn the_loop_is_overdue_after_two_minutes_until_it_goes_round() {
        let health = Health::default();
        let since = health.lock().last_progress;
        assert_eq!(health.overdue(since + MAX_SILENCE), None);
        assert_eq!(health.overdue(since + MAX_SILENCE + SECOND), Some(MAX_SILENCE + SECOND));
        health.lock().last_progress = since + MAX_SILENCE;
        assert_eq!(health.overdue(since + MAX_SILENCE + SECOND), None);
        assert!(health.overdue(since + 2 * MAX_SILENCE + SECOND).is_some());
        health.record_progress();
        assert!(health.lock().last_progress < since + MAX_SILENCE, "alive is now");
    }

    /// The work ends only once the process was alive three times meanwhile.
    #[tokio::test]
    async fn what_is_waited_for_is_no_reason_to_restart() {
        let health = Health::default();
        let work = async {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 3 {
                seen.insert(health.lock().last_progress);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        let seen = health.keep_alive_every(Duration::from_millis(1), work).await;
        assert!(health.lock().last_progress > *seen.last().unwrap(), "and as it ended");
        assert_eq!(health.keep_alive_during(async { 7 }).await, 7);
    }
}
