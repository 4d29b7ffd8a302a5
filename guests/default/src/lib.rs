//! The default guest: `guests/record` bound to the contract. What it does is
//! there; here is only how it crosses the border.

// Generated code; and a guest that panics is stopped by the host, which fails
// this one delivery.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit/0.1.0", world: "processor" });

    use super::DefaultGuest;

    export!(DefaultGuest with_types_in self);
}

use std::cell::RefCell;

use bindings::exports::log_router::plugin::{key_parser, log_filter, record_transform};
use bindings::log_router::plugin::host_log;
use bindings::log_router::plugin::types::{Context, Failure, Note, Origin, Verdict};
use record::{Clock, Numbers, Transformer};

struct DefaultGuest;

thread_local! {
    /// The object at work: an instance serves one delivery of one object.
    static AT_WORK: RefCell<Option<Transformer>> = const { RefCell::new(None) };
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
        AT_WORK.set(Some(transformer));
        Ok(())
    }

    fn transform(first_line: u64, lines: Vec<u8>) -> Result<record_transform::Transformed, Failure> {
        at_work(|transformer| to_contract(transformer.chunk(first_line, &lines)))
    }

    fn end() -> Result<record_transform::Transformed, Failure> {
        at_work(|transformer| to_contract(transformer.end()))
    }
}

fn at_work<T>(work: impl FnOnce(&mut Transformer) -> T) -> Result<T, Failure> {
    AT_WORK.with_borrow_mut(|transformer| {
        transformer.as_mut().map(work).ok_or_else(|| Failure::Internal("called before begin".to_owned()))
    })
}

fn to_contract(out: record::Transformed<'_>) -> record_transform::Transformed {
    let events = out.events.into_iter().map(|event| record_transform::Event {
        line: event.line,
        timestamp: event.timestamp,
        message: event.message.into_owned(),
    });
    let notes = out.notes.into_iter().map(|note| Note {
        first: note.first,
        last: note.last,
        verdict: match note.verdict {
            record::Verdict::Joined => Verdict::Joined,
            record::Verdict::Malformed(reason) => Verdict::Malformed(reason),
        },
    });
    record_transform::Transformed { events: events.collect(), notes: notes.collect(), pending_from: out.pending_from }
}
