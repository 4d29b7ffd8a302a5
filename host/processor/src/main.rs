//! The binary: the library's command line, with the default guest embedded.

use std::process::ExitCode;

use sandbox::Precompiled;

/// The default guest, made by `make guest`; a build without it fails here.
// SAFETY: the machine code is what `guests/build` wrote with `Engine::precompile`, in the
// build that embeds it here; what can write to target/ could change this program itself.
#[expect(unsafe_code, reason = "machine code is embedded; see SAFETY")]
const DEFAULT_GUEST: Precompiled<'static> = unsafe {
    Precompiled::new(
        include_bytes!("../../../target/guest/default.wasm"),
        include_bytes!("../../../target/guest/default.cwasm"),
    )
};

fn main() -> ExitCode {
    log_processor::cli::run(std::env::args_os(), DEFAULT_GUEST)
}
