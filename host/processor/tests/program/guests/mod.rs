//! Components as an operator meets them: `local` with `--plugin`.

mod faults;
mod refined;
mod refused;
mod uploads;
