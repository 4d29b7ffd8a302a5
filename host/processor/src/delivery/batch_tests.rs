use super::*;
use crate::delivery::limits::MAX_BATCH_EVENTS;
use proptest::prelude::*;

/// Refuses what PutLogEvents refuses. Written from the API reference, without a
/// look at `batch.rs`: it is what the batches are held against.
fn strict_put_log_events(batch: &Batch) -> Result<(), String> {
    let events: Vec<&Event> = batch.entries.iter().map(|entry| &entry.event).collect();
    if events.is_empty() || events.len() > 10_000 {
        return Err(format!("InvalidParameterException: {} events", events.len()));
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + 26).sum();
    if bytes > 1_048_576 {
        return Err(format!("InvalidParameterException: upload too large: {bytes}"));
    }
    if bytes != batch.bytes {
        return Err(format!("the batch says {} bytes, it has {bytes}", batch.bytes));
    }
    if let Some(event) = events.iter().find(|event| event.message.is_empty()) {
        return Err(format!("InvalidParameterException: empty message at {}", event.timestamp));
    }
    if let Some(event) = events.iter().find(|event| event.timestamp < 0) {
        return Err(format!("InvalidParameterException: timestamp {}", event.timestamp));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err("InvalidParameterException: log events must be ordered chronologically".into());
    }
    let span = events.last().unwrap().timestamp - events[0].timestamp;
    if span > 86_400_000 {
        return Err(format!("InvalidParameterException: the batch spans {span} ms"));
    }
    Ok(())
}

/// As `local` has it.
const WINDOW_BYTES: usize = 16 << 20;

fn event(line: u64, timestamp: i64, message: &str) -> Event {
    Event { line, timestamp, message: message.to_owned() }
}

fn put_all(events: Vec<Event>, max_events: usize) -> Vec<Batch> {
    let mut window = Window::new(WINDOW_BYTES);
    let mut batches = Vec::new();
    for (index, event) in (0..).zip(events) {
        window.push(index, event);
        if window.is_full() {
            batches.extend(window.batches(max_events));
        }
    }
    batches.extend(window.batches(max_events));
    for batch in &batches {
        strict_put_log_events(batch).unwrap();
        assert!(batch.entries.len() <= max_events);
    }
    batches
}

/// Events with their pieces joined, in the order of the puts.
fn joined(batches: &[Batch]) -> Vec<Event> {
    let mut whole: Vec<Event> = Vec::new();
    let mut continues = false;
    for entry in batches.iter().flat_map(|batch| &batch.entries) {
        if continues {
            let last = whole.last_mut().unwrap();
            assert_eq!((last.line, last.timestamp), (entry.event.line, entry.event.timestamp));
            last.message.push_str(&entry.event.message);
        } else {
            whole.push(entry.event.clone());
        }
        continues = entry.continues;
    }
    assert!(!continues);
    whole
}

proptest! {
    #[test]
    fn any_events_make_batches_that_aws_takes(
        events in prop::collection::vec(
            (0_i64..200_000_000, prop_oneof![4 => 1_usize..300, 1 => 200_000_usize..2_500_000], prop::sample::select(vec!["x", "é", "中", "😀"])),
            0..40,
        ),
        max_events in prop::sample::select(vec![1_usize, 3, 1000, 10_000]),
    ) {
        let events: Vec<Event> = events.into_iter().enumerate()
            .map(|(line, (time, length, text))| event(line as u64, time, &text.repeat(length.div_ceil(text.len()))))
            .collect();
        let batches = put_all(events.clone(), max_events);
        let mut expected = events;
        if expected.iter().map(|event| event.message.len() + 26).sum::<usize>() < WINDOW_BYTES {
            expected.sort_by_key(|event| event.timestamp);
            prop_assert!(joined(&batches) == expected, "lost, changed or out of order");
        } else {
            let mut put = joined(&batches);
            put.sort_by_key(|event| event.line);
            prop_assert!(put == expected);
        }
    }
}

#[test]
fn count_bytes_and_span_are_used_to_the_full() {
    let many = (0..25_000).map(|line| event(line, 5, "m")).collect();
    let counts: Vec<usize> = put_all(many, MAX_BATCH_EVENTS).iter().map(|batch| batch.entries.len()).collect();
    assert_eq!(counts, [10_000, 10_000, 5_000]);

    // Two events of exactly half the limit fill one batch; a byte more makes two.
    let half = "h".repeat(MAX_BATCH_BYTES / 2 - 26);
    assert_eq!(put_all(vec![event(0, 1, &half), event(1, 1, &half)], 10).len(), 1);
    assert_eq!(put_all(vec![event(0, 1, &half), event(1, 1, &format!("{half}x"))], 10).len(), 2);

    let day = 86_400_000;
    assert_eq!(put_all(vec![event(0, 7, "a"), event(1, 7 + day, "b")], 10).len(), 1);
    assert_eq!(put_all(vec![event(0, 7, "a"), event(1, 8 + day, "b")], 10).len(), 2);
}

#[test]
fn an_oversized_event_is_cut_at_characters() {
    let exact = "x".repeat(1_048_550);
    assert_eq!(put_all(vec![event(0, 1, &exact)], 10).len(), 1);
    let batches = put_all(vec![event(0, 1, &format!("{}😀", "x".repeat(1_048_549)))], 10);
    let lengths: Vec<usize> = batches.iter().map(|batch| batch.entries[0].event.message.len()).collect();
    assert_eq!(lengths, [1_048_549, 4]);
}

#[test]
fn equal_times_keep_their_order() {
    let events = (0..9_999).map(|line| event(line, i64::from(line % 2 == 0), "m")).collect();
    let put = joined(&put_all(events, 1000));
    let (zeros, ones) = put.split_at(4_999);
    assert!(zeros.is_sorted_by_key(|event| event.line) && ones.is_sorted_by_key(|event| event.line));
}

#[test]
fn a_batch_settles_what_is_before_it_where_the_order_allows() {
    let settled = |times: &[i64]| -> Vec<Option<u64>> {
        let events = (0..).zip(times).map(|(line, &time)| event(line, time, "m")).collect();
        put_all(events, 2).iter().map(|batch| batch.settles_to).collect()
    };
    assert_eq!(settled(&[1, 1, 2, 5, 9]), [Some(2), Some(4), Some(5)]);
    assert_eq!(settled(&[1, 2, 1, 5, 9]), [None, None, None]);
    // Pieces of an event settle it with the last.
    let batches = put_all(vec![event(0, 1, "a"), event(1, 1, &"x".repeat(1_500_000))], 10);
    assert_eq!(batches.iter().map(|batch| batch.settles_to).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
}

#[test]
fn a_window_is_bounded() {
    let mut window = Window::new(WINDOW_BYTES);
    let big = "x".repeat(1024 * 1024);
    let mut held = 0;
    while !window.is_full() {
        window.push(held, event(0, 0, &big));
        held += 1;
    }
    assert_eq!(held, 16);
}

#[test]
fn what_aws_would_refuse_is_not_admitted() {
    let now = 1_795_427_940_000;
    let judged = EventCheck { age_at: Some(now) };
    let at = |time: i64| judged.check(&event(0, time, "m"));
    let (behind, ahead) = (now - 14 * 86_400_000, now + 2 * 3_600_000);
    assert_eq!((at(behind), at(ahead), at(now)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(at(behind - 1), Err(Refusal::Dead(Reason::TooOld)));
    assert_eq!(at(ahead + 1), Err(Refusal::Dead(Reason::TooNew)));
    assert_eq!(at(-1), Err(Refusal::Dead(Reason::NegativeTimestamp)));
    assert_eq!(judged.check(&event(0, now, "")), Err(Refusal::Empty));
    // Where AWS itself judges ages, only what fails a whole call is kept from it.
    let unjudged = EventCheck { age_at: None };
    assert_eq!(unjudged.check(&event(0, 0, "m")), Ok(()));
    assert_eq!(unjudged.check(&event(0, i64::MIN, "m")), Err(Refusal::Dead(Reason::NegativeTimestamp)));
}
