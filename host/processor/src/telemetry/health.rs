//! Whether the process goes round, and whether it can reach what it works with.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the intake's loop may take to go round.
const ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// Between signs of life while something is waited for.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Something that the process can't work without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// SQS_QUEUE_URL: messages are received.
    Queue,
    /// TENANT_CONFIG_TABLE: tenants are found.
    TenantTable,
    /// SOURCE_BUCKET: objects are listed.
    Bucket,
}

impl Part {
    /// As /readyz and the log name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::TenantTable => "tenant table",
            Self::Bucket => "bucket",
        }
    }
}

/// Whether the process can work. `Clone` is cheap.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    alive: Instant,
    down: BTreeSet<Part>,
}

impl Default for Health {
    /// A loop that has yet to begin is not late, and nothing is known to be down.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { alive: Instant::now(), down: BTreeSet::new() })))
    }
}

impl Health {
    /// A part was just asked, and answered.
    pub fn works(&self, part: Part) {
        if self.lock().down.remove(&part) {
            tracing::info!(part = part.name(), "it can be reached again");
        }
    }

    /// A part was just asked, and that failed: /readyz is 503 until it [works](Self::works)
    /// again. Whoever says so has to ask again, whether there is work or not. The words
    /// go to the log, where each change is told once.
    pub fn fails(&self, part: Part, error: &dyn Display) {
        if self.lock().down.insert(part) {
            tracing::warn!(part = part.name(), %error, "it can't be reached: /readyz is 503 until it can");
        }
    }

    /// Whether a part failed when it was last asked.
    pub fn is_down(&self, part: Part) -> bool {
        self.lock().down.contains(&part)
    }

    /// The loop of the intake went round: /healthz is 503 when it has not for two minutes.
    pub fn alive(&self) {
        self.lock().alive = Instant::now();
    }

    /// Waits for something that may take long, and is bounded in itself: that the
    /// process waits for it is no reason to restart it.
    pub async fn alive_during<T>(&self, work: impl Future<Output = T>) -> T {
        self.alive_every(ALIVE_EVERY, work).await
    }

    async fn alive_every<T>(&self, every: Duration, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.alive();
            if let Ok(done) = tokio::time::timeout(every, &mut work).await {
                self.alive();
                return done;
            }
        }
    }

    /// How long the loop is overdue; none: it isn't.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        let idle = now.saturating_duration_since(self.lock().alive);
        (idle > ALIVE_WITHIN).then_some(idle)
    }

    /// The parts that are down.
    pub(super) fn down(&self) -> Vec<Part> {
        self.lock().down.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        for part in [Part::Queue, Part::TenantTable, Part::Bucket] {
            health.works(part);
            assert_eq!(health.down(), []);
            health.fails(part, &"why");
            health.fails(part, &"why");
            assert_eq!(health.down(), [part]);
            let other = if part == Part::Queue { Part::Bucket } else { Part::Queue };
            health.works(other);
            assert!(health.is_down(part), "another part's success is none of its own");
            health.fails(other, &"why");
            health.works(part);
            assert_eq!(health.down(), [other]);
            health.works(other);
            assert!(health.down().is_empty() && !health.is_down(part));
        }
    }

    #[test]
    fn the_loop_is_overdue_after_two_minutes_until_it_goes_round() {
        let health = Health::default();
        let since = health.lock().alive;
        assert_eq!(health.overdue(since + ALIVE_WITHIN), None);
        assert_eq!(health.overdue(since + ALIVE_WITHIN + SECOND), Some(ALIVE_WITHIN + SECOND));
        health.lock().alive = since + ALIVE_WITHIN;
        assert_eq!(health.overdue(since + ALIVE_WITHIN + SECOND), None);
        assert!(health.overdue(since + 2 * ALIVE_WITHIN + SECOND).is_some());
        health.alive();
        assert!(health.lock().alive < since + ALIVE_WITHIN, "alive is now");
    }

    /// The work ends only once the process was alive three times meanwhile.
    #[tokio::test]
    async fn what_is_waited_for_is_no_reason_to_restart() {
        let health = Health::default();
        let work = async {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 3 {
                seen.insert(health.lock().alive);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        let seen = health.alive_every(Duration::from_millis(1), work).await;
        assert!(health.lock().alive > *seen.last().unwrap(), "and as it ended");
        assert_eq!(health.alive_during(async { 7 }).await, 7);
    }
}
