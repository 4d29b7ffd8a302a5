//! The room of the intakes: where objects are announced from.
//!
//! - `local`: the objects of a folder, delivered to another one.

pub mod local;
