use serde_json::json;

use super::*;
use crate::notification::parse;

fn key(tenant: &str, name: &str) -> Key {
    Key { tenant: tenant.to_owned(), name: name.to_owned() }
}

fn mine(memory: &Memory, key: &Key, message: &str) -> (AtWork, Option<Resume>) {
    match memory.begin(key, message) {
        Begin::Mine(at_work, reached) => (at_work, reached.map(|reached| *reached)),
        Begin::Settled => panic!("settled"),
        Begin::AtWork(_) => panic!("at work"),
    }
}

fn is_settled(memory: &Memory, key: &Key, message: &str) -> bool {
    matches!(memory.begin(key, message), Begin::Settled)
}

#[test]
fn what_is_delivered_is_so_for_every_message() {
    let (memory, key) = (Memory::default(), key("a", "1"));
    let (at_work, reached) = mine(&memory, &key, "one");
    assert_eq!(reached, None);
    at_work.delivered();
    assert!(is_settled(&memory, &key, "one") && is_settled(&memory, &key, "two"));
}

#[test]
fn what_was_sent_back_is_the_next_messages_and_goes_on_from_there() {
    let (memory, key) = (Memory::default(), key("a", "1"));
    let (at_work, _) = mine(&memory, &key, "one");
    let so_far = Resume { offset: 7, ..Resume::default() };
    at_work.left(so_far.clone());
    memory.settled(&key, "one");
    assert!(is_settled(&memory, &key, "one"), "its deletion was lost");
    let (at_work, reached) = mine(&memory, &key, "sent back");
    assert_eq!(reached, Some(so_far));
    drop(at_work);
    // One that failed as a whole, and is redriven, is begun again.
    mine(&memory, &key, "redriven").0.left(Resume::default());
    drop(mine(&memory, &key, "redriven"));
}

#[tokio::test]
async fn one_at_a_time_and_the_others_hear_of_its_end_however_it_ends() {
    let (memory, key) = (Memory::default(), key("a", "1"));
    for end in 0..3 {
        let (at_work, _) = mine(&memory, &key, "one");
        let Begin::AtWork(ended) = memory.begin(&key, "two") else { panic!("two at once") };
        assert!(!ended.is_cancelled());
        match end {
            0 => drop(at_work),
            1 => at_work.left(Resume::default()),
            _ => at_work.delivered(),
        }
        ended.cancelled().await;
    }
    assert!(is_settled(&memory, &key, "two"));
    // Others are not held up.
    drop(mine(&memory, &Key { name: "2".to_owned(), ..key }, "two"));
}

#[test]
fn the_latest_are_known_and_nobody_pushes_others_out() {
    let memory = Memory::default();
    for n in 0..10 {
        memory.settled(&key("small", &format!("small {n}")), "m");
    }
    for n in 0..MOST * 2 {
        memory.settled(&key("large", &n.to_string()), "m");
    }
    let inner = memory.lock();
    let names: usize = inner.tenants.values().map(VecDeque::len).sum();
    assert_eq!((inner.known.len(), names), (MOST, MOST));
    drop(inner);
    assert!((0..10).all(|n| memory.is_settled(&key("small", &format!("small {n}")), "m")));
    assert!(memory.is_settled(&key("large", &(MOST * 2 - 1).to_string()), "m"));
    assert!(!memory.is_settled(&key("large", "0"), "m"));
}

#[test]
fn messages_of_a_delivery_are_bounded() {
    let (memory, key) = (Memory::default(), key("a", "1"));
    for n in 0..=MOST_MESSAGES {
        memory.settled(&key, &n.to_string());
        memory.settled(&key, &n.to_string());
    }
    assert!(!memory.is_settled(&key, "0") && memory.is_settled(&key, "1"));
    assert_eq!(memory.lock().known[key.name()].messages.len(), MOST_MESSAGES);
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
