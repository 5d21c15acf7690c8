#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make demo`: a program that hangs (demo/hang.c) is captured while it runs, and the dump is checked
# and opened; then a small guest of QEMU is copied and checked.  Leaves nothing behind, however it
# ends.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/${BUILD:-build}
PATH=$build:$build/demo:$PATH
folder=
pid=
guest() {
    DUMPKIT_BUILD=$build python3 "$root/tests/live/guest/guest.py" "$@"
}

clean_up() {
    trap '' INT TERM HUP
    if [ -n "$pid" ]; then
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    if [ -n "$folder" ] && [ -e "$folder/guest/guest.json" ]; then
        guest stop "$folder/guest" || true
    fi
    [ -z "$folder" ] || rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

bold=
dim=
green=
plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m')
    green=$(printf '\033[32m') plain=$(printf '\033[0m')
fi

say() { printf '\n%s# %s%s\n' "$dim" "$*" "$plain"; }

# Shows a command line and runs it.  Status 3, a result that lacks something, is no failure of the
# demo.
run() {
    printf '%s$%s %s%s%s\n' "$green" "$plain" "$bold" "$1" "$plain"
    status=0
    eval "$1" || status=$?
    [ "$status" = 0 ] || [ "$status" = 3 ] || exit "$status"
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/dumpkit-demo.XXXXXX")
cd "$folder"

say "A service hangs: two threads wait for each other's mutexes, one is busy, main waits for them."
run 'hang >said & pid=$!'
tries=0
until grep -q hangs said; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
        echo "demo: the example program did not start" >&2
        exit 1
    fi
    sleep 0.1
done
cat said

say 'What would a dump cost?  This touches nothing.'
run "dumpkit capture pid:$pid -o orders.core --plan"

say 'The dump, while the service runs on.'
run "dumpkit capture pid:$pid -o orders.core --json >capture.json"
run "grep -E '^(State|TracerPid)' /proc/$pid/status"

# It boots while the file is looked at.
if no_guest=$(guest check 2>&1); then
    guest start guest --memory 256 --pattern 16
    no_guest=
fi

say 'Is the file whole?'
run 'dumpkit check orders.core --deep'

say 'Who waits for whom?'
run "dumpkit debug orders.core -c '~*k'"

# closing JSON: what a capture took, in one line.
closing() {
    python3 - "$bold" "$plain" "$1" <<'PYTHON'
import json
import sys

with open(sys.argv[3], encoding="utf-8") as file:
    done = json.load(file)
print("\n%spause %.1f ms, size %.1f MiB, time %.2f s, %s%s" % (
    sys.argv[1], done["pause_ns"] / 1e6, done["outputs"][0]["size_bytes"] / 2**20,
    done["duration_ns"] / 1e9, "complete" if done["complete"] else "NOT complete", sys.argv[2]))
PYTHON
}

closing capture.json

if [ -n "$no_guest" ]; then
    say "A machine would follow, but none can be started here: $no_guest"
    exit 0
fi
say 'Now a whole machine: a small Linux guest in QEMU, which started meanwhile.'
guest wait guest >/dev/null
run 'dumpkit capture qmp:guest/qmp.sock -o guest.kdump --plan'

say 'Its memory at one instant, for crash, drgn and makedumpfile, while the guest runs on.'
run 'dumpkit capture qmp:guest/qmp.sock -o guest.kdump --json >guest.json'
run 'dumpkit info guest.kdump | head -n 14'

say 'Is it whole, and which kernel is it?'
run 'dumpkit check guest.kdump --deep'
closing guest.json
