//! A redacting rewriter as a tenant would write it: its settings `drop` and `mask`
//! name members of the record (separated by commas) that are left out, or whose
//! value becomes `"***"`. Without either, lines pass as they are.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/0.1.0", world: "rewriter" });

    use super::Redactor;

    export!(Redactor with_types_in self);
}
mod members;

use std::cell::RefCell;

use bindings::exports::log_router::plugin::record_rewrite::{Guest, Rewritten};
use bindings::log_router::plugin::types::{Context, Failure};

struct Redactor;

/// What is done to the record's members.
#[derive(Default)]
struct Rules {
    drop: Vec<Vec<u8>>,
    mask: Vec<Vec<u8>>,
}

thread_local! {
    static RULES: RefCell<Rules> = RefCell::default();
}

impl Guest for Redactor {
    fn begin(context: Context, _now: i64) -> Result<(), Failure> {
        let names = |setting: &str| {
            let text = context.settings.iter().find(|(name, _)| name == setting).map_or("", |(_, value)| value);
            text.split(',').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect()
        };
        RULES.set(Rules { drop: names("drop"), mask: names("mask") });
        Ok(())
    }

    fn rewrite(first_line: u64, lines: Vec<u8>) -> Result<Rewritten, Failure> {
        Ok(RULES.with_borrow(|rules| rules.rewrite(first_line, lines)))
    }

    fn end() -> Result<Rewritten, Failure> {
        Ok(Rewritten { lines: Vec::new(), sources: Vec::new(), notes: Vec::new(), pending_from: None })
    }
}

impl Rules {
    fn rewrite(&self, first_line: u64, lines: Vec<u8>) -> Rewritten {
        let mut out = Vec::with_capacity(lines.len());
        let mut sources = Vec::new();
        let mut rest = lines.as_slice();
        for number in first_line.. {
            let Some((line, next)) = split_line(rest) else { break };
            rest = next;
            if line.trim_ascii().is_empty() {
                continue;
            }
            sources.push(number);
            let begun = out.len();
            if (self.drop.is_empty() && self.mask.is_empty()) || self.redact(line, &mut out).is_none() {
                // No object: for the transformer to judge.
                out.truncate(begun);
                out.extend_from_slice(line);
            }
            out.push(b'\n');
        }
        Rewritten { lines: out, sources, notes: Vec::new(), pending_from: None }
    }

    /// None: the line is no JSON object.
    fn redact(&self, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut members = members::Members::of(line)?;
        let mut separator = b'{';
        while let Some(member) = members.next()? {
            if self.drop.iter().any(|name| name == member.name) {
                continue;
            }
            out.push(separator);
            separator = b',';
            if self.mask.iter().any(|name| name == member.name) {
                out.push(b'"');
                out.extend_from_slice(member.name);
                out.extend_from_slice(b"\":\"***\"");
            } else {
                out.extend_from_slice(member.whole);
            }
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
        Some(())
    }
}

/// The first line, without its newline, and what follows it.
fn split_line(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    match memchr::memchr(b'\n', lines) {
        Some(newline) => Some((lines.get(..newline)?, lines.get(newline + 1..)?)),
        None => (!lines.is_empty()).then_some((lines, &[])),
    }
}
