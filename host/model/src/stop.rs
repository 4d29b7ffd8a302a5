//! How running deliveries are stopped.

use std::ops::Deref;

use tokio_util::sync::CancellationToken;

/// Asks running deliveries to stop, gently or at once. `Clone` is cheap, and
/// means the same deliveries.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    abandoned: CancellationToken,
}

impl Stop {
    /// Asks to end at the next chunk; what was handed over is still put.
    pub fn request(&self) {
        self.requested.cancel();
    }

    /// Asks to end at once: no put begins, and nobody waits for one in flight,
    /// whose effect stays unknown.
    pub fn abandon(&self) {
        self.requested.cancel();
        self.abandoned.cancel();
    }

    /// Whether either was asked.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Whether it must end at once.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.is_cancelled()
    }

    /// Returns when either was asked, which may be never.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Returns when it must end at once, which may be never.
    pub async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// A part of the work: it stops with the whole, may be stopped alone, and is
    /// abandoned when the scope ends, so that no thread waits for what nobody wants.
    pub fn scope(&self) -> StopScope {
        StopScope(Self { requested: self.requested.child_token(), abandoned: self.abandoned.child_token() })
    }
}

/// Abandons what is left of a part of the work when it is dropped.
#[derive(Debug)]
pub struct StopScope(Stop);

impl Deref for StopScope {
    type Target = Stop;

    fn deref(&self) -> &Stop {
        &self.0
    }
}

impl Drop for StopScope {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_has_two_levels() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        stop.request();
        assert!(stop.is_requested() && !stop.is_abandoned());
        stop.clone().abandon();
        assert!(stop.is_abandoned());
    }

    #[test]
    fn a_part_stops_with_the_whole_but_not_the_whole_with_a_part() {
        let whole = Stop::default();
        let (one, other) = (whole.scope(), whole.scope());
        let kept = (*one).clone();
        drop(one);
        assert!(kept.is_abandoned(), "what is left of a part that ended is abandoned");
        assert!(!other.is_requested() && !whole.is_requested());
        whole.request();
        assert!(other.is_requested() && !other.is_abandoned());
        whole.abandon();
        assert!(other.is_abandoned());
    }
}
