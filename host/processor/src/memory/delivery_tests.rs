//! What a delivery claims, in which order, and once.

use super::*;

const NEEDS: Needs = Needs { delivery: 10, component_base: 5, component: 20, line: 30, component_line: 10 };

fn budget(bytes: u64) -> MemoryBudget {
    MemoryBudget::new(bytes, NEEDS.component, NEEDS.largest_line())
}

async fn admitted(budget: &MemoryBudget, components: u64) -> DeliveryMemory {
    DeliveryMemory::admit(budget, NEEDS, "acme", components, &Stop::default()).await.unwrap()
}

/// A delivery that waits for nothing.
async fn impatient(budget: &MemoryBudget, components: u64) -> DeliveryMemory {
    let stop = Stop::default();
    let memory = DeliveryMemory::admit(budget, NEEDS, "other", components, &stop).await.unwrap();
    stop.request();
    memory
}

#[tokio::test]
async fn the_base_has_a_part_for_each_component() {
    let budget = budget(1000);
    for (components, bytes) in [(0, 10), (1, 15), (2, 20)] {
        let memory = admitted(&budget, components).await;
        assert_eq!(budget.usage().claimed, bytes);
        let clone = memory.clone();
        drop(memory);
        assert_eq!(budget.usage().claimed, bytes, "as long as somebody has it");
        drop(clone);
        assert_eq!(budget.usage().claimed, 0);
    }
}

#[tokio::test]
async fn a_line_is_claimed_once() {
    let budget = budget(1000);
    let memory = admitted(&budget, 0).await;
    assert_eq!([memory.claim_line(), memory.claim_line()], [Ok(()), Ok(())]);
    assert_eq!(budget.usage().claimed, 40);
    assert!(memory.of(Owner::Default).unwrap().claim(1 << 40), "the default guest's growth is the line's");
    assert_eq!(budget.usage().claimed, 40);
}

#[tokio::test]
async fn with_a_component_a_line_claims_its_growth_too() {
    let budget = budget(1000);
    let memory = admitted(&budget, 1).await;
    assert_eq!(memory.claim_line(), Ok(()));
    assert_eq!(budget.usage().claimed, 15 + 20 + 40);
    assert!(memory.of(Owner::Tenant).unwrap().claim(INSTANCE_BASE_BYTES + 20), "it has that already");
    assert_eq!(budget.usage().claimed, 15 + 20 + 40);
}

#[tokio::test]
async fn growth_is_claimed_beyond_the_base_and_once_for_all_instances() {
    let budget = budget(1000);
    let memory = admitted(&budget, 1).await;
    for _ in 0..3 {
        let instance = memory.of(Owner::Tenant).unwrap();
        assert!(instance.claim_now(INSTANCE_BASE_BYTES + 7));
        assert_eq!(budget.usage().claimed, 15 + 7);
    }
}

#[tokio::test]
async fn what_is_not_free_in_time_is_refused_and_may_be_had_later() {
    let budget = budget(15 + 10 + 20 + 40);
    let holder = admitted(&budget, 1).await;
    holder.claim_line().unwrap();
    let memory = impatient(&budget, 0).await;
    assert_eq!(memory.claim_line(), Err(NoMemory));
    assert!(!memory.of(Owner::Default).unwrap().claim(1 << 40));
    drop(holder);
    assert_eq!(memory.claim_line(), Ok(()));
}

#[tokio::test]
async fn a_shadow_takes_what_is_free_and_nothing_of_what_is_kept_for_others() {
    let budget = budget(100 + 20 + 40);
    let memory = admitted(&budget, 2).await;
    let shadow = memory.for_shadow();
    assert!(shadow.of(Owner::Tenant).unwrap().claim(INSTANCE_BASE_BYTES + 7));
    assert_eq!(budget.usage().claimed, 20 + 7);
    // A minute of patience would be felt here.
    assert!(!shadow.of(Owner::Default).unwrap().claim(1 << 40), "27 + 40 is more than what would be left");
    assert_eq!(shadow.claim_line(), Err(NoMemory));
    assert_eq!(memory.claim_line(), Ok(()));
    assert_eq!(shadow.claim_line(), Ok(()), "the line is there");
    assert_eq!(budget.usage().claimed, 20 + 7 + 20 + 40);
}

#[test]
fn without_a_budget_nobody_is_asked() {
    let memory = DeliveryMemory::default();
    assert!(memory.of(Owner::Tenant).is_none());
    assert_eq!(memory.claim_line(), Ok(()));
}
