//! What one delivery of one object has claimed.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Stop, lock};

use super::budget::{Claim, Level, MemoryBudget};
use super::sizes::{DEFAULT_GUEST_BASE_BYTES, INSTANCE_BASE_BYTES, Needs};

/// How long a delivery waits for memory before it is tried again later: longer than others
/// take to end as a rule, and less than a Lambda has.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose component an instance is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The tenant's.
    Tenant,
    /// The default guest.
    Default,
}

/// The memory that was needed wasn't free in time: the host's trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "memory for a long line, or lines that are held back, was not free within {} s (MEMORY_BUDGET); it is tried again later",
    PATIENCE.as_secs()
)]
pub struct NoMemory;

/// The memory of one delivery of one object, until the last clone is dropped. The default has
/// no budget to ask.
#[derive(Clone, Default)]
pub struct DeliveryMemory {
    shared: Option<Arc<Shared>>,
    /// It is a shadow's: it takes what is free, and waits for nothing.
    is_shadow: bool,
}

struct Shared {
    budget: MemoryBudget,
    needs: Needs,
    tenant: Arc<str>,
    stop: Stop,
    has_component: bool,
    has_growth: AtomicBool,
    has_line: AtomicBool,
    claims: Mutex<Vec<Claim>>,
}

impl fmt::Debug for DeliveryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |flag: fn(&Shared) -> &AtomicBool| self.shared.as_ref().map(|it| flag(it).load(Ordering::Relaxed));
        let (growth, line) = (has(|shared| &shared.has_growth), has(|shared| &shared.has_line));
        f.debug_struct("DeliveryMemory").field("growth", &growth).field("line", &line).finish()
    }
}

impl DeliveryMemory {
    /// The memory of a delivery that is to begin; it waits for its base. `None`: the budget
    /// was closed. `components`: how many it may run, a shadow included.
    pub async fn admit(
        budget: &MemoryBudget,
        needs: Needs,
        tenant: &str,
        components: u64,
        stop: &Stop,
    ) -> Option<Self> {
        let tenant: Arc<str> = tenant.into();
        let bytes = needs.delivery.saturating_add(needs.component_base.saturating_mul(components));
        let base = budget.admit(&tenant, bytes).await?;
        let shared = Shared {
            budget: budget.clone(),
            needs,
            tenant,
            stop: stop.clone(),
            has_component: components > 0,
            has_growth: AtomicBool::new(false),
            has_line: AtomicBool::new(false),
            claims: Mutex::new(vec![base]),
        };
        Some(Self { shared: Some(Arc::new(shared)), is_shadow: false })
    }

    /// The same memory, as a shadow may use it.
    #[must_use]
    pub fn for_shadow(&self) -> Self {
        Self { is_shadow: true, ..self.clone() }
    }

    /// Claims what a long line takes, once: the line may be the longest.
    ///
    /// # Errors
    /// It is not free, and was not in time.
    pub fn claim_line(&self) -> Result<(), NoMemory> {
        let Some(shared) = &self.shared else { return Ok(()) };
        if self.is_shadow {
            let bytes = shared.needs.largest_line();
            return if shared.has_line() { Ok(()) } else { shared.claim_for_shadow(bytes) };
        }
        shared.claim_line(PATIENCE)
    }

    /// The memory of an instance; `None`: there is no budget to ask.
    pub fn of(&self, owner: Owner) -> Option<InstanceMemory> {
        self.shared.as_ref().map(|_| InstanceMemory { memory: self.clone(), owner })
    }
}

impl Shared {
    fn has_line(&self) -> bool {
        self.has_line.load(Ordering::Relaxed)
    }

    fn claim_line(&self, patience: Duration) -> Result<(), NoMemory> {
        if self.has_line() {
            return Ok(());
        }
        // In this order: see `budget`. A line that is long makes a component grow as a rule.
        let mut bytes = self.needs.line;
        if self.has_component {
            self.claim_growth(self.needs.component, patience)?;
            bytes = self.needs.largest_line();
        }
        self.claim(Level::Line, bytes, patience)?;
        self.has_line.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn claim_growth(&self, bytes: u64, patience: Duration) -> Result<(), NoMemory> {
        if self.has_growth.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.claim(Level::Component, bytes, patience)?;
        self.has_growth.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// On the lowest level: what is kept for active components and lines stays theirs.
    fn claim_for_shadow(&self, bytes: u64) -> Result<(), NoMemory> {
        self.claim(Level::Delivery, bytes, Duration::ZERO)
    }

    fn claim(&self, level: Level, bytes: u64, patience: Duration) -> Result<(), NoMemory> {
        let claim = self.budget.claim(level, &self.tenant, bytes, patience, &self.stop).ok_or(NoMemory)?;
        lock(&self.claims).push(claim);
        Ok(())
    }
}

/// The memory that one instance of a component asks for before it grows beyond its base.
pub struct InstanceMemory {
    memory: DeliveryMemory,
    owner: Owner,
}

impl InstanceMemory {
    /// Bytes that it has without asking.
    pub fn base_bytes(&self) -> usize {
        match self.owner {
            Owner::Tenant => INSTANCE_BASE_BYTES,
            Owner::Default => DEFAULT_GUEST_BASE_BYTES,
        }
    }

    /// Claims so many bytes in all, if they are free.
    pub fn claim_now(&self, bytes: usize) -> bool {
        self.claim_within(bytes, Duration::ZERO)
    }

    /// Claims so many bytes in all; waits for them, but not for ever.
    pub fn claim(&self, bytes: usize) -> bool {
        self.claim_within(bytes, if self.memory.is_shadow { Duration::ZERO } else { PATIENCE })
    }

    fn claim_within(&self, bytes: usize, patience: Duration) -> bool {
        let Some(shared) = &self.memory.shared else { return true };
        let more = u64::try_from(bytes.saturating_sub(self.base_bytes())).unwrap_or(u64::MAX);
        let claimed = match self.owner {
            // Its instances are its own, beside the active ones.
            _ if self.memory.is_shadow => shared.claim_for_shadow(more.min(shared.needs.largest_line())),
            // The default guest grows with what it is given, and nothing else.
            Owner::Default => shared.claim_line(patience),
            Owner::Tenant => shared.claim_growth(more, patience),
        };
        claimed.is_ok()
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
