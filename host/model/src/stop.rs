//! Stopping running deliveries: at the next chunk, or at once.

use std::ops::Deref;

use tokio_util::sync::CancellationToken;

/// A request to stop, shared by running deliveries and whoever stops them: gentle
/// ([`Stop::request`]) or immediate ([`Stop::abandon`]). Clones share the request.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    abandoned: CancellationToken,
}

impl Stop {
    /// Asks deliveries to end at the next chunk. What was handed over is still put.
    pub fn request(&self) {
        self.requested.cancel();
    }

    /// Asks deliveries to end at once: no put begins, and no put in flight is waited for,
    /// so that its effect stays unknown.
    pub fn abandon(&self) {
        self.requested.cancel();
        self.abandoned.cancel();
    }

    /// Whether a stop was requested, of either kind.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Whether work must end at once.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.is_cancelled()
    }

    /// Waits until a stop of either kind is requested, which may be never.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits until work must end at once, which may be never.
    pub async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// A stop for a part of the work. The part stops with the whole, can be stopped alone, and
    /// is abandoned when the scope is dropped: no thread then waits for a result that nobody wants.
    pub fn scope(&self) -> StopScope {
        StopScope(Self { requested: self.requested.child_token(), abandoned: self.abandoned.child_token() })
    }
}

/// A [`Stop`] for a part of the work, which is abandoned when this is dropped.
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
