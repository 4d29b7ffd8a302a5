//! The default guest: `guests/record` bound to the contract. What it does is
//! there; here is only how it crosses the border.

mod answer;

// Generated code; and a guest that panics is stopped by the host, which fails
// this one delivery.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    // Of record-transform, `transform` and `end` are written by hand: see `answer`.
    wit_bindgen::generate!({ path: "../../wit/0.1.0", world: "processor", skip: ["transform", "end"] });

    use super::DefaultGuest;

    export!(DefaultGuest with_types_in self);
}

use std::cell::RefCell;

use answer::{Answer, Returned};
use bindings::exports::log_router::plugin::{key_parser, log_filter, record_transform};
use bindings::log_router::plugin::host_log;
use bindings::log_router::plugin::types::{Context, Failure, Origin};
use record::{Clock, Numbers, Transformer};

struct DefaultGuest;

thread_local! {
    /// The object at work: an instance serves one delivery of one object.
    static AT_WORK: RefCell<AtWork> = RefCell::default();
}

/// An object, and the call that is answered.
#[derive(Default)]
struct AtWork {
    transformer: Option<Transformer>,
    /// The call's lines, in which messages of its answer stand.
    lines: Vec<u8>,
    answer: Answer,
    returned: Option<Returned>,
}

/// Longest value that is read across lines where the host doesn't say, in bytes.
const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

impl key_parser::Guest for DefaultGuest {
    fn parse_key(key: String) -> Result<Origin, Failure> {
        let origin = record::parse_key(&key).map_err(|error| Failure::Rejected(error.to_string()))?;
        Ok(Origin {
            cluster_id: origin.cluster_id,
            namespace: origin.namespace,
            tenant_id: origin.tenant_id,
            application: origin.application,
            pod_name: origin.pod_name,
            environment: origin.environment,
        })
    }
}

impl log_filter::Guest for DefaultGuest {
    fn wants(context: Context) -> Result<bool, Failure> {
        let delivery = &context.delivery;
        let decision = record::wants(&delivery.desired_logs, &delivery.groups, &context.origin.application);
        for group in decision.unknown_groups {
            host_log::log(host_log::Level::Warn, &format!("the group {group:?} is not known: it names no application"));
        }
        Ok(decision.wanted)
    }
}

impl record_transform::Guest for DefaultGuest {
    fn begin(context: Context, now: i64) -> Result<(), Failure> {
        let more = |name: &str| context.more.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let last_modified = more("last-modified").and_then(|text| text.parse().ok()).unwrap_or(now);
        let max_value_bytes = more("max-line-bytes").and_then(|text| text.parse().ok()).unwrap_or(MAX_VALUE_BYTES);
        let numbers = match more("timestamp-numbers") {
            Some("reference") => Numbers::Reference,
            _ => Numbers::Magnitude,
        };
        let transformer = Transformer::new(Clock { now, last_modified }, max_value_bytes).reading(numbers);
        AT_WORK.set(AtWork { transformer: Some(transformer), ..AtWork::default() });
        Ok(())
    }
}

/// `transform: func(first-line: u64, lines: list<u8>) -> result<transformed, failure>`.
///
/// # Safety
/// `lines` was made by `cabi_realloc` with this length, is filled, and belongs to the guest from
/// now on. What is returned is read before the guest is called again, but for [`answered`].
#[allow(unsafe_code, reason = "the canonical ABI")]
#[unsafe(export_name = "log-router:plugin/record-transform@0.1.0#transform")]
unsafe extern "C" fn transform(first_line: u64, lines: *mut u8, length: usize) -> *const Returned {
    // SAFETY: as the caller promises; `cabi_realloc` is the allocator that vectors have.
    let lines = unsafe { Vec::from_raw_parts(lines, length, length) };
    answer(lines, |transformer, lines, answer| transformer.chunk_into(first_line, lines, answer))
}

/// `end: func() -> result<transformed, failure>`.
#[allow(unsafe_code, reason = "the canonical ABI: no other function has this name")]
#[unsafe(export_name = "log-router:plugin/record-transform@0.1.0#end")]
extern "C" fn end() -> *const Returned {
    answer(Vec::new(), |transformer, _, answer| {
        transformer.end_into(answer);
        None
    })
}

/// Makes the answer of a call, which stays where it is until it is read.
fn answer(lines: Vec<u8>, work: impl FnOnce(&mut Transformer, &[u8], &mut Answer) -> Option<u64>) -> *const Returned {
    AT_WORK.with_borrow_mut(|at_work| {
        at_work.lines = lines;
        let AtWork { transformer, lines, answer, returned } = at_work;
        let new = match transformer {
            Some(transformer) => {
                let pending_from = work(transformer, lines, answer);
                answer.returned(pending_from)
            }
            None => Returned::internal("called before begin"),
        };
        &raw const *returned.insert(new)
    })
}

/// The host has read the answer of `transform`.
#[allow(unsafe_code, reason = "the canonical ABI: no other function has this name")]
#[unsafe(export_name = "cabi_post_log-router:plugin/record-transform@0.1.0#transform")]
extern "C" fn after_transform(_returned: *const Returned) {
    answered();
}

/// The host has read the answer of `end`.
#[allow(unsafe_code, reason = "the canonical ABI: no other function has this name")]
#[unsafe(export_name = "cabi_post_log-router:plugin/record-transform@0.1.0#end")]
extern "C" fn after_end(_returned: *const Returned) {
    answered();
}

/// Frees what an answer took.
fn answered() {
    AT_WORK.with_borrow_mut(|at_work| {
        at_work.lines = Vec::new();
        at_work.answer.clear();
        at_work.returned = None;
    });
}
