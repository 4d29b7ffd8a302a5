//! Which connections of the HTTP server are open. A new one always has a place: where
//! there is none, the one that has had its own for longest gives it up. So nobody who
//! only holds connections open, however many, keeps a probe out; and whoever does so
//! gives up its own first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Connections at once.
pub(super) const MOST: usize = 64;

/// Of them, those of one address.
pub(super) const MOST_OF_PEER: usize = 16;

/// Of them, those that are sent /metrics: up to a few MB each.
pub(super) const MOST_METRICS: usize = 4;

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its request has not come whole.
    Head,
    /// It is answered.
    Answer,
    /// It is sent /metrics.
    Metrics,
}

/// All that are open. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The oldest first.
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    peer: IpAddr,
    stage: Stage,
    closed: CancellationToken,
}

/// The place of a connection, which ends with it.
#[derive(Debug)]
pub(super) struct Place {
    of: Connections,
    number: u64,
    closed: CancellationToken,
}

impl Connections {
    /// A place for a new connection.
    pub(super) fn admit(&self, address: IpAddr) -> Place {
        let peer = peer(address);
        let mut state = self.lock();
        while state.count(|open| open.peer == peer) >= MOST_OF_PEER {
            state.close_one(|open| open.peer == peer);
        }
        while state.open.len() >= MOST {
            state.close_one(|_| true);
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        let closed = CancellationToken::new();
        state.open.insert(number, Open { peer, stage: Stage::Head, closed: closed.clone() });
        Place { of: self.clone(), number, closed }
    }

    /// Makes room where the process itself has none, being out of files.
    pub(super) fn close_oldest(&self) {
        self.lock().close_one(|_| true);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// How many there ever were.
    #[cfg(test)]
    pub(super) fn admitted(&self) -> u64 {
        self.lock().next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&self, which: impl Fn(&Open) -> bool) -> usize {
        self.open.values().filter(|open| which(open)).count()
    }

    /// The oldest of these that has yet to say what it wants, else the oldest.
    fn close_one(&mut self, which: impl Fn(&Open) -> bool) {
        let oldest = |stage: Option<Stage>| {
            let fits = |open: &Open| which(open) && stage.is_none_or(|stage| open.stage == stage);
            self.open.iter().find(|(_, open)| fits(open)).map(|(number, _)| *number)
        };
        let Some(number) = oldest(Some(Stage::Head)).or_else(|| oldest(None)) else { return };
        if let Some(open) = self.open.remove(&number) {
            open.closed.cancel();
        }
    }
}

impl Place {
    /// When it has to be given up.
    pub(super) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Its request has come.
    pub(super) fn answers(&self) {
        self.is_at(Stage::Answer);
    }

    /// It is sent /metrics.
    pub(super) fn sends_metrics(&self) {
        self.is_at(Stage::Metrics);
        let mut state = self.of.lock();
        while state.count(|open| open.stage == Stage::Metrics) > MOST_METRICS {
            state.close_one(|open| open.stage == Stage::Metrics);
        }
    }

    fn is_at(&self, stage: Stage) {
        if let Some(open) = self.of.lock().open.get_mut(&self.number) {
            open.stage = stage;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.lock().open.remove(&self.number);
    }
}

/// Whom connections are counted for: an address; of IPv6 the network, of which one
/// machine has 2^64.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn open(places: &[Place]) -> Vec<usize> {
        let open = places.iter().enumerate().filter(|(_, place)| !place.closed().is_cancelled());
        open.map(|(number, _)| number).collect()
    }

    #[test]
    fn one_peer_gives_up_its_own_and_no_others() {
        let connections = Connections::default();
        let other = connections.admit(v4(2));
        let places: Vec<_> = (0..300).map(|_| connections.admit(v4(1))).collect();
        assert_eq!(open(&places), (300 - MOST_OF_PEER..300).collect::<Vec<_>>(), "the newest");
        assert!(!other.closed().is_cancelled());
        assert_eq!(connections.len(), MOST_OF_PEER + 1);
        drop((places, other));
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn many_peers_have_so_many_in_all_and_who_is_answered_goes_last() {
        let connections = Connections::default();
        let answered = connections.admit(v4(200));
        answered.answers();
        let places: Vec<_> = (0..150).map(|peer| connections.admit(v4(peer))).collect();
        assert_eq!(connections.len(), MOST);
        assert_eq!(open(&places), (150 - (MOST - 1)..150).collect::<Vec<_>>());
        assert!(!answered.closed().is_cancelled(), "it is older, and was not closed");
        places.iter().for_each(Place::answers);
        let last = connections.admit(v4(201));
        assert!(answered.closed().is_cancelled() && !last.closed().is_cancelled(), "the oldest of all");
        connections.close_oldest();
        assert!(last.closed().is_cancelled(), "it has yet to say what it wants");
    }

    #[test]
    fn slow_readers_of_metrics_make_room_for_others() {
        let connections = Connections::default();
        let places: Vec<_> = (0..10).map(|peer| connections.admit(v4(peer))).collect();
        places.iter().for_each(Place::sends_metrics);
        assert_eq!(open(&places), (10 - MOST_METRICS..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let address = |text: &str| peer(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:0:0:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_ne!(address("10.0.0.1"), address("10.0.0.2"));
    }
}
