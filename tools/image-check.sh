#!/usr/bin/env bash
# Checks the image without a container engine:
#
#   tools/image-check.sh BINARY CORPUS
#
# assembles its root with tools/rootfs.sh and enters it as an engine would: the
# Containerfile's user, entry point and command, as process 1, with an environment
# of its own. There it runs the probes that manifests have, `local` on the demo's
# logs, and a Lambda's first invocation. BINARY is the log-processor, CORPUS the
# program that makes the demo.
#
# As root, the files belong to root and the user is the real one; anybody else
# needs user namespaces, where one user stands for both.
set -euo pipefail

passed() { printf '  ok       %s\n' "$*"; }
skipped() { printf '  skipped  %s\n' "$*"; }
fail() {
    printf 'image-check: %s\n' "$@" >&2
    exit 1
}

# The words of the Containerfile's last INSTRUCTION of this name, a line each.
instruction() {
    python3 - "$1" <<'PYTHON'
import json, sys
values = [line.split(None, 1)[1].strip() for line in open("Containerfile") if line.startswith(sys.argv[1] + " ")]
print(*(json.loads(values[-1]) if values[-1].startswith("[") else [values[-1]]), sep="\n")
PYTHON
}

# In the new namespaces: what an engine mounts, then the program in place of this shell.
inside() {
    set -e
    if [[ ${#spaces[@]} -gt 0 ]]; then
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
    fi
    if [[ -n "$probe" ]]; then
        # From beside the program, until it passes or process 1 ends; after its start,
        # which is measured.
        {
            until sleep 0.2 && "${change[@]}" /bin/sh -c "$probe"; do :; done
            touch "$work/probed"
        } &
    fi
    echo "$EPOCHREALTIME" >"$work/started"
    exec env -i "${environment[@]}" "${change[@]}" "$@"
}

# Runs a command in the root, in `environment`, with `probe` beside it where there is one.
enter() {
    local carried
    carried="$(declare -p root work spaces change environment probe && declare -f inside)"
    "${spaces[@]}" bash -c "$carried; inside \"\$@\"" - "$@"
}

# Finds out how this machine lets us in.
find_way_in() {
    if [[ $EUID -eq 0 ]]; then
        spaces=(unshare --mount --pid --fork --kill-child)
        change=("$(command -v chroot)" --userspec="$user" "$root")
    else
        spaces=(unshare --map-root-user --mount --pid --fork --kill-child)
        change=(unshare --map-user="${user%:*}" --map-group="${user#*:}" --root="$root")
    fi
    if enter /bin/sh -c : 2>"$work/way-in"; then return; fi
    [[ $EUID -eq 0 ]] || fail "the root can't be entered here by a user who is not root:" "$(<"$work/way-in")" \
        'remedy: run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1;' \
        'on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)'
    spaces=()
    enter /bin/sh -c : || fail "the root can't be entered: see above"
}

# What the build stage copies is all that its build asks for.
check_sources() {
    local sources
    read -r -d '' -a sources < <(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Containerfile) || true
    mkdir "$work/sources"
    cp -r --parents "${sources[@]}" "$work/sources"
    # A source folder that isn't there is no error to make: its `find` says so.
    if ! (
        cd "$work/sources" &&
            cargo metadata --locked --offline --no-deps --format-version 1 >/dev/null && make --dry-run dist >/dev/null
    ) 2>"$work/sources.log" || grep -q 'No such file' "$work/sources.log"; then
        fail "the Containerfile doesn't copy all that \`make dist\` needs:" "$(<"$work/sources.log")" \
            'remedy: name what is missing there in a COPY'
    fi
    passed "the Containerfile copies what \`make dist\` needs"
}

check_files() {
    local odd
    [[ "${user%:*}" =~ ^[1-9][0-9]*$ ]] || fail "the Containerfile's USER is $user, not a number above 0"
    # Links have no mode of their own.
    odd="$(find "$root" ! -type l \( -perm /022 -o ! -uid "$EUID" \) ! -path "$root/tmp")"
    [[ -z "$odd" ]] || fail 'these can be written by others than their owner:' "$odd"
    [[ "$(stat -c %a "$root/tmp")" == 1777 ]] || fail '/tmp is not for everybody (mode 1777)'
    passed "$(find "$root" -type f | wc -l) files, $(du -sh --apparent-size "$root" | cut -f 1) in all, of which the" \
        "program $(du -h --apparent-size "$root${entry[0]}" | cut -f 1); only their owner can write them"
}

check_shell() {
    enter /bin/sh -c 'grep -q . /etc/passwd' || fail "a probe with /bin/sh and grep fails"
    enter /bin/sh -c "grep -q ':${user}:' /etc/passwd" || fail "/etc/passwd has no user $user"
    enter /bin/sh -c 'grep -q "BEGIN CERTIFICATE" /etc/ssl/certs/ca-certificates.crt' ||
        fail 'there are no roots for TLS'
    passed 'a probe with /bin/sh and grep; the user; the roots for TLS'
    if [[ $EUID -ne 0 ]]; then
        skipped 'trying to write as that user: only root can give files to root'
        return
    fi
    # shellcheck disable=SC2016 # for the inner shell
    enter /bin/sh -c 'for file in /new /etc/passwd /usr/local/bin/log-processor /usr/local/bin/new; do
        if (echo >"$file") 2>&-; then echo "$file can be written" >&2; exit 1; fi
    done; echo >/tmp/new' || fail 'the user may write more than /tmp, or not even that'
    passed "user $user can write to /tmp and nowhere else"
}

# The same logs in the image and outside: what comes out is the same, but for hidden
# files, in which a run keeps its own state.
check_local() {
    local output
    "$corpus" demo "$root/tmp/demo" >/dev/null
    chmod -R a+rX "$root/tmp/demo"
    mkdir "$work/outside"
    "$binary" local --objects "$root/tmp/demo/objects" --tenants "$root/tmp/demo/tenants.yaml" \
        --output "$work/outside" --report "$work/outside.json" >/dev/null 2>&1 || fail 'it fails outside the image too'
    output="$(enter "${entry[@]}" "${command[@]}" local --objects /tmp/demo/objects --tenants /tmp/demo/tenants.yaml \
        --output /tmp/output --report /tmp/report.json 2>&1)" || fail "\`local\` ends with exit code $?:" "$output"
    diff -rq --exclude='.*' "$work/outside" "$root/tmp/output" >&2 ||
        fail 'its output differs from that outside the image'
    # What was measured differs.
    diff <(grep -v '"milliseconds"' "$work/outside.json") <(grep -v '"milliseconds"' "$root/tmp/report.json") >&2 ||
        fail 'its report differs from that outside the image'
    passed "\`local\` delivers the demo's logs as it does outside: $(find "$root/tmp/output" -type f | wc -l) files"
}

# Puts the next line that the runtime API prints into `said`.
api_says() {
    local second
    for ((second = 0; second < 20; second++)); do
        if read -r -t 1 -u "${API[0]}" said; then return; fi
        [[ -z "$processor" ]] || kill -0 "$processor" 2>/dev/null || break
    done
    fail "$1" "$(cat "$work/lambda.log" 2>/dev/null)"
}

# The environment that Lambda gives, and whatever an operator must set.
lambda_environment() {
    environment=(
        AWS_LAMBDA_RUNTIME_API="$1" AWS_LAMBDA_FUNCTION_NAME=log-processor AWS_LAMBDA_FUNCTION_VERSION=1
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512 AWS_LAMBDA_INITIALIZATION_TYPE=on-demand
        AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/log-processor AWS_LAMBDA_LOG_STREAM_NAME=check
        AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
        AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=example AWS_SESSION_TOKEN=example
        PATH=/usr/local/bin:/usr/bin:/bin TZ=:UTC LANG=en_US.UTF-8
        TENANT_CONFIG_TABLE=tenants
        CENTRAL_LOG_DISTRIBUTION_ROLE_ARN=arn:aws:iam::111122223333:role/central
        SQS_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/111122223333/logs
    )
}

check_lambda() {
    local said polled waited=0
    coproc API { exec python3 tests/e2e/runtime_api.py --events - --timeout 20 2>&1; }
    api_says 'the stand-in for the runtime API does not start'
    # By a name, so that the libraries that look names up are there; engines write this file.
    echo '127.0.0.1 runtime.test' >"$root/etc/hosts"
    lambda_environment "runtime.test:${said##*:}"
    if [[ ${#spaces[@]} -gt 0 ]]; then
        probe="grep -q ${entry[0]##*/} /proc/1/cmdline && grep -q '^Name:.${entry[0]##*/}' /proc/1/status &&
            grep -q '^Uid:.${user%:*}.${user%:*}.${user%:*}' /proc/1/status"
    fi
    enter "${entry[@]}" "${command[@]}" >"$work/lambda.log" 2>&1 &
    processor=$!
    echo '{"Records":[]}' >&"${API[1]}"
    api_says 'as a Lambda it asks for no event:'
    [[ "$said" == 'first poll at '* ]] || fail "as a Lambda it asks for no event: $said" "$(<"$work/lambda.log")"
    polled="${said##* }"
    api_says 'as a Lambda it gives no answer:'
    [[ "$said" == '{"batchItemFailures":[]}' ]] ||
        fail "as a Lambda it answers no records with $said" "$(<"$work/lambda.log")"
    passed "as a Lambda: a poll $(milliseconds "$(<"$work/started")" "$polled") ms after its start," \
        'and the answer to no records'
    if [[ ${#spaces[@]} -eq 0 ]]; then
        skipped 'probes that read /proc: this machine allows no namespaces, even to root'
        return
    fi
    until [[ -e "$work/probed" ]]; do
        ((waited += 1))
        [[ $waited -le 50 ]] ||
            fail "a probe of process 1 with /bin/sh and grep fails, or it runs as another user than $user"
        sleep 0.1
    done
    passed "a probe of process 1: it is ${entry[0]##*/}, and runs as user ${user%:*}"
}

milliseconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) * 1000 }'; }

clean_up() {
    [[ -z "$processor" ]] || kill -KILL "$processor" 2>/dev/null || true
    [[ -z "${API_PID:-}" ]] || kill "$API_PID" 2>/dev/null || true
}

if [[ $# -ne 2 ]]; then
    echo "usage: $0 BINARY CORPUS" >&2
    exit 2
fi
binary="$(realpath "$1")"
corpus="$(realpath "$2")"
cd "$(dirname "$0")/.."
for tool in unshare chroot python3; do
    command -v "$tool" >/dev/null || fail "$tool is missing" \
        'remedy, on Debian as root: apt-get install util-linux coreutils python3'
done
work="$PWD/target/image-check"
root="$work/root"
rm -rf "$work"
mkdir -p "$work"
user="$(instruction USER)"
mapfile -t entry < <(instruction ENTRYPOINT)
mapfile -t command < <(instruction CMD)
spaces=() change=() environment=() probe='' processor=''
trap clean_up EXIT

tools/rootfs.sh "$binary" "$root"
find_way_in
check_sources
check_files
check_shell
check_local
check_lambda
