//! Records to events as the reference processor makes them: no wasm, no I/O,
//! no clock.
//!
//! The way of a chunk: [`Transformer`] (`transform`) takes whole lines. Mostly
//! each line stands alone (`lines`): `record` finds the members that matter
//! while `scan` validates, 16 bytes at a time (`simd`), and the message and
//! the timestamp (`time`) are taken from the line in place. Only messages that
//! are no strings are rewritten (`compact`, with `text` and `number`). Values
//! that stretch over several lines are one object (`spanning_object`) or an `array`.
//!
//! Nothing here recurses or panics, whatever the bytes.

mod array;
mod blank;
mod buffered_line;
mod compact;
mod filter;
mod found;
mod key;
mod lines;
mod number;
mod record;
mod scan;
mod simd;
mod spanning_object;
mod text;
mod time;
mod transform;

pub use blank::is_blank;
pub use filter::{Decision, wants};
pub use found::{Event, Findings, Mark, Message, Note, Transformed, Verdict};
pub use key::{KeyError, Origin, parse_key};
pub use time::{Clock, Numbers};
pub use transform::Transformer;
