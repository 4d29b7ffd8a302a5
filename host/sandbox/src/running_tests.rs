//! What a guest's work costs it, and when it is stopped.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::Instance;
use crate::testing::{answer, ask, filter, load};

/// Answers whether the delivery wants an object, after this.
fn component(body: &str, more: &str, limits: Limits) -> Component {
    load(&filter(body, more), limits).unwrap()
}

fn fuel(start_fuel: u64) -> Limits {
    Limits { start_fuel, ..Limits::default() }
}

fn pausing(pause: impl Fn() + Send + Sync + 'static) -> Surroundings {
    Surroundings { pause: Some(Arc::new(pause)), ..Surroundings::none() }
}

/// Runs out of fuel; how often it paused.
#[track_caller]
fn pauses(component: &Component) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let error = answer(
        component,
        &pausing(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }),
    )
    .unwrap_err();
    assert_eq!(error.name(), "guest-fuel", "{error}");
    count.load(Ordering::Relaxed)
}

#[test]
fn a_loop_lets_others_have_their_turn() {
    let limits = fuel(10 * SLICE);
    assert_eq!(pauses(&component("(loop (br 0))", "", limits.clone())), 9);
    // What the host does for it is part of the slice: a guest that calls it all the
    // time pauses as often.
    let import = r#"(import "log-router:plugin/host-log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let world = "import log-router:plugin/host-log@0.1.0; export log-router:plugin/log-filter@0.1.0;";
    let core = crate::testing::wants("(loop (call $log (i32.const 0) (i32.const 8) (i32.const 5)) (br 0))");
    let parts = crate::testing::Parts { world, imports: import, core: &core, ..Default::default() };
    let paused = pauses(&load(&parts.build(), limits).unwrap());
    assert!((8..=10).contains(&paused), "{paused}");
}

#[test]
fn slices_do_not_change_what_is_left_of_the_fuel() {
    let budget = 10 * SLICE;
    let left = |rounds: u64| {
        let body = format!(
            "(local $n i64) (local.set $n (i64.const {rounds})) (loop
                (local.set $n (i64.sub (local.get $n) (i64.const 1)))
                (br_if 0 (i64.ne (local.get $n) (i64.const 0))))"
        );
        let component = component(&body, "", fuel(budget));
        let mut instance = Instance::start(&component, &Surroundings::none()).unwrap();
        ask(&mut instance).unwrap();
        instance.fuel_left()
    };
    let (one, two, many) = (left(1), left(2), left(20_000_001));
    assert!(many < budget - 3 * SLICE, "{many}: several slices");
    assert_eq!(one - many, (one - two) * 20_000_000);
}

#[test]
fn time_at_work_is_bounded_and_nobodys_fault() {
    let limits = Limits { call_time: Duration::from_millis(1), ..fuel(u64::MAX) };
    let component = component("(loop (br 0))", "", limits);
    let error = answer(&component, &Surroundings::none()).unwrap_err();
    assert_eq!(error, GuestError::Timeout { function: "wants", seconds: 0 });
    assert!(!error.is_guests_fault());
}

#[test]
fn waiting_for_a_turn_is_no_time_at_work() {
    // A clock that stands still but for these: seconds of each slice, of each pause, and of
    // each wait for memory.
    let ends = |slice: u64, pause: u64, wait: u64| {
        let (begun, now) = (Instant::now(), AtomicU64::new(0));
        let clock = || begun + Duration::from_secs(now.load(Ordering::Relaxed));
        let pauses = || {
            now.fetch_add(pause, Ordering::Relaxed);
        };
        let waits = Arc::new(AtomicU64::new(0));
        let mut left = 5;
        let work = std::future::poll_fn(|_| {
            now.fetch_add(slice + wait, Ordering::Relaxed);
            waits.fetch_add(wait * 1_000_000_000, Ordering::Relaxed);
            left -= 1;
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let (pause, mut cpu): (&(dyn Fn() + Send + Sync), _) = (&pauses, Duration::ZERO);
        let (limit, waited) = (Duration::from_secs(10), Arc::clone(&waits));
        let mut slices = TimeSlices { limit, pause: Some(pause), waited, cpu: &mut cpu };
        slices.run_by(work, clock).map(|((), at_work)| at_work.as_secs()).map_err(|error| error.is::<OverTime>())
    };
    assert_eq!(ends(1, 3600, 0), Ok(5), "an hour's waiting is none of its time");
    assert_eq!(ends(1, 0, 3600), Ok(5), "nor is an hour's waiting for memory");
    assert_eq!(ends(2, 0, 0), Ok(10));
    assert_eq!(ends(3, 0, 0), Err(true));
    assert_eq!(ends(3, 3600, 3600), Err(true));
}

#[test]
fn bulk_memory_is_paid_by_the_byte() {
    let grow = "(drop (memory.grow (i32.const 900)))";
    let fill = "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 58982400))";
    let copy = "(memory.copy (i32.const 65536) (i32.const 65537) (i32.const 58982400))";
    for bulk in [fill, copy] {
        let component = component(&format!("{grow} (loop {bulk} (br 0))"), "", Limits::default());
        // A billion bytes; a billion fills would not be done in the time of a call.
        assert_eq!(answer(&component, &Surroundings::none()).unwrap_err().name(), "guest-fuel");
    }
}

#[test]
fn growing_is_paid_even_where_it_is_refused() {
    let rounds = |rounds: u32, pages: u32| {
        let body = format!(
            "(local $n i32) (loop (drop (memory.grow (i32.const {pages})))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if 0 (i32.lt_u (local.get $n) (i32.const {rounds}))))"
        );
        answer(&component(&body, "", fuel(1_000_000)), &Surroundings::none())
    };
    assert_eq!(rounds(1_000, 0), Ok(true));
    // 4,000 × 255.
    assert_eq!(rounds(4_000, 0).unwrap_err().name(), "guest-fuel");
    assert_eq!(rounds(1, 65_000).unwrap_err().name(), "guest-fuel");
    assert_eq!(rounds(100, 10), Ok(true));
}

#[test]
fn what_was_used_is_known() {
    let component =
        component("(drop (memory.grow (i32.const 10))) (drop (memory.grow (i32.const 65000)))", "", fuel(u64::MAX));
    let mut instance = Instance::start(&component, &Surroundings::none()).unwrap();
    let begun = instance.used();
    assert_eq!((begun.calls, begun.peak_memory), (0, 2 << 16));
    assert!(begun.start > Duration::ZERO && begun.cpu > Duration::ZERO);
    // What is denied is not used.
    assert_eq!(ask(&mut instance), Ok(true));
    let used = instance.used();
    assert_eq!((used.calls, used.peak_memory, used.start), (1, 12 << 16, begun.start));
    assert!(used.cpu > begun.cpu);
}

#[test]
fn a_table_grows_up_to_its_limit() {
    let grown = "(if (i32.ne (table.grow $t (ref.null func) (i32.const 19990)) (i32.const 10)) (then unreachable))";
    let refused = "(if (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)) (then unreachable))";
    let component = component(&format!("{grown}{refused}"), "(table $t 10 funcref)", Limits::default());
    assert_eq!(answer(&component, &Surroundings::none()), Ok(true));
}

#[test]
fn deep_recursion_is_a_trap_on_any_stack() {
    let component = component("(call $deep)", "(func $deep (call $deep))", Limits::default());
    // On a thread whose own stack is small: the guest has one of its own.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let error = small.spawn(move || answer(&component, &Surroundings::none())).unwrap().join().unwrap().unwrap_err();
    assert!(matches!(&error, GuestError::Trap { what, .. } if what.contains("call stack exhausted")), "{error}");
}

#[test]
fn a_pool_that_is_full_is_nobodys_fault() {
    let engine = crate::Engine::new(1, 1 << 20).unwrap();
    let component = engine.load("test", &filter("", ""), Limits::default()).unwrap();
    let _first = Instance::start(&component, &Surroundings::none()).unwrap();
    let error = answer(&component, &Surroundings::none()).unwrap_err();
    assert!(matches!(error, GuestError::Host { .. }), "{error}");
}

/// Says that settings are right, after it asked for random bytes. Its allocator runs
/// for ever once `arm` was called: here, where `$early`, or else before those bytes.
fn allocator_that_loops(early: bool) -> Component {
    let (start, arm) = if early { ("(start $arm)", "") } else { ("", "(call $arm)") };
    let text = format!(
        r#"(component
        (import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core module $libc
            (memory (export "memory") 2)
            (global $loops (mut i32) (i32.const 0))
            (func $arm (export "arm") (global.set $loops (i32.const 1)))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (if (global.get $loops) (then (loop (br 0))))
                (i32.const 1024))
            {start})
        (core instance $libc (instantiate $libc))
        (core func $bytes (canon lower (func $random "get-random-bytes")
            (memory $libc "memory") (realloc (func $libc "realloc"))))
        (core module $m
            (import "" "bytes" (func $bytes (param i64 i32)))
            (import "" "arm" (func $arm))
            (func (export "check") (param i32 i32) (result i32)
                {arm} (call $bytes (i64.const 8) (i32.const 600)) (i32.const 8)))
        (core instance $i (instantiate $m (with "" (instance
            (export "bytes" (func $bytes)) (export "arm" (func $libc "arm"))))))
        (func $check (param "settings" (list (tuple string string))) (result (result (error string)))
            (canon lift (core func $i "check") (memory $libc "memory") (realloc (func $libc "realloc"))))
        (instance $checks (export "check" (func $check)))
        (export "log-router:plugin/settings-check@0.1.0" (instance $checks)))"#
    );
    load(&wat::parse_str(text).unwrap(), fuel(5 * SLICE)).unwrap()
}

#[test]
fn an_allocator_that_loops_while_the_host_copies_pauses_and_is_stopped() {
    for early in [true, false] {
        let component = allocator_that_loops(early);
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let pause = pausing(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut instance = Instance::start(&component, &pause).unwrap();
        let error = instance.check_settings(&[("a".to_owned(), "b".to_owned())]).unwrap_err();
        assert_eq!(error.name(), "guest-fuel", "{error}");
        assert_eq!(count.load(Ordering::Relaxed), 4, "early: {early}");
    }
}
