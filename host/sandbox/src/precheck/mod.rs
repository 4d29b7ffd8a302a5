//! What a component's bytes are, and what they would become, found before wasmtime sees
//! them.
//!
//! - `expanded_size`: how much a component is once it is written out.
//! - `compile_cost`: how much work its functions are for the compiler.

mod compile_cost;
mod expanded_size;

use model::Limits;

use crate::error::LoadError;

/// Says what the bytes are when they are no component, or one that would become too
/// much, before wasmtime's parser sees them. Compiled code is refused with the rest: only this program's own
/// is ever run.
pub(crate) fn refuse_what_is_no_component(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.component_bytes {
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
