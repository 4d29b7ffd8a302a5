//! What the reference makes of an object, the component makes of it.

use model::{Delivery, Destination, Limits, ObjectId, Origin, TimestampNumbers};
use sandbox::{Component, Context, Engine, Instance, Precompiled, Surroundings, Verdict};

use crate::shared::read;
use crate::shared::vectors::{MAX_LINE_BYTES, NOW, expected, pieces, vectors};

fn default_guest() -> Component {
    let limits = Limits {
        memory_bytes: 64 << 20,
        fuel_per_mib: 20_000_000_000,
        output_ratio: 16,
        held_back_bytes: 2 * MAX_LINE_BYTES,
        log_lines: 0,
        ..Limits::default()
    };
    default_guest_with(limits.for_default_guest(MAX_LINE_BYTES))
}

/// The default guest within these limits.
pub(crate) fn default_guest_with(limits: Limits) -> Component {
    let (component, code) = (read("default.wasm"), read("default.cwasm"));
    let engine = Engine::new(1, limits.memory_bytes).unwrap();
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    engine.load_precompiled("default", guest, limits).unwrap().0
}

pub(crate) fn origin() -> Origin {
    Origin {
        cluster_id: "c".into(),
        namespace: "n".into(),
        tenant_id: "n".into(),
        application: "a".into(),
        pod_name: "p".into(),
        environment: "production".into(),
    }
}

pub(crate) fn delivery() -> Delivery {
    Delivery {
        tenant_id: "n".into(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".into(),
        destination: Destination::CloudWatch {
            role_arn: "arn:aws:iam::111122223333:role/Logs".into(),
            account: "111122223333".into(),
            log_group: "/n".into(),
        },
        plugins: model::Plugins::default(),
    }
}

/// The context of an object of these, with what is usual.
pub(crate) fn context<'a>(origin: &'a Origin, delivery: &'a Delivery, object: &'a ObjectId) -> Context<'a> {
    Context {
        origin,
        delivery,
        object,
        settings: &[],
        now: NOW,
        last_modified: NOW,
        max_line_bytes: MAX_LINE_BYTES,
        timestamp_numbers: TimestampNumbers::default(),
    }
}

/// What the component makes of lines, in calls of so many lines each: events,
/// and how many lines it calls malformed.
fn transform(
    guest: &Component,
    lines: &[Vec<u8>],
    a_call: usize,
    last_modified: i64,
    numbers: TimestampNumbers,
) -> (Vec<(i64, String)>, u64) {
    let (origin, delivery) = (origin(), delivery());
    let object = ObjectId { bucket: "logs".into(), key: "c/n/a/p/f".into() };
    let context = Context { last_modified, timestamp_numbers: numbers, ..context(&origin, &delivery, &object) };
    let mut instance = Instance::start(guest, &Surroundings::none()).unwrap();
    instance.begin_transform(&context).unwrap();
    let (mut from, mut to, mut events, mut malformed) = (0, 0, Vec::new(), 0);
    let mut calls = lines.chunks(a_call);
    loop {
        let call = calls.next();
        let out = match call {
            Some(lines) => {
                let first = to;
                to += lines.len() as u64;
                instance.transform(first, &lines.concat(), from..to).unwrap()
            }
            None => instance.end_transform(from..to).unwrap(),
        };
        from = out.pending_from;
        events.extend(out.events.into_iter().map(|event| (event.timestamp, event.message)));
        for note in out.notes {
            malformed += u64::from(matches!(note.verdict, Verdict::Malformed(_))) * (note.last - note.first + 1);
        }
        if call.is_none() {
            assert_eq!(from, to, "lines are left");
            return (events, malformed);
        }
    }
}

#[test]
fn the_component_does_as_the_reference_at_every_chunk_size() {
    let guest = default_guest();
    let last_modified = NOW - 777;
    for vector in vectors() {
        let (lines, _) = pieces(&vector.input);
        let expected = expected(&vector, last_modified);
        for a_call in 1..=lines.len().max(1) {
            let (events, malformed) = transform(&guest, &lines, a_call, last_modified, TimestampNumbers::Magnitude);
            assert_eq!(events, expected, "{}, {a_call} lines a call", vector.name);
            assert!(!vector.error || malformed > 0, "{}: an error in the reference", vector.name);
        }
    }
}

#[test]
fn numbers_are_read_by_magnitude_or_as_the_reference_reads_them() {
    let guest = default_guest();
    let lines: Vec<_> = [1_795_428_000_i64, 1_795_428_000_000, 1_795_428_000_000_000, 1_795_428_000_000_000_000]
        .map(|at| format!("{{\"timestamp\":{at},\"message\":\"m\"}}\n").into_bytes())
        .into();
    let times = |numbers| transform(&guest, &lines, 4, 0, numbers).0.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(times(TimestampNumbers::Magnitude), [NOW; 4]);
    assert_eq!(times(TimestampNumbers::Reference), [NOW, NOW, NOW * 1_000, NOW * 1_000_000]);
}
