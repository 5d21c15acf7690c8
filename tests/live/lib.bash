# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # variables are for the tests
# Variables come from bats.
# shellcheck disable=SC2154
# What the live tests share.  A test starts its targets with `start`, which end with it.

live=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${DUMPKIT_BUILD:=$live/../../build}"
: "${DUMPKIT:=$DUMPKIT_BUILD/dumpkit}"
: "${DUMPKIT_PEERS:=$live/../../build-peers/node_modules}"
targets=$DUMPKIT_BUILD/tests/live/targets
peers=$DUMPKIT_PEERS/minidump/bin/linux-x64
export DUMPKIT DUMPKIT_BUILD PYTHONDONTWRITEBYTECODE=1
export LC_ALL=C.UTF-8

# Everything that a test made outside of its folder is undone here, also when it fails.
PIDS=()
UNDO=()
live_teardown() {
    local pid command
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    PIDS=()
    for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do
        eval "${UNDO[i]}" || true
    done
    UNDO=()
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
}

need() {
    local command
    for command; do
        command -v "$command" >/dev/null || skip "no $command"
    done
}

need_peers() {
    [ -x "$peers/minidump_dump" ] || skip "no minidump_dump (tools/deps.sh check brings it)"
}

fail() {
    printf '%s\n' "$@" >&2
    return 1
}

# Waits until a command succeeds; a minute at most, which no healthy machine takes.
await() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $*"
        sleep 0.02
    done
}

has_line() {
    [ "$(wc -l <"$1")" -ge 1 ]
}

# start NAME ARGS...: runs a target until it is in position; its pid is PID, what it said LINE.
start() {
    LINE=$BATS_TEST_TMPDIR/$1.${#PIDS[@]}.json
    : >"$LINE"
    # Without a redirection of its own, a job in the background has no input.
    "$targets/$1" "${@:2}" <&0 >"$LINE" 2>"$LINE.err" 3>&- &
    PID=$!
    PIDS+=("$PID")
    await has_line "$LINE"
}

# Alike, for any command, which is in position at once.
launch() {
    "$@" >/dev/null 2>&1 3>&- &
    PID=$!
    PIDS+=("$PID")
}

# field PID NAME: a line of /proc/PID/status.
field() {
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" 2>/dev/null
}

has_field() {
    [ "$(field "$1" "$2")" = "$3" ]
}

in_state() {
    case $(field "$1" State) in "$2"*) return 0 ;; esac
    return 1
}

# Pids of the children, dead ones that wait included.
children() {
    ps -o pid= --ppid "$1" | tr -d ' ' || true
}

# What a capture must leave as it was; one line each.
traces() {
    local name task
    for name in State TracerPid Threads SigPnd ShdPnd SigBlk SigIgn SigCgt VmPTE; do
        printf '%s %s\n' "$name" "$(field "$1" "$name")"
    done
    for task in /proc/"$1"/task/*; do
        printf '%s\n' "${task##*/} $(grep -E '^(SigPnd|SigBlk|TracerPid):' "$task/status" | tr -s '\t\n' ' ')"
    done
    printf 'children %s\n' "$(children "$1" | tr '\n' ' ')"
    printf 'maps %s\n' "$(cut -d' ' -f1,2,3 "/proc/$1/maps" | cksum)"
    printf 'files %s\n' "$(readlink "/proc/$1/fd"/* | sort | cksum)"
}

capture() {
    run "$DUMPKIT" capture --no-progress "$@"
}

# capture_ok ARGS...: it succeeds, or the test ends here with what was said.
capture_ok() {
    capture "$@"
    [ "$status" = 0 ] || fail "dumpkit capture $*: status $status" "$output"
}

# sysctl_for_now NAME VALUE: put back by live_teardown.
sysctl_for_now() {
    local path=/proc/sys/${1//.//}
    UNDO+=("echo $(cat "$path") >$path")
    echo "$2" >"$path"
}

# goes_on COUNTER-FILE: waits until each of the four counters of guard has grown.
goes_on() {
    python3 "$live/beats.py" "$1"
}

# As run drgn.  Debian's libkdumpfile uses memory that it has freed when it closes a file, of whatever
# writer; with the runner's MALLOC_PERTURB_, which is for our own program, it dies of that each time.
run_drgn() {
    run env -u MALLOC_PERTURB_ drgn "$@"
}
