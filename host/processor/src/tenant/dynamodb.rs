//! The directory of tenants as the DynamoDB table, cached.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use super::{PluginRules, TenantRecord};
use crate::aws::{AwsError, Item, Table};
use crate::telemetry::{Dependency, Health, Metrics};
use model::lock;

/// The most tenants in the cache, which keeps those that are asked for most.
const MAX_TENANTS: u64 = 10_000;

/// The longest that the cache believes that a tenant is unknown, so that a new tenant's first
/// logs don't wait longer.
const MAX_UNKNOWN_TTL: Duration = Duration::from_secs(10);

/// The interval at which a table that failed is asked again: messages may be long in coming.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// The table's partition key.
const PARTITION_KEY: &str = "tenant_id";

/// The table as a directory, cached. `Clone` is cheap.
#[derive(Clone)]
pub struct TableDirectory {
    directory: CachedDirectory<Table>,
    metrics: Metrics,
    health: Health,
    /// The tenant whose lookup failed last.
    last_failed: Arc<Mutex<Option<String>>>,
}

impl TableDirectory {
    /// A directory that caches tenants for `cache`, and unknown tenants for at most 10 s of
    /// it. With zero nothing is cached, but one query answers all concurrent lookups.
    pub fn new(table: Table, cache: Duration, rules: PluginRules, metrics: Metrics, health: Health) -> Self {
        Self {
            directory: CachedDirectory::new(table, CacheTtl::new(cache), rules),
            metrics,
            health,
            last_failed: Arc::default(),
        }
    }

    /// Looks up a tenant; one query per tenant at a time.
    ///
    /// # Errors
    /// The table can't be asked. The error isn't cached.
    pub async fn lookup(&self, tenant_id: &str) -> Result<Arc<TenantRecord>, AwsError> {
        let (found, answer) = self.directory.lookup(tenant_id).await;
        self.metrics.count_tenant_lookup(answer.name());
        self.update_health(tenant_id, &found, answer);
        found
    }

    /// Records in health what an answer says about the table. A cached answer says nothing.
    fn update_health(&self, tenant_id: &str, found: &Result<Arc<TenantRecord>, AwsError>, answer: LookupAnswer) {
        match found {
            Err(error) => {
                *lock(&self.last_failed) = Some(tenant_id.to_owned());
                self.health.mark_down(Dependency::TenantTable, error);
            }
            Ok(_) if answer != LookupAnswer::Hit => self.health.mark_up(Dependency::TenantTable),
            Ok(_) => {}
        }
    }

    /// Asks a table that failed again until it answers, for ever, so that health recovers even
    /// if no message comes.
    pub async fn keep_retrying(self) {
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            self.retry().await;
        }
    }

    async fn retry(&self) {
        let tenant = lock(&self.last_failed).clone();
        if let Some(tenant) = tenant.filter(|_| self.health.is_down(Dependency::TenantTable)) {
            // `mark_down` logs what is wrong, once.
            let _ = self.lookup(&tenant).await;
        }
    }
}

/// A source of items: the table, or a test's.
trait ItemSource: Clone + Send + Sync + 'static {
    fn items(&self, tenant_id: &str) -> impl Future<Output = Result<Vec<Item>, AwsError>> + Send;
}

impl ItemSource for Table {
    fn items(&self, tenant_id: &str) -> impl Future<Output = Result<Vec<Item>, AwsError>> + Send {
        self.query(PARTITION_KEY, tenant_id)
    }
}

#[derive(Clone)]
struct CachedDirectory<S> {
    source: S,
    rules: Arc<PluginRules>,
    cache: Cache<String, Arc<TenantRecord>>,
}

/// The source of an answer about a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookupAnswer {
    /// The answer was cached, or already being asked for.
    Hit,
    /// A query found items.
    Miss,
    /// A query found nothing.
    Unknown,
    /// The table can't be asked.
    Failed,
}

impl LookupAnswer {
    /// The name in the metric.
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

impl<S: ItemSource> CachedDirectory<S> {
    fn new(source: S, lifetimes: CacheTtl, rules: PluginRules) -> Self {
        let most = if lifetimes.found.is_zero() { 0 } else { MAX_TENANTS };
        let cache = Cache::builder().max_capacity(most).expire_after(lifetimes).build();
        Self { source, rules: Arc::new(rules), cache }
    }

    /// Looks up a tenant; returns also where the answer came from.
    async fn lookup(&self, tenant_id: &str) -> (Result<Arc<TenantRecord>, AwsError>, LookupAnswer) {
        let ask = async {
            let items = self.source.items(tenant_id).await?;
            let found = TenantRecord::read(tenant_id, &items, &self.rules);
            for warning in &found.warnings {
                tracing::warn!(tenant = tenant_id, "{warning}");
            }
            Ok::<_, AwsError>(Arc::new(found))
        };
        match self.cache.entry_by_ref(tenant_id).or_try_insert_with(ask).await {
            Err(error) => (Err(Arc::unwrap_or_clone(error)), LookupAnswer::Failed),
            Ok(entry) => {
                let answer = match (entry.is_fresh(), entry.value().is_unknown()) {
                    (false, _) => LookupAnswer::Hit,
                    (true, true) => LookupAnswer::Unknown,
                    (true, false) => LookupAnswer::Miss,
                };
                (Ok(entry.into_value()), answer)
            }
        }
    }
}

/// How long answers are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CacheTtl {
    found: Duration,
    nothing: Duration,
}

impl CacheTtl {
    fn new(cache: Duration) -> Self {
        Self { found: cache, nothing: cache.min(MAX_UNKNOWN_TTL) }
    }
}

impl Expiry<String, Arc<TenantRecord>> for CacheTtl {
    fn expire_after_create(&self, _: &String, found: &Arc<TenantRecord>, _: Instant) -> Option<Duration> {
        Some(if found.is_unknown() { self.nothing } else { self.found })
    }
}

#[cfg(test)]
#[path = "dynamodb_tests.rs"]
mod tests;
