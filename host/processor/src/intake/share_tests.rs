use super::*;

fn shares(count: usize, bytes: usize) -> Shares {
    Shares::new(Amount { count, bytes }, 2)
}

/// As many of a tenant's things as it may hold.
fn fill(shares: &Shares, tenant: &str, bytes: usize) -> Vec<Held> {
    let mut all = Vec::new();
    loop {
        let mut held = shares.hold(bytes);
        if held.belongs_to(tenant) != Admission::Within {
            return all;
        }
        all.push(held);
    }
}

#[test]
fn one_tenant_holds_a_ninth_and_twenty_leave_a_tenth() {
    let shares = shares(9000, usize::MAX);
    let first = fill(&shares, "a", 1);
    assert!((990..=1000).contains(&first.len()), "{}", first.len());
    let others: Vec<_> = (0..19).map(|n| fill(&shares, &n.to_string(), 1)).collect();
    assert!(others.iter().all(|held| held.len() > 100), "each has its own");
    assert!(shares.has_room(800), "and there is room for more");
    assert_eq!(shares.hold(1).belongs_to("late"), Admission::Within);
}

#[test]
fn bytes_are_bounded_as_counts_are_and_one_is_always_taken() {
    let shares = shares(9000, 9000);
    let held = fill(&shares, "a", 100);
    assert!((9..=10).contains(&held.len()), "{}", held.len());
    assert!(!shares.admits("a", 100) && shares.admits("b", 8000));
    let mut large = shares.hold(8000);
    assert_eq!(large.belongs_to("b"), Admission::Within, "however large its first is");
    assert_eq!(shares.hold(1).belongs_to("a"), Admission::Beyond(1));
    assert!(shares.has_room(1));
    drop(large);
    drop(held);
    assert_eq!(shares.lock().held, Amount::default());
    assert!(shares.lock().tenants.is_empty(), "who holds nothing is not remembered");
}

#[test]
fn refusals_are_counted_until_the_tenant_holds_nothing() {
    let shares = shares(16, usize::MAX);
    let first = fill(&shares, "a", 1);
    assert_eq!(shares.hold(1).belongs_to("a"), Admission::Beyond(1));
    assert_eq!(shares.hold(1).belongs_to("a"), Admission::Beyond(2));
    let mut forced = shares.hold(1);
    assert_eq!(forced.belongs_to("a"), Admission::Beyond(3));
    forced.regardless("a");
    drop(first);
    assert_eq!(shares.lock().tenants["a"].held.count, 1);
    drop(forced);
    let again = fill(&shares, "a", 1);
    assert_eq!(shares.hold(1).belongs_to("a"), Admission::Beyond(1), "{} are held again", again.len());
}

#[tokio::test]
async fn few_of_a_tenant_have_their_turn_at_once_and_none_after_the_end() {
    let shares = shares(1000, usize::MAX);
    let held = fill(&shares, "a", 1);
    let (first, second) = (held[0].turn().await.unwrap(), held[1].turn().await.unwrap());
    let mut third = Box::pin(held[2].turn());
    assert!(futures_util::poll!(&mut third).is_pending());
    let mut other = shares.hold(1);
    assert_eq!(other.belongs_to("b"), Admission::Within);
    assert!(other.turn().await.is_some(), "another tenant's turns are its own");
    drop(first);
    let third = third.await.unwrap();
    let mut fourth = Box::pin(held[3].turn());
    assert!(futures_util::poll!(&mut fourth).is_pending());
    shares.close();
    assert!(fourth.await.is_none());
    drop((second, third));
    assert!(held[4].turn().await.is_none());
    let mut late = shares.hold(1);
    assert_eq!(late.belongs_to("late"), Admission::Within);
    assert!(late.turn().await.is_none(), "also for who comes after the end");
}
