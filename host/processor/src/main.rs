//! The binary: the library's command line, with the default guest embedded.

use std::process::ExitCode;

use sandbox::Precompiled;

/// Made by `make guest`; a build without it fails here.
const DEFAULT_GUEST: Precompiled<'static> = Precompiled {
    component: include_bytes!("../../../target/guest/default.wasm"),
    code: include_bytes!("../../../target/guest/default.cwasm"),
};

fn main() -> ExitCode {
    log_processor::cli::run(std::env::args_os(), DEFAULT_GUEST)
}
