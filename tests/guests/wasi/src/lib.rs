//! Rewrites records with what Rust's std offers: clocks, random hashes, the environment,
//! files, standard streams. Of each record it masks the password, and adds what it sees
//! of the world; `mode` is what it tries besides. tests/guests/python does the same.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/0.1.0", world: "rewriter" });

    use super::Rewriter;

    export!(Rewriter with_types_in self);
}

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bindings::exports::log_router::plugin::record_rewrite::{Guest, Rewritten};
use bindings::log_router::plugin::types::{Context, Failure};
use serde_json::{Value, json};

struct Rewriter;

thread_local! {
    static MODE: RefCell<String> = RefCell::default();
}

impl Guest for Rewriter {
    fn begin(context: Context, _now: i64) -> Result<(), Failure> {
        let mode = context.settings.into_iter().find(|(name, _)| name == "mode");
        MODE.set(mode.map(|(_, value)| value).unwrap_or_default());
        Ok(())
    }

    fn rewrite(first_line: u64, lines: Vec<u8>) -> Result<Rewritten, Failure> {
        let mut out = Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None };
        for (number, line) in (first_line..).zip(lines.split(|&byte| byte == b'\n')) {
            let Ok(mut record) = serde_json::from_slice::<Value>(line) else { continue };
            if record.get("level").is_some_and(|level| level == "debug") {
                continue;
            }
            if let Some(record) = record.as_object_mut() {
                if let Some(password) = record.get_mut("password") {
                    *password = "***".into();
                }
                record.insert("seen".to_owned(), MODE.with_borrow(|mode| seen(mode)));
            }
            say(number);
            out.lines.extend_from_slice(record.to_string().as_bytes());
            out.lines.push(b'\n');
            out.sources.push(number);
        }
        Ok(out)
    }

    fn end() -> Result<Rewritten, Failure> {
        Ok(Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None })
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is what it is for")]
fn say(number: u64) {
    println!("line {number}");
    eprintln!("line {number}");
}

fn seen(mode: &str) -> Value {
    match mode {
        "file" => return json!(std::fs::read("/etc/passwd").map_err(|error| error.kind().to_string()).err()),
        "input" => return json!(std::io::read_to_string(std::io::stdin()).unwrap_or_else(|error| error.to_string())),
        "sleep" => std::thread::sleep(Duration::from_secs(3_600)),
        "exit" => std::process::exit(3),
        _ => {}
    }
    let before = Instant::now();
    let order: HashSet<&str> = "a b c d e f g h".split(' ').collect();
    json!({
        "now": u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).ok(),
        "elapsed": u64::try_from(before.elapsed().as_nanos()).ok(),
        "random": std::hash::RandomState::new().hash_one(0).to_string(),
        "order": order.into_iter().collect::<Vec<_>>(),
        "environment": std::env::vars().count(),
        "arguments": std::env::args().count(),
    })
}
