//! The open connections of the HTTP server. A new connection always gets a slot: if none is
//! free, the connection that has held its slot for longest is closed. So a client that only
//! holds connections open can't keep a probe out, however many it opens, and loses its own
//! first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use model::lock;

/// The most connections at once.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// The most connections of one peer.
pub(super) const MAX_PER_PEER: usize = 16;

/// The most connections that are sent /metrics at once: up to a few MB each.
pub(super) const MAX_SENDING_METRICS: usize = 4;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionStage {
    /// The request hasn't arrived completely.
    Head,
    /// The request is being answered.
    Answer,
    /// The answer is /metrics.
    Metrics,
}

/// All open connections. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Mutex<OpenConnections>>);

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    /// Connections by number, the oldest first.
    open: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    stage: ConnectionStage,
    closed: CancellationToken,
}

/// The slot of a connection, freed on drop.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Connections,
    number: u64,
    closed: CancellationToken,
}

impl Connections {
    /// Gives a new connection its slot.
    pub(super) fn admit(&self, address: IpAddr) -> ConnectionSlot {
        let peer = peer(address);
        let mut state = self.lock();
        while state.count(|open| open.peer == peer) >= MAX_PER_PEER {
            state.close_one(|open| open.peer == peer);
        }
        while state.open.len() >= MAX_CONNECTIONS {
            state.close_one(|_| true);
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        let closed = CancellationToken::new();
        state.open.insert(number, Connection { peer, stage: ConnectionStage::Head, closed: closed.clone() });
        ConnectionSlot { connections: self.clone(), number, closed }
    }

    /// Closes the oldest connection, for when the process is out of file descriptors.
    pub(super) fn close_oldest(&self) {
        self.lock().close_one(|_| true);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// The number of connections that were ever admitted.
    #[cfg(test)]
    pub(super) fn admitted(&self) -> u64 {
        self.lock().next
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        lock(&self.0)
    }
}

impl OpenConnections {
    fn count(&self, which: impl Fn(&Connection) -> bool) -> usize {
        self.open.values().filter(|open| which(open)).count()
    }

    /// Closes the oldest matching connection whose request hasn't arrived, else the oldest.
    fn close_one(&mut self, which: impl Fn(&Connection) -> bool) {
        let oldest = |stage: Option<ConnectionStage>| {
            let fits = |open: &Connection| which(open) && stage.is_none_or(|stage| open.stage == stage);
            self.open.iter().find(|(_, open)| fits(open)).map(|(number, _)| *number)
        };
        let Some(number) = oldest(Some(ConnectionStage::Head)).or_else(|| oldest(None)) else { return };
        if let Some(open) = self.open.remove(&number) {
            open.closed.cancel();
        }
    }
}

impl ConnectionSlot {
    /// A token that is cancelled when the connection must be closed.
    pub(super) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Marks that the request has arrived.
    pub(super) fn mark_answering(&self) {
        self.set_stage(ConnectionStage::Answer);
    }

    /// Marks that the answer is /metrics, and closes the oldest of these if there are too
    /// many.
    pub(super) fn mark_sending_metrics(&self) {
        self.set_stage(ConnectionStage::Metrics);
        let mut state = self.connections.lock();
        while state.count(|open| open.stage == ConnectionStage::Metrics) > MAX_SENDING_METRICS {
            state.close_one(|open| open.stage == ConnectionStage::Metrics);
        }
    }

    fn set_stage(&self, stage: ConnectionStage) {
        if let Some(open) = self.connections.lock().open.get_mut(&self.number) {
            open.stage = stage;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().open.remove(&self.number);
    }
}

/// The peer that connections are counted for: an IPv4 address, or an IPv6 /64, since one
/// machine has all 2^64 addresses of its network.
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

    fn open(slots: &[ConnectionSlot]) -> Vec<usize> {
        let open = slots.iter().enumerate().filter(|(_, slot)| !slot.closed().is_cancelled());
        open.map(|(number, _)| number).collect()
    }

    #[test]
    fn one_peer_gives_up_its_own_and_no_others() {
        let connections = Connections::default();
        let other = connections.admit(v4(2));
        let slots: Vec<_> = (0..300).map(|_| connections.admit(v4(1))).collect();
        assert_eq!(open(&slots), (300 - MAX_PER_PEER..300).collect::<Vec<_>>(), "the newest");
        assert!(!other.closed().is_cancelled());
        assert_eq!(connections.len(), MAX_PER_PEER + 1);
        drop((slots, other));
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn many_peers_have_so_many_in_all_and_who_is_answered_goes_last() {
        let connections = Connections::default();
        let answered = connections.admit(v4(200));
        answered.mark_answering();
        let slots: Vec<_> = (0..150).map(|peer| connections.admit(v4(peer))).collect();
        assert_eq!(connections.len(), MAX_CONNECTIONS);
        assert_eq!(open(&slots), (150 - (MAX_CONNECTIONS - 1)..150).collect::<Vec<_>>());
        assert!(!answered.closed().is_cancelled(), "it is older, and was not closed");
        slots.iter().for_each(ConnectionSlot::mark_answering);
        let last = connections.admit(v4(201));
        assert!(answered.closed().is_cancelled() && !last.closed().is_cancelled(), "the oldest of all");
        connections.close_oldest();
        assert!(last.closed().is_cancelled(), "it has yet to say what it wants");
    }

    #[test]
    fn slow_readers_of_metrics_make_room_for_others() {
        let connections = Connections::default();
        let slots: Vec<_> = (0..10).map(|peer| connections.admit(v4(peer))).collect();
        slots.iter().for_each(ConnectionSlot::mark_sending_metrics);
        assert_eq!(open(&slots), (10 - MAX_SENDING_METRICS..10).collect::<Vec<_>>());
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
