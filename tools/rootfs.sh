#!/usr/bin/env bash
# Puts the image's root file system together, from parts of this machine:
#
#   tools/rootfs.sh BINARY ROOT
#
# ROOT gets the binary at the image's entry point, the shell and grep for probes,
# the libraries that these need, the roots of trust for TLS, a user who is not
# root, /tmp, and nothing else. The Containerfile's build stage runs this, and so
# does tools/image-check.sh: what is checked is what the image holds.
set -euo pipefail

USER_ID=65532

fail() {
    printf 'rootfs: %s\n' "$@" >&2
    exit 1
}

# What a program is linked with, and its loader: a path a line.
libraries() {
    local found
    found="$(ldd "$1")" || fail "$1 is not linked dynamically: $found"
    if grep -q 'not found' <<<"$found"; then fail "libraries of $1 are missing:" "$found"; fi
    awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' <<<"$found"
}

# Puts FILE at PATH in the root, with the libraries that it needs where it looks for them.
program() {
    local file="$1" path="$2" needed library
    needed="$(libraries "$file")"
    install -D -m 755 "$file" "$root$path"
    while read -r library; do
        [[ -e "$root$library" ]] || install -D -m 755 "$library" "$root$library"
    done <<<"$needed"
}

if [[ $# -ne 2 ]]; then
    echo "usage: $0 BINARY ROOT" >&2
    exit 2
fi
binary="$1"
root="$2"
certificates=/etc/ssl/certs/ca-certificates.crt
[[ -x "$binary" ]] || fail "there is no program at $binary" 'remedy: make build'
[[ ! -e "$root" ]] || fail "$root is there already" 'remedy: remove it, or name another folder'
[[ -s "$certificates" ]] || fail "$certificates is missing" 'remedy, on Debian as root: apt-get install ca-certificates'
command -v strip >/dev/null || fail 'strip is missing' 'remedy, on Debian as root: apt-get install binutils'

umask 022
# /proc and /dev are where a container engine mounts its own.
mkdir -p "$root"/{etc,proc,dev}
install -d -m 1777 "$root/tmp"
program "$binary" /usr/local/bin/log-processor
strip "$root/usr/local/bin/log-processor"
program /bin/sh /bin/sh
program /bin/grep /bin/grep
install -D -m 644 "$certificates" "$root$certificates"
echo "nonroot:x:$USER_ID:$USER_ID::/:/bin/sh" >"$root/etc/passwd"
