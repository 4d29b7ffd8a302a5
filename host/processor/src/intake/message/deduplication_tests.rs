use serde_json::json;

use super::*;
use crate::notification::parse;

fn key(tenant: &str, name: &str) -> DedupKey {
    DedupKey { tenant: tenant.to_owned(), name: name.to_owned() }
}

fn claimed(deduplicator: &Deduplicator, key: &DedupKey, message: &str) -> (InFlight, Option<Resume>) {
    match deduplicator.claim(key, message) {
        Claim::Claimed(in_flight, reached) => (in_flight, reached.map(|reached| *reached)),
        Claim::AlreadySettled => panic!("settled"),
        Claim::InFlightElsewhere(_) => panic!("at work"),
    }
}

fn is_settled(deduplicator: &Deduplicator, key: &DedupKey, message: &str) -> bool {
    matches!(deduplicator.claim(key, message), Claim::AlreadySettled)
}

#[test]
fn what_is_delivered_is_so_for_every_message() {
    let (deduplicator, key) = (Deduplicator::default(), key("a", "1"));
    let (in_flight, reached) = claimed(&deduplicator, &key, "one");
    assert_eq!(reached, None);
    in_flight.mark_delivered();
    assert!(is_settled(&deduplicator, &key, "one") && is_settled(&deduplicator, &key, "two"));
}

#[test]
fn what_was_sent_back_is_the_next_messages_and_goes_on_from_there() {
    let (deduplicator, key) = (Deduplicator::default(), key("a", "1"));
    let (in_flight, _) = claimed(&deduplicator, &key, "one");
    let so_far = Resume { offset: 7, ..Resume::default() };
    in_flight.record_checkpoint(so_far.clone());
    deduplicator.mark_settled(&key, "one");
    assert!(is_settled(&deduplicator, &key, "one"), "its deletion was lost");
    let (in_flight, reached) = claimed(&deduplicator, &key, "sent back");
    assert_eq!(reached, Some(so_far));
    drop(in_flight);
    // One that failed as a whole, and is redriven, is begun again.
    claimed(&deduplicator, &key, "redriven").0.record_checkpoint(Resume::default());
    drop(claimed(&deduplicator, &key, "redriven"));
}

#[tokio::test]
async fn one_at_a_time_and_the_others_hear_of_its_end_however_it_ends() {
    let (deduplicator, key) = (Deduplicator::default(), key("a", "1"));
    for end in 0..3 {
        let (in_flight, _) = claimed(&deduplicator, &key, "one");
        let Claim::InFlightElsewhere(ended) = deduplicator.claim(&key, "two") else { panic!("two at once") };
        assert!(!ended.is_cancelled());
        match end {
            0 => drop(in_flight),
            1 => in_flight.record_checkpoint(Resume::default()),
            _ => in_flight.mark_delivered(),
        }
        ended.cancelled().await;
    }
    assert!(is_settled(&deduplicator, &key, "two"));
    // Others are not held up.
    drop(claimed(&deduplicator, &DedupKey { name: "2".to_owned(), ..key }, "two"));
}

#[test]
fn the_latest_are_known_and_nobody_pushes_others_out() {
    let deduplicator = Deduplicator::default();
    for n in 0..10 {
        deduplicator.mark_settled(&key("small", &format!("small {n}")), "m");
    }
    for n in 0..MAX_DELIVERIES * 2 {
        deduplicator.mark_settled(&key("large", &n.to_string()), "m");
    }
    let state = deduplicator.lock();
    let names: usize = state.tenants.values().map(VecDeque::len).sum();
    assert_eq!((state.known.len(), names), (MAX_DELIVERIES, MAX_DELIVERIES));
    drop(state);
    assert!((0..10).all(|n| deduplicator.is_settled(&key("small", &format!("small {n}")), "m")));
    assert!(deduplicator.is_settled(&key("large", &(MAX_DELIVERIES * 2 - 1).to_string()), "m"));
    assert!(!deduplicator.is_settled(&key("large", "0"), "m"));
}

#[test]
fn messages_of_a_delivery_are_bounded() {
    let (deduplicator, key) = (Deduplicator::default(), key("a", "1"));
    for n in 0..=MAX_MESSAGES {
        deduplicator.mark_settled(&key, &n.to_string());
        deduplicator.mark_settled(&key, &n.to_string());
    }
    assert!(!deduplicator.is_settled(&key, "0") && deduplicator.is_settled(&key, "1"));
    assert_eq!(deduplicator.lock().known[key.name()].messages.len(), MAX_MESSAGES);
}

fn named(message: &str, details: serde_json::Value) -> String {
    let mut object = json!({ "key": "k" });
    object.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
    let record =
        json!({ "eventTime": "2026-11-26T21:00:00.000Z", "s3": { "bucket": { "name": "b" }, "object": object } });
    let body = json!({ "Records": [record] }).to_string();
    state(message, parse(&body).unwrap().records[0].as_ref().unwrap())
}

#[test]
fn a_state_of_an_object_has_one_name_in_whatever_message() {
    let put = json!({ "eTag": "e", "sequencer": "1" });
    assert_eq!(named("one", put.clone()), named("two", put.clone()));
    // The same bytes, written again; other bytes; versions.
    assert_ne!(named("one", put.clone()), named("one", json!({ "eTag": "e", "sequencer": "2" })));
    assert_ne!(named("one", put), named("one", json!({ "eTag": "f", "sequencer": "1" })));
    let version = json!({ "versionId": "v", "eTag": "e", "sequencer": "1" });
    assert_eq!(named("one", version), named("two", json!({ "versionId": "v" })));
    // Nothing tells its states apart: only the message does.
    let bare = json!({ "eTag": "e" });
    assert_eq!(named("one", bare.clone()), named("one", bare.clone()));
    assert_ne!(named("one", bare.clone()), named("two", bare));
}
