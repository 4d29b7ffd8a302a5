//! Whose an object is, and which deliveries it has.

use std::future::Future;
use std::sync::Arc;

use model::{Delivery, DestinationKind, Failure, FailureKind, ObjectId, Origin};

use crate::notification::Scope;
use crate::plugin::{KeyError, PlanError, Plans};
use crate::report::{Entry, Outcome, Unwanted};
use crate::tenant::{InvalidDelivery, Lookup, TenantRecord, intended_type};

/// The tenants and their deliveries.
pub trait Directory: Sync {
    /// The noun for it: `tenant table`.
    fn name(&self) -> &'static str;

    /// Looks a tenant up.
    ///
    /// # Errors
    /// The directory can't be asked.
    fn lookup(&self, tenant_id: &str) -> impl Future<Output = Result<Arc<TenantRecord>, Failure>> + Send;
}

/// An object that is to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct Routing<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// The clock of its guests, in milliseconds since the Unix epoch.
    pub now: i64,
    /// Its origin, where the key was read before.
    pub origin: Option<&'a Origin>,
    /// The deliveries that are meant.
    pub scope: &'a Scope,
}

/// Where an object goes.
#[derive(Debug)]
pub enum Route {
    /// Its key never can be read, in the words of whoever reads keys.
    KeyRejected {
        /// The words, for the dead letter.
        text: String,
        /// The log may have them too.
        for_the_log: bool,
    },
    /// Its key can't be read now.
    KeyFailed(PlanError),
    /// The directory can't be asked now.
    LookupFailed {
        /// From its key.
        origin: Arc<Origin>,
        /// Why.
        failure: Failure,
    },
    /// Nobody wants it.
    Unwanted {
        /// From its key.
        origin: Arc<Origin>,
        /// Why.
        why: Unwanted,
        /// Why, in words.
        text: String,
    },
    /// It has deliveries, or items that should be some.
    Deliveries {
        /// From its key.
        origin: Arc<Origin>,
        /// Items that can't be used.
        invalid: Vec<InvalidDelivery>,
        /// Deliveries, `cloudwatch` before `s3`.
        deliveries: Vec<Arc<Delivery>>,
    },
}

impl Routing<'_> {
    /// Reads the key, and looks the tenant up.
    pub async fn route(self, plans: &Plans, directory: &impl Directory) -> Route {
        let origin = match self.origin {
            Some(origin) => Ok(origin.clone()),
            None => plans.parse_key(self.object, self.now).await,
        };
        let origin = match origin {
            Ok(origin) => Arc::new(origin),
            Err(KeyError::Rejected { text, for_the_log }) => return Route::KeyRejected { text, for_the_log },
            Err(KeyError::Failed(error)) => return Route::KeyFailed(error),
        };
        match directory.lookup(&origin.tenant_id).await {
            Ok(found) => self.select(origin, &found, directory.name()),
            Err(failure) => Route::LookupFailed { origin, failure },
        }
    }

    /// The deliveries that are meant, of those that the tenant has.
    fn select(self, origin: Arc<Origin>, found: &TenantRecord, directory: &str) -> Route {
        let invalid: Vec<InvalidDelivery> =
            found.invalid.iter().filter(|invalid| self.scope.has_item(&invalid.kind)).cloned().collect();
        let deliveries: &[Arc<Delivery>] = match &found.lookup {
            Lookup::Deliveries(deliveries) => deliveries,
            Lookup::Unknown => {
                let text = format!("the {directory} has no item of this tenant");
                return unwanted(origin, found, Unwanted::UnknownTenant, text);
            }
            Lookup::NoneEnabled => &[],
        };
        let none_is_enabled = deliveries.is_empty();
        // What is about an item that is still there, and can't be used, waits for that one.
        let item_waits = !invalid.is_empty();
        let meant = deliveries.iter().filter(|delivery| is_meant(self.scope, delivery.id(), item_waits));
        let deliveries: Vec<Arc<Delivery>> = meant.cloned().collect();
        if invalid.is_empty() && deliveries.is_empty() {
            let text = match none_is_enabled {
                true => "no delivery of this tenant is enabled",
                false => "the delivery that this message is about is no longer enabled",
            };
            return unwanted(origin, found, Unwanted::NoneEnabled, text.to_owned());
        }
        Route::Deliveries { origin, invalid, deliveries }
    }
}

/// Nobody wants the object; where items have expired, that is why.
fn unwanted(origin: Arc<Origin>, found: &TenantRecord, why: Unwanted, text: String) -> Route {
    match found.expired {
        0 => Route::Unwanted { origin, why, text },
        _ => {
            let text = "what the tenant table has of it has expired (ttl)".to_owned();
            Route::Unwanted { origin, why: Unwanted::Expired, text }
        }
    }
}

/// Whether this delivery is meant. An item that could not be used is meant to become a
/// delivery: once the item is gone, that delivery is.
fn is_meant(scope: &Scope, id: DestinationKind, item_waits: bool) -> bool {
    match scope {
        Scope::All => true,
        Scope::Delivery(known) => *known == id,
        Scope::Item(kind) => !item_waits && intended_type(kind) == Some(id),
    }
}

/// The entry of a delivery whose item can't be used.
pub fn invalid_entry(object: &ObjectId, origin: &Origin, invalid: &InvalidDelivery) -> Entry {
    let entry = Entry::new(object, Some(&origin.tenant_id), invalid.delivery(), Outcome::Failed);
    entry.with_reason(FailureKind::InvalidDelivery, invalid.problem.as_str())
}
