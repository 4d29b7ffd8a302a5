//! Exports `record-rewrite` and `record-transform`, which one instance serves. Lines
//! stay as they are; each becomes an event. Each of the two holds back its last
//! `hold-rewrite` or `hold-transform` lines (none, without the setting), and traps when
//! it is given a line that has the word `poison-rewrite` or `poison-transform`.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/0.1.0",
        inline: "
            package test:both;
            world both {
                import log-router:plugin/host-log@0.1.0;
                export log-router:plugin/record-rewrite@0.1.0;
                export log-router:plugin/record-transform@0.1.0;
            }
        ",
        generate_all,
    });

    use super::Both;

    export!(Both with_types_in self);
}

use std::cell::RefCell;

use bindings::exports::log_router::plugin::record_rewrite::{self, Rewritten};
use bindings::exports::log_router::plugin::record_transform::{self, Event, Transformed};
use bindings::log_router::plugin::types::{Context, Failure};

struct Both;

/// One of the two.
#[derive(Default)]
struct Part {
    poison: String,
    hold: usize,
    now: i64,
    held: Vec<(u64, Vec<u8>)>,
    ended: bool,
}

thread_local! {
    static REWRITE: RefCell<Part> = RefCell::default();
    static TRANSFORM: RefCell<Part> = RefCell::default();
}

impl Part {
    fn new(name: &str, context: &Context, now: i64) -> Self {
        let setting = |kind: &str| {
            let key = format!("{kind}-{name}");
            let found = context.settings.iter().find(|(known, _)| *known == key);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Self { poison: setting("poison"), hold: setting("hold").parse().unwrap_or(0), now, ..Self::default() }
    }

    /// Takes lines; returns those that are settled.
    #[expect(clippy::panic, reason = "that is what the host is tested with")]
    fn take(&mut self, first_line: u64, lines: &[u8]) -> Vec<(u64, Vec<u8>)> {
        assert!(!self.ended, "lines after the end");
        let poison = self.poison.as_bytes();
        if !poison.is_empty() && lines.windows(poison.len()).any(|window| window == poison) {
            panic!("poison");
        }
        let split = lines.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        let records = (first_line..).zip(split).filter(|(_, text)| !text.is_empty());
        self.held.extend(records.map(|(number, text)| (number, text.to_vec())));
        let settled = self.held.len().saturating_sub(self.hold);
        self.held.drain(..settled).collect()
    }

    /// What is left.
    fn end(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.ended = true;
        std::mem::take(&mut self.held)
    }

    fn pending_from(&self) -> Option<u64> {
        self.held.first().map(|(number, _)| *number)
    }

    fn rewritten(&self, settled: &[(u64, Vec<u8>)]) -> Rewritten {
        Rewritten {
            lines: settled.iter().flat_map(|(_, text)| text.iter().copied().chain(*b"\n")).collect(),
            sources: settled.iter().map(|(number, _)| *number).collect(),
            notes: Vec::new(),
            pending_from: self.pending_from(),
        }
    }

    fn transformed(&self, settled: &[(u64, Vec<u8>)]) -> Transformed {
        let event = |(line, text): &(u64, Vec<u8>)| {
            let message = String::from_utf8_lossy(text).into_owned();
            Event { line: *line, timestamp: self.now, message }
        };
        let events = settled.iter().map(event).collect();
        Transformed { events, notes: Vec::new(), pending_from: self.pending_from() }
    }
}

impl record_rewrite::Guest for Both {
    fn begin(context: Context, now: i64) -> Result<(), Failure> {
        REWRITE.set(Part::new("rewrite", &context, now));
        Ok(())
    }

    fn rewrite(first_line: u64, lines: Vec<u8>) -> Result<Rewritten, Failure> {
        REWRITE.with_borrow_mut(|part| {
            let settled = part.take(first_line, &lines);
            Ok(part.rewritten(&settled))
        })
    }

    fn end() -> Result<Rewritten, Failure> {
        REWRITE.with_borrow_mut(|part| {
            let settled = part.end();
            Ok(part.rewritten(&settled))
        })
    }
}

impl record_transform::Guest for Both {
    fn begin(context: Context, now: i64) -> Result<(), Failure> {
        TRANSFORM.set(Part::new("transform", &context, now));
        Ok(())
    }

    fn transform(first_line: u64, lines: Vec<u8>) -> Result<Transformed, Failure> {
        TRANSFORM.with_borrow_mut(|part| {
            let settled = part.take(first_line, &lines);
            Ok(part.transformed(&settled))
        })
    }

    fn end() -> Result<Transformed, Failure> {
        TRANSFORM.with_borrow_mut(|part| {
            let settled = part.end();
            Ok(part.transformed(&settled))
        })
    }
}
