#!/usr/bin/env bash
# Makes sure that guests can be built on this machine.
#
#   tools/setup-wasm.sh           a linker, the wasm targets
#   tools/setup-wasm.sh --checks  also rustfmt and clippy
#
# What is there already is found by looking, so a second run takes no time.
# There are two ways to the targets, tried in this order:
#   rustup  `rustup target add`
#   debian  Debian's newer compiler with the source of std (rustc-web and others)
# WASM_TOOLCHAIN=rustup or =debian allows only the one.
#
# The other scripts source this file for `wasm_toolchain`.
set -euo pipefail

WASM_TARGETS=(wasm32-unknown-unknown wasm32-wasip1)
DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src wasi-libc)
# The workspace's rust-version: what Debian's compiler must be at least.
RUST_MINOR=95

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Where rustc on the PATH keeps its libraries.
sysroot() { rustc --print sysroot; }

has_rustup_targets() {
    local root target
    [[ "${WASM_TOOLCHAIN:-rustup}" == rustup ]] || return 1
    root="$(sysroot)"
    for target in "${WASM_TARGETS[@]}"; do
        compgen -G "$root/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null || return 1
    done
}

has_debian_toolchain() {
    local version
    [[ "${WASM_TOOLCHAIN:-debian}" == debian ]] || return 1
    [[ -x /usr/bin/rustc && -x /usr/bin/cargo ]] || return 1
    [[ -e /usr/lib/rustlib/src/rust/library/std/Cargo.toml ]] || return 1
    [[ -e /usr/lib/wasm32-wasi/crt1.o ]] || return 1
    version="$(/usr/bin/rustc --version)"
    [[ "$version" =~ ^rustc\ 1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= RUST_MINOR))
}

# Prints rustup or debian; fails where guests can't be built yet.
wasm_toolchain() {
    if has_rustup_targets; then
        echo rustup
    elif has_debian_toolchain; then
        echo debian
    else
        return 1
    fi
}

# The linker for Debian's compiler: the one that rustup's brings along.
rust_lld() {
    local host lld
    host="$(rustc -vV | sed -n 's/^host: //p')"
    lld="$(sysroot)/lib/rustlib/$host/bin/rust-lld"
    [[ -x "$lld" ]] || fail "no linker for wasm at $lld" \
        "remedy: install Rust with rustup (https://rustup.rs), whose toolchain has it"
    echo "$lld"
}

# Installs Debian packages, and never removes one for them.
apt_install() {
    local root=() as=root
    command -v apt-get >/dev/null || return 1
    if [[ "$(id -u)" -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            say "root is needed to install $*, and there is no sudo"
            return 1
        fi
        root=(sudo)
        as='root, by sudo'
    fi
    say "about to install these Debian packages (apt-get, as $as): $*"
    if [[ -z "${UPDATED:-}" ]]; then
        "${root[@]}" apt-get update -q >&2 || say 'apt-get update failed; going on with the lists that are there'
        UPDATED=1
    fi
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends --no-remove "$@" >&2
}

setup_rust() {
    if command -v cargo >/dev/null && command -v rustc >/dev/null; then return; fi
    fail 'cargo is not on the PATH' \
        "remedy: install Rust with rustup (https://rustup.rs), then open a new shell or run: . \"\$HOME/.cargo/env\""
}

setup_linker() {
    if command -v cc >/dev/null; then return; fi
    say 'there is no C compiler (cc), which Rust needs to link'
    apt_install gcc libc6-dev || true
    command -v cc >/dev/null || fail 'there is no C compiler (cc)' \
        'remedy: install one, on Debian as root: apt-get install gcc libc6-dev'
}

setup_targets() {
    local tried=()
    if wasm_toolchain >/dev/null; then return; fi
    if [[ "${WASM_TOOLCHAIN:-rustup}" == rustup ]] && command -v rustup >/dev/null; then
        say "about to install for Rust, by rustup: ${WASM_TARGETS[*]}"
        rustup target add "${WASM_TARGETS[@]}" >&2 || true
        if has_rustup_targets; then return; fi
        say 'rustup cannot get them here'
    fi
    tried+=("rustup target add ${WASM_TARGETS[*]}")
    if [[ "${WASM_TOOLCHAIN:-debian}" == debian ]]; then
        tried+=("apt-get install --no-install-recommends ${DEBIAN_PACKAGES[*]}   (as root; Rust 1.$RUST_MINOR or newer)")
        apt_install "${DEBIAN_PACKAGES[@]}" || say 'the packages could not be installed'
        if has_debian_toolchain; then return; fi
    fi
    fail 'this machine cannot build for WebAssembly yet' \
        'remedy: make one of these succeed, then try again:' "${tried[@]/#/    }"
}

setup_components() {
    local part
    for part in fmt clippy; do
        # rustup leaves a proxy even where the component is missing: ask the toolchain.
        if [[ -x "$(sysroot)/bin/cargo-$part" ]]; then continue; fi
        say "about to install for Rust, by rustup: ${part/#fmt/rustfmt}"
        rustup component add "${part/#fmt/rustfmt}" >&2 || fail "cargo $part is missing" \
            "remedy: rustup component add ${part/#fmt/rustfmt}"
    done
}

main() {
    case "${WASM_TOOLCHAIN:-}" in
        '' | rustup | debian) ;;
        *) fail "WASM_TOOLCHAIN is $WASM_TOOLCHAIN" 'remedy: unset it, or set it to rustup or debian' ;;
    esac
    setup_rust
    setup_linker
    setup_targets
    if [[ "${1:-}" == --checks ]]; then
        setup_components
    fi
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    cd "$(dirname "$0")/.."
    main "$@"
fi
