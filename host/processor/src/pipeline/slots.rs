//! At most as many guests at work as there are cores: more would only take
//! memory, and time from each other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use model::{ObjectId, lock};
use sandbox::{MemoryGrant, Surroundings};

use crate::memory::InstanceMemory;

/// A number of slots that blocking threads take turns in, first come, first served.
/// `Clone` is cheap, and shares the slots.
#[derive(Debug, Clone)]
pub struct GuestSlots(Arc<Mutex<SlotQueue>>);

#[derive(Debug)]
struct SlotQueue {
    free: usize,
    waiting: VecDeque<Waiter>,
}

/// A thread that waits, and whether it has its slot.
#[derive(Debug)]
struct Waiter(Thread, Arc<AtomicBool>);

impl GuestSlots {
    /// So many slots, at least one.
    pub fn new(slots: usize) -> Self {
        Self(Arc::new(Mutex::new(SlotQueue { free: slots.max(1), waiting: VecDeque::new() })))
    }

    /// Waits for a slot, which is free again when what is returned is dropped.
    pub(super) fn take(&self) -> Slot<'_> {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
            return Slot(self);
        }
        wait(state);
        Slot(self)
    }

    /// Called by whoever has a slot: whoever waits longest gets it, and the caller
    /// waits for its next turn. Where nobody waits it just goes on.
    pub(super) fn yield_slot(&self) {
        let mut state = self.lock();
        if let Some(next) = state.waiting.pop_front() {
            next.serve();
            wait(state);
        }
    }

    /// Called by whoever has a slot and must wait for something else: others have the slot
    /// meanwhile.
    pub(super) fn without_slot<T>(&self, wait: impl FnOnce() -> T) -> T {
        drop(Slot(self));
        let waited = wait();
        std::mem::forget(self.take());
        waited
    }

    fn lock(&self) -> MutexGuard<'_, SlotQueue> {
        lock(&self.0)
    }
}

/// Queues, and returns when this thread is served.
fn wait(mut state: MutexGuard<'_, SlotQueue>) {
    let served = Arc::new(AtomicBool::new(false));
    state.waiting.push_back(Waiter(thread::current(), Arc::clone(&served)));
    drop(state);
    while !served.load(Ordering::Acquire) {
        thread::park();
    }
}

impl Waiter {
    /// Hands a slot over.
    fn serve(self) {
        let Self(thread, served) = self;
        served.store(true, Ordering::Release);
        thread.unpark();
    }
}

/// A slot that is taken.
pub(super) struct Slot<'a>(&'a GuestSlots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // Handed over, not freed: whoever comes back soonest would else win against
        // whoever waits.
        match state.waiting.pop_front() {
            Some(next) => next.serve(),
            None => state.free += 1,
        }
    }
}

/// The guests of one delivery, which take turns with all others: how long they were
/// at work, their waiting not counted.
pub(super) struct SlotTimer {
    slots: GuestSlots,
    cpu_time: Duration,
    /// Waited for another turn, in nanoseconds, within what a guest seems to have worked.
    waited: Arc<AtomicU64>,
}

impl SlotTimer {
    pub(super) fn new(slots: &GuestSlots) -> Self {
        Self { slots: slots.clone(), cpu_time: Duration::ZERO, waited: Arc::default() }
    }

    /// Runs a guest when it has its turn.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _slot = self.slots.take();
        let before = self.waited.load(Ordering::Relaxed);
        let started = Instant::now();
        let done = work();
        let waited = self.waited.load(Ordering::Relaxed).saturating_sub(before);
        self.cpu_time += started.elapsed().saturating_sub(Duration::from_nanos(waited));
        done
    }

    /// What a guest that runs long calls now and then.
    pub(super) fn pause(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (slots, waited) = (self.slots.clone(), Arc::clone(&self.waited));
        Arc::new(move || {
            let started = Instant::now();
            slots.yield_slot();
            let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            waited.fetch_add(nanos, Ordering::Relaxed);
        })
    }

    /// The environment of an instance that takes its turns here.
    pub(super) fn surroundings(&self, object: &ObjectId, delivery: &str, now: i64) -> Surroundings {
        Surroundings { pause: Some(self.pause()), ..Surroundings::of(object, delivery, now) }
    }

    /// What an instance asks before it grows, which takes its turns here.
    pub(super) fn grant(&self, memory: InstanceMemory) -> Arc<dyn MemoryGrant> {
        Arc::new(GrantBetweenTurns { memory, slots: self.slots.clone(), waited: Arc::clone(&self.waited) })
    }

    pub(super) fn cpu_time(&self) -> Duration {
        self.cpu_time
    }
}

/// The memory of an instance that takes turns: while it waits for memory, others have their
/// turn, and the wait is no work.
struct GrantBetweenTurns {
    memory: InstanceMemory,
    /// Where it has a turn.
    slots: GuestSlots,
    waited: Arc<AtomicU64>,
}

impl MemoryGrant for GrantBetweenTurns {
    fn base_bytes(&self) -> usize {
        self.memory.base_bytes()
    }

    fn grow_to(&self, bytes: usize) -> bool {
        if self.memory.claim_now(bytes) {
            return true;
        }
        let started = Instant::now();
        let claimed = self.slots.without_slot(|| self.memory.claim(bytes));
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(nanos, Ordering::Relaxed);
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn no_more_are_at_work_than_there_are_slots() {
        let slots = GuestSlots::new(2);
        let (at_work, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _slot = slots.take();
                        most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(50));
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((most.into_inner(), done.into_inner()), (2, 400));
        let state = slots.lock();
        assert_eq!((state.free, state.waiting.len()), (2, 0));
    }

    #[test]
    fn whoever_waits_comes_before_whoever_was_there() {
        let slots = GuestSlots::new(1);
        let turns = Mutex::new(Vec::new());
        let first = slots.take();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _slot = slots.take();
                turns.lock().unwrap().push("waited");
            });
            while slots.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            drop(first);
            let _slot = slots.take();
            turns.lock().unwrap().push("came back");
        });
        assert_eq!(turns.into_inner().unwrap(), ["waited", "came back"]);
    }

    #[test]
    fn whoever_runs_long_lets_others_have_their_turn_and_does_not_count_it() {
        let slots = GuestSlots::new(1);
        let mut long = SlotTimer::new(&slots);
        let pause = long.pause();
        let short = Duration::from_millis(100);
        let (order, started) = (Mutex::new(Vec::new()), Instant::now());
        std::thread::scope(|scope| {
            long.run(|| {
                pause(); // alone
                for name in ["a", "b"] {
                    let waiting = slots.lock().waiting.len();
                    let (slots, order) = (&slots, &order);
                    scope.spawn(move || {
                        SlotTimer::new(slots).run(|| {
                            std::thread::sleep(short);
                            order.lock().unwrap().push(name);
                        });
                    });
                    while slots.lock().waiting.len() == waiting {
                        std::thread::yield_now();
                    }
                }
                pause(); // after whoever waited
                order.lock().unwrap().push("long");
            });
        });
        assert_eq!(order.into_inner().unwrap(), ["a", "b", "long"]);
        // The others had at least so much of the time.
        let most = started.elapsed().saturating_sub(2 * short);
        assert!(long.cpu_time() <= most, "{:?} of {most:?}", long.cpu_time());
        let state = slots.lock();
        assert_eq!((state.free, state.waiting.len()), (1, 0));
    }
}
