//! What a guest may do wrong. Its setting `mode` says what it does: a function
//! of the contract and a fault (`transform:loop`), or one of the lies below; any
//! other mode is honest, and does what `honest` says.
//!
//! Beside any mode, `poison` is a word that it commits the fault `fault` over (it
//! traps, if none is named): when it is given a line that has it; with `near`, when it
//! also holds a line back that has that word; with `late`, only in `end`, over a
//! line that it holds back.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/0.1.0",
        inline: "
            package test:hostile;
            world hostile {
                import log-router:plugin/host-log@0.1.0;
                export log-router:plugin/log-filter@0.1.0;
                export log-router:plugin/record-transform@0.1.0;
                export log-router:plugin/settings-check@0.1.0;
            }
        ",
        generate_all,
    });

    use super::Hostile;

    export!(Hostile with_types_in self);
}
mod fault;
mod honest;
mod lie;
mod random;

use std::cell::{Cell, RefCell};

use bindings::exports::log_router::plugin::record_transform::{Event, Transformed};
use bindings::exports::log_router::plugin::{log_filter, record_transform, settings_check};
use bindings::log_router::plugin::types::{Context, Failure};

struct Hostile;

/// What it was told, and what it holds back.
#[derive(Default)]
struct Work {
    mode: String,
    /// Records to hold back after each call, a digit each; or a seed.
    hold: Vec<u8>,
    now: i64,
    held: Vec<(u64, Vec<u8>)>,
    calls: u64,
    /// The line after the last that it was given.
    next: u64,
    poison: Poison,
    ended: bool,
}

/// What it fails over.
#[derive(Default)]
struct Poison {
    word: String,
    fault: String,
    near: String,
    late: bool,
}

impl Poison {
    fn of(settings: &[(String, String)]) -> Self {
        let or_trap = |fault: String| if fault.is_empty() { "unreachable".to_owned() } else { fault };
        Self {
            word: setting(settings, "poison"),
            fault: or_trap(setting(settings, "fault")),
            near: setting(settings, "near"),
            late: !setting(settings, "late").is_empty(),
        }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        !self.word.is_empty() && has(text, &self.word)
    }

    /// New lines come to those that are held back.
    fn given(&self, lines: &[u8], held: &[(u64, Vec<u8>)]) -> Result<(), Failure> {
        let near = self.near.is_empty() || held.iter().any(|(_, text)| has(text, &self.near));
        if self.is_in(lines) && near && !self.late { fault::commit(&self.fault) } else { Ok(()) }
    }

    fn ended(&self, held: &[(u64, Vec<u8>)]) -> Result<(), Failure> {
        if self.late && held.iter().any(|(_, text)| self.is_in(text)) { fault::commit(&self.fault) } else { Ok(()) }
    }
}

fn has(text: &[u8], word: &str) -> bool {
    text.windows(word.len().max(1)).any(|window| window == word.as_bytes())
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
    /// Would show in the next object if instances were used again.
    static OBJECTS: Cell<u64> = const { Cell::new(0) };
}

fn setting(settings: &[(String, String)], name: &str) -> String {
    settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

impl settings_check::Guest for Hostile {
    fn check(settings: Vec<(String, String)>) -> Result<(), String> {
        match setting(&settings, "mode").as_str() {
            "check:refuse" => Err("mode is not to my liking".to_owned()),
            mode => fault::in_function("check", mode).map_err(|_| "a failure".to_owned()),
        }
    }
}

impl log_filter::Guest for Hostile {
    fn wants(context: Context) -> Result<bool, Failure> {
        let mode = setting(&context.settings, "mode");
        fault::in_function("wants", &mode)?;
        Ok(mode != "wants:nothing")
    }
}

impl record_transform::Guest for Hostile {
    fn begin(context: Context, now: i64) -> Result<(), Failure> {
        let mode = setting(&context.settings, "mode");
        fault::in_function("begin", &mode)?;
        OBJECTS.set(OBJECTS.get() + 1);
        WORK.with_borrow_mut(|work| {
            work.hold = setting(&context.settings, "hold").into_bytes();
            work.mode = mode;
            work.poison = Poison::of(&context.settings);
            work.now = now;
        });
        Ok(())
    }

    fn transform(first_line: u64, lines: Vec<u8>) -> Result<Transformed, Failure> {
        WORK.with_borrow_mut(|work| {
            assert!(!work.ended, "lines after the end");
            work.calls += 1;
            // What comes before the fault is honest: `second` faults late.
            if !work.mode.ends_with("-second") || work.calls == 2 {
                fault::in_function("transform", work.mode.trim_end_matches("-second"))?;
            }
            work.poison.given(&lines, &work.held)?;
            let split = lines.split_inclusive(|&byte| byte == b'\n');
            let count = split.clone().count() as u64;
            let numbered = (first_line..).zip(split.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()));
            if let Some(lie) = lie::told(work, first_line, count, &lines) {
                return Ok(lie);
            }
            work.held.extend(numbered);
            work.next = first_line + count;
            if work.mode == "random" {
                return Ok(random::answer(work, first_line + count, false));
            }
            Ok(honest::settle(work, false))
        })
    }

    fn end() -> Result<Transformed, Failure> {
        WORK.with_borrow_mut(|work| {
            work.ended = true;
            fault::in_function("end", &work.mode)?;
            work.poison.ended(&work.held)?;
            if work.mode == "pending-at-end" {
                return Ok(Transformed { events: Vec::new(), notes: Vec::new(), pending_from: Some(0) });
            }
            if work.mode == "random" {
                return Ok(random::answer(work, work.next, true));
            }
            Ok(honest::settle(work, true))
        })
    }
}

fn event(line: u64, timestamp: i64, message: &str) -> Event {
    Event { line, timestamp, message: message.to_owned() }
}
