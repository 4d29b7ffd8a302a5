//! How long the search for the records that a component fails on may go on.

use super::halt::Halt;
use model::{Failure, Fault, Limits};
use sandbox::GuestError;

/// Records of an object that may be dead-lettered so. Beyond, it is no longer some
/// records that are odd but the component that is broken: its tenant would lose
/// everything.
const MAX_POISON: u64 = 64;

/// Calls that may fail on an object: enough for [`MAX_POISON`] records near each
/// other, or twenty far apart.
const MAX_FAILURES: u64 = 256;

/// MiB of input whose fuel a search may use, and starts: all that it does beyond giving
/// each line once. By default 128 billion units, which is about a minute of a core: five
/// records that are endless loops.
const MAX_SEARCHED_MIB: u64 = 8;
const MAX_SEARCHED_STARTS: u64 = 64;

/// Fuel that the search may use on an object.
pub(super) fn search_fuel(limits: &Limits) -> u64 {
    let mib = limits.fuel_per_mib.saturating_mul(MAX_SEARCHED_MIB);
    mib.saturating_add(limits.start_fuel.saturating_mul(MAX_SEARCHED_STARTS))
}

/// What a search has used so far.
#[derive(Debug, Default)]
pub(super) struct SearchBudget {
    failures: u64,
    poison: u64,
    /// Fuel that was used without a failure, each line once: no search's.
    without_search: u64,
    /// Fuel of the search, so far as it was looked at.
    searched: u64,
}

impl SearchBudget {
    /// Takes note of fuel that was used on what had to be done anyway.
    pub(super) fn add_without_search(&mut self, fuel: u64) {
        self.without_search = self.without_search.saturating_add(fuel);
    }

    /// Takes note of a call that failed; `used`: all fuel so far, of which the search may
    /// have had `max_fuel`.
    ///
    /// # Errors
    /// The search has gone on long enough.
    pub(super) fn add_failure(&mut self, error: &GuestError, used: u64, max_fuel: u64) -> Result<(), Halt> {
        self.failures += 1;
        self.searched = used.saturating_sub(self.without_search);
        if self.failures > MAX_FAILURES || self.searched > max_fuel { Err(self.give_up(error)) } else { Ok(()) }
    }

    /// Takes note of records that are poison.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn add_poison(&mut self, records: u64, error: &GuestError) -> Result<(), Halt> {
        if self.poison + records > MAX_POISON {
            return Err(self.give_up(error));
        }
        self.poison += records;
        Ok(())
    }

    fn give_up(&self, error: &GuestError) -> Halt {
        let Self { failures, poison, searched, .. } = self;
        let text = format!(
            "quarantine gave up: {failures} calls of the component failed on the object, and {poison} records \
             by themselves, at most {MAX_FAILURES} and {MAX_POISON} may; the search used {searched} units of fuel, \
             and may use as many as {MAX_SEARCHED_MIB} MiB of lines and {MAX_SEARCHED_STARTS} starts; the last \
             one: {}",
            error.without_words()
        );
        Halt::GaveUp(Failure::new(error.kind(), text).with_fault(Fault::Component))
    }
}
