//! A component of two versions of the contract: `log-filter` and `record-rewrite` of
//! the draft 0.2.0, `record-transform` of 0.1.0, and a log of each. The filter wants
//! no object from before its setting `from`; the rewriter puts what its context says
//! before each record; the transformer makes each line an event.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/0.1.0", "../../../wit/0.2.0"],
        inline: "
            package test:draft;
            world draft {
                import log-router:plugin/host-log@0.1.0;
                import log-router:plugin/host-log@0.2.0;
                export log-router:plugin/log-filter@0.2.0;
                export log-router:plugin/record-rewrite@0.2.0;
                export log-router:plugin/record-transform@0.1.0;
            }
        ",
        generate_all,
    });

    use super::Draft;

    export!(Draft with_types_in self);
}

use std::cell::{Cell, RefCell};

use bindings::exports::log_router::plugin0_1_0::record_transform::{self, Event, Transformed};
use bindings::exports::log_router::plugin0_2_0::log_filter;
use bindings::exports::log_router::plugin0_2_0::record_rewrite::{self, Rewritten};
use bindings::log_router::plugin0_1_0::host_log as old_log;
use bindings::log_router::plugin0_1_0::types as old;
use bindings::log_router::plugin0_2_0::host_log as new_log;
use bindings::log_router::plugin0_2_0::types as new;

struct Draft;

thread_local! {
    static TOLD: RefCell<String> = RefCell::default();
    static NOW: Cell<i64> = const { Cell::new(0) };
}

impl log_filter::Guest for Draft {
    fn wants(context: new::Context) -> Result<bool, new::Failure> {
        let from = context.settings.iter().find(|(name, _)| name == "from").and_then(|(_, value)| value.parse().ok());
        Ok(from.is_none_or(|from: i64| context.now >= from))
    }
}

impl record_rewrite::Guest for Draft {
    fn begin(context: new::Context) -> Result<(), new::Failure> {
        let new::Context { origin, delivery, object, now, max_line_bytes, settings, more } = context;
        let new::Object { bucket, key, last_modified } = object;
        if !more.is_empty() {
            return Err(new::Failure::Internal("there is more than there may be".to_owned()));
        }
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let told = [
            origin.environment,
            delivery.destination,
            bucket,
            key,
            last_modified.to_string(),
            now.to_string(),
            max_line_bytes.to_string(),
            settings.join(","),
        ];
        TOLD.set(told.join(" "));
        new_log::log(new_log::Level::Warn, "begun by 0.2.0");
        Ok(())
    }

    fn rewrite(first_line: u64, lines: Vec<u8>) -> Result<Rewritten, new::Failure> {
        let told = TOLD.with_borrow(Clone::clone);
        let mut out = Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None };
        for (number, line) in (first_line..).zip(lines.split_inclusive(|&byte| byte == b'\n')) {
            let line = line.trim_ascii();
            if !line.is_empty() {
                out.lines.extend_from_slice(&[b"[\"", told.as_bytes(), b"\",", line, b"]\n"].concat());
                out.sources.push(number);
            }
        }
        Ok(out)
    }

    fn end() -> Result<Rewritten, new::Failure> {
        Ok(Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None })
    }
}

impl record_transform::Guest for Draft {
    fn begin(_context: old::Context, now: i64) -> Result<(), old::Failure> {
        NOW.set(now);
        old_log::log(old_log::Level::Info, "begun by 0.1.0");
        Ok(())
    }

    fn transform(first_line: u64, lines: Vec<u8>) -> Result<Transformed, old::Failure> {
        let lines = (first_line..).zip(lines.split_inclusive(|&byte| byte == b'\n'));
        let events = lines.map(|(line, text)| Event {
            line,
            timestamp: NOW.get(),
            message: String::from_utf8_lossy(text.trim_ascii()).into_owned(),
        });
        Ok(Transformed { events: events.collect(), notes: vec![], pending_from: None })
    }

    fn end() -> Result<Transformed, old::Failure> {
        Ok(Transformed { events: vec![], notes: vec![], pending_from: None })
    }
}
