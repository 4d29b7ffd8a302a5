//! What a component's bytes are, and what they would become, found before wasmtime sees
//! them.
//!
//! - `expanded_size`: how much a component is once it is written out.
//! - `compile_cost`: how much work its functions are for the compiler.
//! - `module_cost`: how much work its modules' other sections are.

mod compile_cost;
mod expanded_size;
mod module_cost;

use model::Limits;

use crate::error::LoadError;

/// Says what the bytes are when they are no component, or one that would become too
/// much, before wasmtime's parser sees them. Compiled code is refused with the rest: only this program's own
/// is ever run.
pub(crate) fn refuse_what_is_no_component(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    if to_u64(bytes.len()) > limits.component_bytes {
        return Err(LoadError::TooLarge(limits.component_bytes));
    }
    // Preamble: magic, then a version; a component's is 0x0d with layer 1.
    let what = match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return expanded_size::refuse_too_much(bytes),
        [] => "an empty file",
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
        [0, b'a', b's', b'm', ..] => "wasm of a version that isn't known",
        [0x7f, b'E', b'L', b'F', ..] => "machine code, which is never taken from outside",
        _ if std::str::from_utf8(bytes).is_ok() => "a text",
        _ => "something else",
    };
    Err(LoadError::NotAComponent(what))
}

/// A count as the limits have it.
fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_of_kinds_that_are_counted_are_refused() {
        let says = [
            ("joined-results", 30, "hand on more than 20000 values"),
            ("joined-results-nested", 30, "hand on more than 20000 values"),
            ("loop-params", 30, "hand on more than 20000 values"),
            ("br-table-results", 100, "hand on more than 20000 values"),
            ("wide-calls", 30, "hand on more than 20000 values"),
            ("wide-types-called", 30, "hand on more than 20000 values"),
            ("operand-stack", 4000, "operands on its stack in 4001 blocks"),
            ("locals-in-loops", 101, "loops change more than 30000 locals"),
            ("locals-in-loops-beside", 120, "loops change more than 30000 locals"),
            ("live-locals", 190, "20000 locals in 381 blocks"),
            ("locals-unused", 27, "multiplied by their blocks"),
            ("core-types-wide", 60, "parameters and results in its types"),
            ("constant-expressions", 400000, "bytes of constant expressions"),
            ("elements", 100001, "elements in its segments"),
            ("functions", 100001, "functions; 100000 is the limit"),
            ("loads", 140000, "bytes; 1048576 is the limit"),
            ("components-doubled", 17, "with each instance and type written out"),
            ("types-lifted", 12, "with each instance and type written out"),
        ];
        for (name, size, says) in says {
            let bomb = assemble::bombs::named(name).unwrap();
            let refused = refuse_what_is_no_component(&bomb.build(size), &Limits::default());
            let error = refused.map_err(|error| error.to_string()).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
            // A little of the same is nothing unusual.
            refuse_what_is_no_component(&bomb.build(2), &Limits::default()).unwrap();
        }
    }
}
