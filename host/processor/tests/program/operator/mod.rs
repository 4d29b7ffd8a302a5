//! What an operator runs beside the processor: `guest inspect`, `guest precompile`,
//! `check`, the built binary over files and against `fake-aws`.

mod support;

mod check;
mod check_files;
mod inspect;
mod precompile;
