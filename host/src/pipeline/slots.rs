//! At most as many guests at work as there are cores: more would only take
//! memory, and time from each other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// A number of slots that blocking threads take turns in, first come, first served.
/// `Clone` is cheap, and shares the slots.
#[derive(Debug, Clone)]
pub struct GuestSlots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
}

/// A thread that waits, and whether it has its slot.
#[derive(Debug)]
struct Waiting(Thread, Arc<AtomicBool>);

impl GuestSlots {
    /// So many slots, at least one.
    pub fn new(slots: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: slots.max(1), waiting: VecDeque::new() })))
    }

    /// Waits for a slot, which is free again when what is returned is dropped.
    pub(super) fn take(&self) -> Slot<'_> {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
            return Slot(self);
        }
        let served = Arc::new(AtomicBool::new(false));
        state.waiting.push_back(Waiting(thread::current(), Arc::clone(&served)));
        drop(state);
        while !served.load(Ordering::Acquire) {
            thread::park();
        }
        Slot(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            Some(Waiting(thread, served)) => {
                served.store(true, Ordering::Release);
                thread.unpark();
            }
            None => state.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

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
}
