//! Engines of all sizes, and that what they run is the same on each.

use model::Limits;

use super::*;
use crate::testing::{answer, ask, filter};
use crate::{GuestError, Instance, Surroundings};

#[test]
fn the_largest_pool_starts() {
    // MAX_CONCURRENT_OBJECTS 1024, four instances each, with the default guest's
    // memory for the longest lines.
    let engine = wasmtime::Engine::new(&pooled(4 * 1024, 448 << 20)).unwrap();
    let engine = Engine { inner: engine };
    let component = engine.load("test", &filter("", ""), Limits::default()).unwrap();
    let instances: Vec<_> =
        (0..4 * 1024).map(|_| Instance::start(&component, &Surroundings::none()).unwrap()).collect();
    for mut instance in instances {
        assert_eq!(ask(&mut instance), Ok(true));
    }
}

#[test]
fn limits_hold_without_a_pool_too() {
    let engine = Engine::without_pool().unwrap();
    let load = |bytes: &[u8]| engine.load("test", bytes, Limits::default());
    let answers = |body: &str, more: &str| {
        answer(&load(&filter(body, more)).unwrap(), &Surroundings::none()).map_err(|error| error.name())
    };
    assert_eq!(answers("", ""), Ok(true));
    assert_eq!(answers("(loop (br 0))", ""), Err("guest-fuel"));
    let refused = |grow: &str| format!("(if (i32.ne {grow} (i32.const -1)) (then unreachable))");
    assert_eq!(answers(&refused("(memory.grow (i32.const 1023))"), ""), Ok(true));
    let table = "(table.grow $t (ref.null func) (i32.const 20000))";
    assert_eq!(answers(&refused(table), "(table $t 1 funcref)"), Ok(true));
    assert_eq!(answers("(call $deep)", "(func $deep (call $deep))"), Err("guest-trap"));
    let error = load(&filter("", "(table 20001 funcref)")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("trapped in start: table minimum size of 20001"), "{error}");
}

#[test]
fn memory_from_the_beginning_on_counts() {
    let limits = Limits { memory_bytes: 2 * 65_536 - 1, ..Limits::default() };
    for engine in [Engine::new(2, 64 << 20).unwrap(), Engine::without_pool().unwrap()] {
        let error = engine.load("test", &filter("", ""), limits.clone()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("memory limit in start: more than 131071 bytes"), "{error}");
    }
}

#[test]
fn two_engines_yield_the_same() {
    let body = "(drop (memory.grow (i32.const 100))) (memory.fill (i32.const 65536) (i32.const 7) (i32.const 1000000))
        (call $deep (i32.const 5000))";
    let bytes = filter(
        body,
        "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))",
    );
    let run = |engine: &Engine| -> Result<(u64, u64), GuestError> {
        let component = engine.load("test", &bytes, Limits::default()).unwrap();
        let mut instance = Instance::start(&component, &Surroundings::none())?;
        ask(&mut instance)?;
        Ok((instance.fuel_left(), instance.used().peak_memory))
    };
    let pooled = Engine::new(2, 64 << 20).unwrap();
    let first = run(&pooled).unwrap();
    assert_eq!(run(&pooled), Ok(first));
    assert_eq!(run(&Engine::without_pool().unwrap()), Ok(first));
}
