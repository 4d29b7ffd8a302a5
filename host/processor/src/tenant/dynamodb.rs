//! The directory of tenants as the DynamoDB table, cached.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use super::{Found, PluginRules};
use crate::aws::{AwsError, Item, Table};
use crate::telemetry::{Health, Metrics, Part};

/// So many tenants are remembered, those that are asked for most.
const MOST_TENANTS: u64 = 10_000;

/// A tenant that the table doesn't know is remembered no longer than this, so that
/// a new one waits no longer for its first logs.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(10);

/// Between two questions to a table that can't be asked: messages may be long in coming.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The table's partition key.
const KEY: &str = "tenant_id";

/// The table, cached. `Clone` is cheap.
#[derive(Clone)]
pub struct TableDirectory {
    directory: Cached<Table>,
    metrics: Metrics,
    health: Health,
    /// Whose lookup failed last.
    failed: Arc<Mutex<Option<String>>>,
}

impl TableDirectory {
    /// Caches what is found for `cache`, and that there is nothing for at most 10 s
    /// of it. Zero: nothing is cached, but one query answers all who ask meanwhile.
    pub fn new(table: Table, cache: Duration, rules: PluginRules, metrics: Metrics, health: Health) -> Self {
        Self { directory: Cached::new(table, Lifetimes::new(cache), rules), metrics, health, failed: Arc::default() }
    }

    /// What the table says about a tenant; one query a tenant at a time.
    ///
    /// # Errors
    /// The table can't be asked. This is not cached.
    pub async fn lookup(&self, tenant_id: &str) -> Result<Arc<Found>, AwsError> {
        let (found, answer) = self.directory.lookup(tenant_id).await;
        self.metrics.tenant_lookup(answer);
        self.judge(tenant_id, &found, answer);
        found
    }

    /// What an answer says about the table: one from memory says nothing.
    fn judge(&self, tenant_id: &str, found: &Result<Arc<Found>, AwsError>, answer: &str) {
        match found {
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenant_id.to_owned());
                self.health.fails(Part::TenantTable, error);
            }
            Ok(_) if answer != "hit" => self.health.works(Part::TenantTable),
            Ok(_) => {}
        }
    }

    /// For ever: asks a table again that couldn't be asked, until it can, so that health
    /// comes back where no message does.
    pub async fn keep_asking(self) {
        loop {
            tokio::time::sleep(ASK_AGAIN).await;
            self.ask_again().await;
        }
    }

    async fn ask_again(&self) {
        let tenant = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(tenant) = tenant.filter(|_| self.health.is_down(Part::TenantTable)) {
            // What is wrong is told by `fails`, once.
            let _ = self.lookup(&tenant).await;
        }
    }
}

/// Where items come from: the table, or a test's.
trait Source: Clone + Send + Sync + 'static {
    fn items(&self, tenant_id: &str) -> impl Future<Output = Result<Vec<Item>, AwsError>> + Send;
}

impl Source for Table {
    fn items(&self, tenant_id: &str) -> impl Future<Output = Result<Vec<Item>, AwsError>> + Send {
        self.query(KEY, tenant_id)
    }
}

#[derive(Clone)]
struct Cached<S> {
    source: S,
    rules: Arc<PluginRules>,
    cache: Cache<String, Arc<Found>>,
}

impl<S: Source> Cached<S> {
    fn new(source: S, lifetimes: Lifetimes, rules: PluginRules) -> Self {
        let most = if lifetimes.found.is_zero() { 0 } else { MOST_TENANTS };
        let cache = Cache::builder().max_capacity(most).expire_after(lifetimes).build();
        Self { source, rules: Arc::new(rules), cache }
    }

    /// Also where the answer came from, in the words of the metric: `hit` is one that
    /// was known or already being asked for; `unknown` a query that found nothing.
    async fn lookup(&self, tenant_id: &str) -> (Result<Arc<Found>, AwsError>, &'static str) {
        let ask = async {
            let items = self.source.items(tenant_id).await?;
            let found = Found::read(tenant_id, &items, &self.rules);
            for warning in &found.warnings {
                tracing::warn!(tenant = tenant_id, "{warning}");
            }
            Ok::<_, AwsError>(Arc::new(found))
        };
        match self.cache.entry_by_ref(tenant_id).or_try_insert_with(ask).await {
            Err(error) => (Err(Arc::unwrap_or_clone(error)), "failed"),
            Ok(entry) => {
                let answer = match (entry.is_fresh(), entry.value().is_nothing()) {
                    (false, _) => "hit",
                    (true, true) => "unknown",
                    (true, false) => "miss",
                };
                (Ok(entry.into_value()), answer)
            }
        }
    }
}

/// How long an answer is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetimes {
    found: Duration,
    nothing: Duration,
}

impl Lifetimes {
    fn new(cache: Duration) -> Self {
        Self { found: cache, nothing: cache.min(LONGEST_UNKNOWN) }
    }
}

impl Expiry<String, Arc<Found>> for Lifetimes {
    fn expire_after_create(&self, _: &String, found: &Arc<Found>, _: Instant) -> Option<Duration> {
        Some(if found.is_nothing() { self.nothing } else { self.found })
    }
}

#[cfg(test)]
#[path = "dynamodb_tests.rs"]
mod tests;
