use model::{Delivery, DestinationKind, Failure, FailureKind, ObjectId, Origin};

use super::in_memory::{Call, InMemory, Injected};
use super::testing::{NOW, block_on, delivery, failure, object, plans, to_bucket, to_log_group};
use super::{Route, Routing, invalid_entry};
use crate::notification::Scope;
use crate::report::{Outcome, Unwanted};
use crate::tenant::InvalidDelivery;

const KEY: &str = "c/payment/api/api-1/f.json";

fn route_of(memory: &InMemory, key: &str, origin: Option<&Origin>, scope: &Scope) -> Route {
    let object = object(key);
    let routing = Routing { object: &object, now: NOW, origin, scope };
    block_on(routing.route(&plans(None), memory))
}

fn route(memory: &InMemory, scope: &Scope) -> Route {
    route_of(memory, KEY, None, scope)
}

fn both() -> [Delivery; 2] {
    [delivery(to_log_group()), delivery(to_bucket())]
}

fn invalid(kind: &str) -> InvalidDelivery {
    InvalidDelivery { kind: kind.to_owned(), problem: "field bucket_name is missing".to_owned() }
}

fn directory(deliveries: &[Delivery], invalid: &[InvalidDelivery], expired: usize) -> InMemory {
    let memory = InMemory::default();
    memory.tenant("payment", deliveries, invalid, expired);
    memory
}

/// The deliveries, and the kinds of the items that can't be used.
#[track_caller]
fn deliveries(route: Route) -> (Vec<DestinationKind>, Vec<String>) {
    let Route::Deliveries { origin, invalid, deliveries } = route else { panic!("{route:?}") };
    assert_eq!(origin.tenant_id, "payment");
    (deliveries.iter().map(|delivery| delivery.id()).collect(), invalid.into_iter().map(|item| item.kind).collect())
}

#[track_caller]
fn unwanted(route: Route) -> (Unwanted, String) {
    let Route::Unwanted { origin, why, text } = route else { panic!("{route:?}") };
    assert_eq!(origin.tenant_id, "payment");
    (why, text)
}

#[test]
fn an_object_goes_to_all_deliveries_of_its_tenant() {
    let memory = directory(&both(), &[invalid("kinesis")], 0);
    assert_eq!(deliveries(route(&memory, &Scope::All)), (DestinationKind::ALL.to_vec(), vec!["kinesis".to_owned()]));
}

#[test]
fn a_key_that_never_can_be_read_is_rejected_before_anyone_is_asked() {
    let memory = directory(&both(), &[], 0);
    let Route::KeyRejected { text, for_the_log } = route_of(&memory, "too/short", None, &Scope::All) else { panic!() };
    assert!(for_the_log && !text.is_empty());
    assert_eq!(memory.calls(), []);
}

#[test]
fn an_origin_that_is_known_is_not_read_again() {
    let memory = directory(&both(), &[], 0);
    let origin = Origin { tenant_id: "payment".to_owned(), ..crate::testing::origin() };
    assert_eq!(deliveries(route_of(&memory, "too/short", Some(&origin), &Scope::All)).0, DestinationKind::ALL);
}

#[test]
fn a_directory_that_cannot_be_asked_fails_the_object() {
    let memory = directory(&both(), &[], 0);
    memory.inject(Call::Lookup, 0, Injected::Fails(failure(FailureKind::TenantTable)));
    let Route::LookupFailed { origin, failure } = route(&memory, &Scope::All) else { panic!() };
    let Failure { kind, .. } = failure;
    assert_eq!((origin.tenant_id.as_str(), kind), ("payment", FailureKind::TenantTable));
    assert_eq!(deliveries(route(&memory, &Scope::All)).0.len(), 2);
}

#[test]
fn what_nobody_wants_says_why() {
    let item = [invalid("s3")];
    for (memory, scope, why, text) in [
        (InMemory::default(), Scope::All, Unwanted::UnknownTenant, "the directory has no item of this tenant"),
        (directory(&[], &[], 0), Scope::All, Unwanted::NoneEnabled, "no delivery of this tenant is enabled"),
        (directory(&[], &[], 2), Scope::All, Unwanted::Expired, "what the tenant table has of it has expired (ttl)"),
        (
            directory(&[], &item, 0),
            Scope::of_item("cloudwatch"),
            Unwanted::NoneEnabled,
            "no delivery of this tenant is enabled",
        ),
        (
            directory(&[delivery(to_bucket())], &[], 0),
            Scope::of_item("cloudwatch"),
            Unwanted::NoneEnabled,
            "the delivery that this message is about is no longer enabled",
        ),
    ] {
        assert_eq!(unwanted(route(&memory, &scope)), (why, text.to_owned()));
    }
}

#[test]
fn a_message_is_about_no_more_than_it_says() {
    let about = |scope: &Scope, waits: bool| {
        let item = Some(invalid(scope.name().unwrap_or("kinesis"))).filter(|_| waits);
        match route(&directory(&both(), item.as_slice(), 0), scope) {
            Route::Deliveries { deliveries, .. } => {
                DestinationKind::ALL.map(|id| deliveries.iter().any(|delivery| delivery.id() == id))
            }
            Route::Unwanted { .. } => [false, false],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(about(&Scope::All, true), [true, true]);
    assert_eq!(about(&Scope::of_item("s3"), true), [false, true]);
    for (kind, meant) in [("S3", [false, true]), ("cloudwach", [true, false]), ("kinesis", [false, false])] {
        assert_eq!(about(&Scope::of_item(kind), false), meant, "{kind}: the item is mended");
        assert_eq!(about(&Scope::of_item(kind), true), [false, false], "{kind}: the item is still there");
    }
}

#[test]
fn an_item_that_cannot_be_used_is_a_delivery_that_failed() {
    let origin = match route(&directory(&both(), &[], 0), &Scope::All) {
        Route::Deliveries { origin, .. } => origin,
        other => panic!("{other:?}"),
    };
    let id: ObjectId = object(KEY);
    let entry = invalid_entry(&id, &origin, &invalid("s3"));
    assert_eq!((entry.outcome, entry.failure()), (Outcome::Failed, Some(FailureKind::InvalidDelivery)));
    assert_eq!((entry.delivery, entry.tenant.as_deref()), (Some(DestinationKind::S3), Some("payment")));
    assert_eq!(invalid_entry(&id, &origin, &invalid("kinesis")).delivery, None, "no such label");
}
