#!/usr/bin/env bash
# Gets a container registry for the tests: FOLDER/docker-registry, the binary of
# Debian's package docker-registry. It is only unpacked, so root isn't needed, and
# no service is started.
#
#   tools/setup-registry.sh FOLDER
#
# DOCKER_REGISTRY=PATH takes another one; so does a docker-registry on the PATH.
set -euo pipefail

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

[[ $# -eq 1 ]] || fail 'expected a folder'
mkdir -p "$1"
folder="$(realpath "$1")"
binary="$folder/docker-registry"

if installed="${DOCKER_REGISTRY:-$(command -v docker-registry)}" && [[ -x "$installed" ]]; then
    ln -sf "$(realpath "$installed")" "$binary"
else
    remedy='remedy: apt-get install docker-registry (as root), or set DOCKER_REGISTRY to the binary of one'
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        fail 'there is no docker-registry, which the tests need, and no apt-get to get it with' "$remedy"
    printf 'setup: about to download the Debian package docker-registry (5 MB) into %s\n' "$folder" >&2
    rm -f "$folder"/docker-registry_*.deb
    # Where apt's own lists are missing or old, lists of ours: that needs no root either.
    own=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
    (cd "$folder" && apt-get download -q docker-registry >&2) || {
        mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
        apt-get "${own[@]}" update -q >&2 && (cd "$folder" && apt-get "${own[@]}" download -q docker-registry >&2)
    } || fail 'the package docker-registry could not be downloaded' "$remedy"
    rm -rf "$folder/lists" "$folder/cache"
    dpkg -x "$folder"/docker-registry_*.deb "$folder/package"
    rm "$folder"/docker-registry_*.deb
    ln -sf package/usr/bin/docker-registry "$binary"
fi

"$binary" --version >/dev/null || fail "$binary does not run" 'remedy: remove it, or set DOCKER_REGISTRY'
