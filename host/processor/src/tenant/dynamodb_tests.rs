use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::Lookup;
use super::*;
use crate::aws::Operation;
use crate::aws::{Attribute, AwsErrorKind};
use model::Limits;

/// A table whose queries are counted, and take as many turns as are asked for.
#[derive(Clone, Default)]
struct Fake {
    items: Vec<Item>,
    queries: Arc<AtomicUsize>,
    /// So many of the first queries fail.
    failing: usize,
}

impl ItemSource for Fake {
    async fn items(&self, tenant_id: &str) -> Result<Vec<Item>, AwsError> {
        let before = self.queries.fetch_add(1, Ordering::SeqCst);
        // So that those who ask at the same time do so before there is an answer.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if before < self.failing {
            return Err(AwsError::new(
                Operation::Query,
                format!("table of {tenant_id}"),
                AwsErrorKind::Unavailable,
                "down",
            ));
        }
        Ok(self.items.clone())
    }
}

fn rules() -> PluginRules {
    PluginRules { limits: Limits::DEFAULT, folder: None }
}

fn cached(fake: Fake, lifetimes: CacheTtl) -> CachedDirectory<Fake> {
    CachedDirectory::new(fake, lifetimes, rules())
}

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(50);

fn enabled(kind: &str) -> Item {
    let text = |text: &str| Attribute::Text(text.to_owned());
    Item::from([
        ("tenant_id".to_owned(), text("shop")),
        ("type".to_owned(), text(kind)),
        ("enabled".to_owned(), Attribute::Bool(true)),
        ("bucket_name".to_owned(), text("shop-logs")),
    ])
}

fn known() -> Fake {
    Fake { items: vec![enabled("s3")], ..Fake::default() }
}

fn queries(fake: &Fake) -> usize {
    fake.queries.load(Ordering::SeqCst)
}

/// Looks `shop` up, waits until an answer that lives for a moment is gone, and looks
/// it up again.
async fn twice(fake: &Fake, lifetimes: CacheTtl) -> [&'static str; 2] {
    let directory = cached(fake.clone(), lifetimes);
    let first = directory.lookup("shop").await.1.name();
    tokio::time::sleep(MOMENT * 3).await;
    [first, directory.lookup("shop").await.1.name()]
}

#[tokio::test]
async fn what_is_found_is_asked_for_once_for_each_tenant() {
    let fake = known();
    let directory = cached(fake.clone(), CacheTtl::new(HOUR));
    let (first, answer) = directory.lookup("shop").await;
    assert!(matches!(first.unwrap().lookup, Lookup::Deliveries(_)));
    assert_eq!(answer.name(), "miss");
    assert_eq!(directory.clone().lookup("shop").await.1.name(), "hit");
    assert_eq!(queries(&fake), 1);
    let (other, _) = directory.lookup("bank").await;
    assert_eq!(other.unwrap().invalid.len(), 1, "an item of shop must not serve bank");
    assert_eq!(queries(&fake), 2);
}

#[tokio::test]
async fn one_query_answers_all_who_ask_meanwhile() {
    for cache in [HOUR, Duration::ZERO] {
        let fake = known();
        let directory = cached(fake.clone(), CacheTtl::new(cache));
        let (a, b, c) = tokio::join!(directory.lookup("shop"), directory.lookup("shop"), directory.lookup("bank"));
        assert_eq!((a.1.name(), b.1.name(), c.1.name()), ("miss", "hit", "miss"));
        assert!(Arc::ptr_eq(&a.0.unwrap(), &b.0.unwrap()));
        assert_eq!(queries(&fake), 2, "one a tenant");
    }
}

#[tokio::test]
async fn one_who_gives_up_does_not_leave_the_others_without_an_answer() {
    let fake = known();
    let directory = cached(fake.clone(), CacheTtl::new(HOUR));
    let first = tokio::spawn({
        let directory = directory.clone();
        async move { directory.lookup("shop").await.1.name() }
    });
    while queries(&fake) == 0 {
        tokio::task::yield_now().await;
    }
    let (second, ()) = tokio::join!(directory.lookup("shop"), async { first.abort() });
    assert_eq!(second.1.name(), "miss");
    assert_eq!(queries(&fake), 2);
}

#[tokio::test]
async fn without_a_cache_every_lookup_asks() {
    let fake = known();
    let directory = cached(fake.clone(), CacheTtl::new(Duration::ZERO));
    assert_eq!(directory.lookup("shop").await.1.name(), "miss");
    assert_eq!(directory.lookup("shop").await.1.name(), "miss");
    assert_eq!(queries(&fake), 2);
}

#[tokio::test]
async fn what_is_found_and_what_is_not_expire_each_in_their_time() {
    let only_nothing_expires = CacheTtl { found: HOUR, nothing: MOMENT };
    let only_found_expires = CacheTtl { found: MOMENT, nothing: HOUR };
    let unknown = Fake::default();
    let invalid = Fake { items: vec![enabled("kafka")], ..Fake::default() };
    assert_eq!(twice(&known(), only_nothing_expires).await, ["miss", "hit"]);
    assert_eq!(twice(&known(), only_found_expires).await, ["miss", "miss"]);
    assert_eq!(twice(&unknown, only_nothing_expires).await, ["unknown", "unknown"]);
    assert_eq!(twice(&unknown, only_found_expires).await, ["unknown", "hit"]);
    assert_eq!(twice(&invalid, only_found_expires).await, ["miss", "miss"]);
}

#[tokio::test]
async fn an_answer_that_expired_is_remembered_again() {
    let fake = Fake::default();
    let directory = cached(fake.clone(), CacheTtl { found: HOUR, nothing: MOMENT });
    directory.lookup("shop").await.0.unwrap();
    tokio::time::sleep(MOMENT * 3).await;
    let directory = CachedDirectory { source: known(), ..directory };
    assert_eq!(directory.lookup("shop").await.1.name(), "miss");
    tokio::time::sleep(MOMENT * 3).await;
    assert_eq!(directory.lookup("shop").await.1.name(), "hit");
}

#[test]
fn what_is_not_found_is_remembered_for_ten_seconds_at_most() {
    let seconds = Duration::from_secs;
    assert_eq!(CacheTtl::new(seconds(60)), CacheTtl { found: seconds(60), nothing: seconds(10) });
    assert_eq!(CacheTtl::new(seconds(5)), CacheTtl { found: seconds(5), nothing: seconds(5) });
}

#[tokio::test]
async fn errors_are_told_to_all_who_ask_and_not_remembered() {
    let fake = Fake { failing: 1, ..known() };
    let directory = cached(fake.clone(), CacheTtl::new(HOUR));
    let (a, b) = tokio::join!(directory.lookup("shop"), directory.lookup("shop"));
    for (found, answer) in [a, b] {
        assert_eq!(found.unwrap_err().kind, AwsErrorKind::Unavailable);
        assert_eq!(answer.name(), "failed");
    }
    assert_eq!(queries(&fake), 1);
    assert_eq!(directory.lookup("shop").await.1.name(), "miss");
    assert_eq!(queries(&fake), 2);
}

#[tokio::test]
async fn no_more_tenants_are_remembered_than_there_is_room_for() {
    let fake = Fake::default();
    let directory = cached(fake, CacheTtl::new(HOUR));
    let found = Arc::new(TenantRecord::read("shop", &[], &rules()));
    for n in 0..MAX_TENANTS + 500 {
        directory.cache.insert(format!("tenant-{n}"), Arc::clone(&found)).await;
    }
    directory.cache.run_pending_tasks().await;
    assert!(directory.cache.entry_count() <= MAX_TENANTS);
}

/// No message may come that asks the table again: who said that it is down asks itself.
#[tokio::test]
async fn a_table_that_could_not_be_asked_is_asked_again_until_it_can() {
    let fake = fake_aws::FakeAws::start().await;
    let own = fake.own().clone();
    fake.add_table("tenants", "tenant_id", Some("type"));
    let aws = crate::aws::Aws::at(&fake.endpoint(), &own.access_key_id, &own.secret_access_key).await;
    let health = Health::default();
    let directory = TableDirectory::new(aws.table("tenants"), HOUR, rules(), Metrics::new(), health.clone());
    let is_down = || health.is_down(Dependency::TenantTable);
    directory.lookup("known").await.unwrap();
    directory.retry().await;
    let queries = || fake.count(fake_aws::Service::DynamoDb, "Query");
    assert_eq!((is_down(), queries()), (false, 1), "nobody asks a table that answers");
    let fails = || fake.fault(fake_aws::Rule::new(fake_aws::Effect::Throttle).operation("Query"));
    fails();
    assert!(directory.lookup("shop").await.is_err() && is_down());
    // What is remembered says nothing about the table.
    directory.lookup("known").await.unwrap();
    assert!(is_down());
    directory.retry().await;
    assert!(is_down(), "still");
    fake.clear_faults();
    directory.retry().await;
    assert!(!is_down());
    let before = queries();
    directory.retry().await;
    assert_eq!(queries(), before);
    // Traffic brings it back too.
    fails();
    assert!(directory.lookup("more").await.is_err() && is_down());
    fake.clear_faults();
    directory.lookup("more").await.unwrap();
    assert!(!is_down());
}
