#!/usr/bin/env bash
# Runs the unit tests of pure libraries of this workspace as WebAssembly, under
# the wasmtime of target/venv (tools/run-wasi.py):
#
#   tools/test-guest.sh PACKAGE...
#
# by whichever toolchain tools/setup-wasm.sh found or installed.
set -euo pipefail

if [[ $# -eq 0 ]]; then
    echo "usage: $0 PACKAGE..." >&2
    exit 2
fi
cd "$(dirname "$0")/.."
# shellcheck source=tools/setup-wasm.sh
. tools/setup-wasm.sh
toolchain="$(wasm_toolchain)" || fail 'no toolchain for wasm' 'remedy: tools/setup-wasm.sh'
[[ -x target/venv/bin/python3 ]] || fail 'no wasmtime in target/venv' 'remedy: make target/venv/made'

test=(test --locked --lib --target wasm32-wasip1 --target-dir target/wasm)
for package in "$@"; do
    test+=(--package "$package")
done
unset CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS
# By its bare name: cargo splits a runner at spaces, which a path may hold.
PATH="$PWD/tools:$PWD/target/venv/bin:$PATH"
export CARGO_TARGET_WASM32_WASIP1_RUNNER=run-wasi.py
flags='-C target-feature=+simd128'
case "$toolchain" in
    rustup)
        RUSTFLAGS="$flags" cargo "${test[@]}"
        ;;
    debian)
        linker="$(rust_lld)"
        wasi=/usr/lib/wasm32-wasi
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
            CARGO_TARGET_WASM32_WASIP1_LINKER="$linker" \
            RUSTFLAGS="$flags -C link-self-contained=no -C link-arg=$wasi/crt1.o -L native=$wasi -C link-arg=--allow-undefined" \
            /usr/bin/cargo "${test[@]}" -Z build-std=std,panic_abort,panic_unwind,test
        ;;
esac
