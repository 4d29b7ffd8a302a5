//! Memory that an instance asks for before it grows.

use std::sync::Mutex;

use super::*;
use crate::GuestError;
use crate::testing::{Parts, answer, filter, load, wants};

const PAGE: usize = 64 * 1024;
/// The base of every instance here.
const BASE: usize = 4 * PAGE;
/// What is asked for, once: the limit of the instance, and all tables.
const MAX_BYTES: usize = 16 * PAGE + TABLES_BYTES;

/// Grants, or doesn't; what it was asked, and how many of it there are.
struct Granter {
    grants: bool,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl MemoryGrant for Granter {
    fn base_bytes(&self) -> usize {
        BASE
    }

    fn grow_to(&self, bytes: usize) -> bool {
        self.asked.lock().unwrap().push(bytes);
        self.grants
    }
}

/// What this component answers, and what was asked for it.
fn asked_by(component: &[u8], grants: bool) -> (Result<bool, GuestError>, Vec<usize>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let granter = Granter { grants, asked: Arc::clone(&asked) };
    let around = Surroundings { memory: Some(Arc::new(granter)), ..Surroundings::none() };
    let limits = Limits { memory_bytes: 16 * PAGE, ..Limits::default() };
    let answer = answer(&load(component, limits).unwrap(), &around);
    drop(around);
    assert_eq!(Arc::strong_count(&asked), 1, "the grant goes with its instance");
    let asked = asked.lock().unwrap().clone();
    (answer, asked)
}

/// The same of a component that grows to so many pages, and then does this.
fn asks(grants: bool, pages: usize, body: &str, more: &str) -> (Result<bool, GuestError>, Vec<usize>) {
    // `filter` has two pages.
    asked_by(&filter(&format!("(drop (memory.grow (i32.const {}))) {body}", pages - 2), more), grants)
}

#[test]
fn nobody_is_asked_for_the_base() {
    assert_eq!(asks(false, 4, "", ""), (Ok(true), vec![]));
}

#[test]
fn beyond_the_base_it_asks_once_for_all_that_it_may_have() {
    let more = "(drop (memory.grow (i32.const 3))) (drop (memory.grow (i32.const 3)))";
    assert_eq!(asks(true, 5, more, ""), (Ok(true), vec![MAX_BYTES]));
}

#[test]
fn what_is_refused_is_the_hosts_trouble_and_no_fault_of_the_guest() {
    let (answer, asked) = asks(false, 5, "unreachable", "");
    let error = answer.unwrap_err();
    assert!(matches!(&error, GuestError::Host { what } if what.contains("MEMORY_BUDGET")), "{error}");
    assert!(!error.is_guests_fault());
    assert_eq!(asked, [MAX_BYTES]);
}

#[test]
fn what_no_grant_could_allow_is_not_asked_for() {
    // The limit is the component's own: it gets -1, and goes on.
    assert_eq!(asks(false, 17, "", ""), (Ok(true), vec![]));
    let (answer, asked) = asks(false, 17, "unreachable", "");
    assert_eq!((answer.unwrap_err().name(), asked), ("guest-memory", vec![]));
}

#[test]
fn tables_count() {
    let table = |more: usize| format!("(drop (table.grow $t (ref.null func) (i32.const {more})))");
    let pages = BASE / PAGE;
    let (answer, asked) = asks(false, pages, &table(1), "(table $t 0 20000 funcref)");
    assert_eq!((answer.unwrap_err().name(), asked), ("host", vec![MAX_BYTES]));
    assert_eq!(asks(true, pages, &table(1), "(table $t 0 20000 funcref)"), (Ok(true), vec![MAX_BYTES]));
}

#[test]
fn memory_that_it_starts_with_counts() {
    let component = |pages| {
        let world = "export log-router:plugin/log-filter@0.1.0;";
        Parts { world, core: &wants(""), pages, ..Parts::default() }.build()
    };
    assert_eq!(asked_by(&component(4), false), (Ok(true), vec![]));
    assert_eq!(asked_by(&component(5), true), (Ok(true), vec![MAX_BYTES]));
    let (answer, asked) = asked_by(&component(5), false);
    assert_eq!((answer.unwrap_err().name(), asked), ("host", vec![MAX_BYTES]));
}
