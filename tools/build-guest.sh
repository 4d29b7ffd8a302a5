#!/usr/bin/env bash
# Builds a guest of this workspace to a core module, for wasm32-unknown-unknown or
# another target (wasm32-wasip1):
#
#   tools/build-guest.sh PACKAGE OUT.wasm [TARGET]
#
# by whichever toolchain tools/setup-wasm.sh found or installed.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 ]]; then
    echo "usage: $0 PACKAGE OUT.wasm [TARGET]" >&2
    exit 2
fi
package="$1"
out="$(realpath -m "$2")"
cd "$(dirname "$0")/.."
# shellcheck source=tools/setup-wasm.sh
. tools/setup-wasm.sh
toolchain="$(wasm_toolchain)" || fail 'no toolchain for wasm' 'remedy: tools/setup-wasm.sh'

target="${3:-wasm32-unknown-unknown}"
build=(build --locked --release --target "$target" --target-dir target/wasm --package "$package" --lib)
unset CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS
export RUSTFLAGS='-C target-feature=+simd128'
case "$toolchain" in
    rustup) cargo "${build[@]}" ;;
    debian)
        linker="$(rust_lld)"
        if [[ "$target" == wasm32-wasip1 ]]; then
            wasi=/usr/lib/wasm32-wasi
            RUSTFLAGS+=" -C link-self-contained=no -C link-arg=$wasi/crt1-reactor.o -L native=$wasi"
        fi
        # std comes as source, which only an unstable option builds.
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" CARGO_TARGET_WASM32_WASIP1_LINKER="$linker" \
            /usr/bin/cargo "${build[@]}" -Z build-std=std,panic_abort
        ;;
esac
mkdir -p "$(dirname "$out")"
cp "target/wasm/$target/release/${package//-/_}.wasm" "$out"
