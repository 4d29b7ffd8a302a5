//! Copies that replace those of other objects.
//!
//! The reference's layout leaves the cluster and the folders between pod and file out of a
//! copy's key. So two objects with the same pod and file name have one copy, the later one,
//! though both count as delivered. S3 doesn't report that for free; it is noticed only if both
//! came through this process, and not too long after each other.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, OnceLock};

use model::{ObjectId, lock};

/// The number of copies that are kept track of: 1 MiB in all, once there is one.
const SLOTS: usize = 1 << 16;

/// The sources of the latest copies. Slots are chosen by hashes with a secret key; another
/// copy in the same slot replaces the older one. A tenant with many objects can thereby
/// suppress others' warnings, and nothing more.
#[derive(Debug, Default)]
pub struct Targets {
    slots: OnceLock<Mutex<Vec<TargetSlot>>>,
    state: OnceLock<RandomState>,
}

/// Hashes of a copy's key and of its source.
#[derive(Debug, Clone, Copy, Default)]
struct TargetSlot {
    target: u64,
    source: u64,
}

impl Targets {
    /// None yet.
    pub const fn new() -> Self {
        Self { slots: OnceLock::new(), state: OnceLock::new() }
    }

    /// Records that `target` was made from `source`; returns whether it was made from another
    /// object before.
    pub fn replaces(&self, target: &ObjectId, source: &ObjectId) -> bool {
        let state = self.state.get_or_init(RandomState::new);
        // 0 marks a free slot.
        let (target, source) = (state.hash_one(target) | 1, state.hash_one(source));
        let slots = self.slots.get_or_init(|| Mutex::new(vec![TargetSlot::default(); SLOTS]));
        let mut slots = lock(slots);
        let index = usize::try_from(target >> 32).unwrap_or_default() % SLOTS;
        let Some(slot) = slots.get_mut(index) else { return false };
        let before = std::mem::replace(slot, TargetSlot { target, source });
        before.target == target && before.source != source
    }

    /// The warning about a copy that replaced another object's.
    pub fn warning(target: &ObjectId) -> String {
        format!(
            "{target} replaces the copy of another object with the same pod and file name: the key of a copy has \
             neither the cluster nor the folders between pod and file; give files names of their own"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: impl ToString) -> ObjectId {
        ObjectId { bucket: "b".to_owned(), key: key.to_string() }
    }

    #[test]
    fn only_another_objects_copy_is_replaced() {
        let targets = Targets::new();
        assert!(!targets.replaces(&object("t"), &object("a")));
        assert!(!targets.replaces(&object("t"), &object("a")), "again, or a new state of it");
        assert!(targets.replaces(&object("t"), &object("b")));
        assert!(targets.replaces(&object("t"), &object("a")));
        assert!(!targets.replaces(&object("u"), &object("b")));
        let elsewhere = ObjectId { bucket: "c".to_owned(), key: "t".to_owned() };
        assert!(!targets.replaces(&elsewhere, &object("x")));
    }

    #[test]
    fn copies_that_are_no_longer_known_are_no_others() {
        let targets = Targets::new();
        let mut known = 0;
        (0..4 * SLOTS).for_each(|number| assert!(!targets.replaces(&object(number), &object(number))));
        for number in 0..4 * SLOTS {
            known += usize::from(targets.replaces(&object(number), &object("other")));
        }
        assert!((1..=SLOTS).contains(&known), "{known}");
    }
}
