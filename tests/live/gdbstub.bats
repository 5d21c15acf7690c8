#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2030,SC2031,SC2154,SC2164,SC2317
# check: limit=600 slots=2
# Captures of a real guest by QEMU's GDB stub, against what QEMU's monitor says of the same instant.

load lib
load guest/guest

GUEST_PAGES=4096

setup_file() {
    load lib
    load guest/guest
    python3 "$guest_py" check >/dev/null 2>&1 || return 0
    export GUEST=$BATS_FILE_TMPDIR/g
    PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export PORT
    guest_start "$GUEST" --memory 128 --cpus 2 --pattern 16 -- -gdb "tcp:127.0.0.1:$PORT"
    guest_wait "$GUEST"
}

teardown_file() {
    load guest/guest
    [ -z "${GUEST:-}" ] || guest_stop "$GUEST"
}

setup() {
    bats_require_minimum_version 1.5.0
    need_guest
    target=gdb:127.0.0.1:$PORT
}

teardown() {
    live_teardown
}

status_of_guest() {
    guest_qmp "$GUEST" query-status | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

runs() {
    [ "$(status_of_guest)" = running ]
}

stands() {
    [ "$(status_of_guest)" = paused ]
}

@test "the plan does not ask the stub, which would stop the machine" {
    run -0 "$DUMPKIT" capture "$target" --plan
    [[ $output == *"stands until all memory has been read"* ]]
    run -0 "$DUMPKIT" capture gdb:127.0.0.1:1 --plan
    runs
}

@test "memory equals pmemsave, registers equal the monitor's, and the guest runs on" {
    local fifo=$BATS_TEST_TMPDIR/out
    mkfifo "$fifo"
    # The reader of the output holds dumpkit, and so the guest.
    "$DUMPKIT" capture "$target" --format elf -o - >"$fifo" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    PIDS+=($!)
    exec 4<"$fifo"
    await stands
    guest_qmp "$GUEST" pmemsave "{\"val\": 0, \"size\": 134217728, \"filename\": \"$BATS_TEST_TMPDIR/saved\"}"
    guest_qmp "$GUEST" human-monitor-command '{"command-line": "info registers -a"}' >"$BATS_TEST_TMPDIR/registers"
    cat <&4 >"$BATS_TEST_TMPDIR/memory.elf"
    exec 4<&-
    wait "${PIDS[0]}"
    runs
    run -0 "$DUMPKIT" check "$BATS_TEST_TMPDIR/memory.elf"
    "$DUMPKIT" convert "$BATS_TEST_TMPDIR/memory.elf" --format raw -o "$BATS_TEST_TMPDIR/memory.raw"
    python3 - "$BATS_TEST_TMPDIR/memory.raw" "$BATS_TEST_TMPDIR/saved" <<'PY'
import sys
ours, theirs = (open(name, "rb") for name in sys.argv[1:])
ours, theirs = ours.read(128 << 20), theirs.read()
wrong = [at for at in range(0, 128 << 20, 4096)
         if not 0xa0000 <= at < 0xc0000 and ours[at:at + 4096] != theirs[at:at + 4096]]
sys.exit(f"{len(wrong)} pages differ, the first at {wrong[0]:#x}" if wrong else 0)
PY
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" 0 "$BATS_TEST_TMPDIR/memory.raw"
    "$DUMPKIT" info "$BATS_TEST_TMPDIR/memory.elf" --json >"$BATS_TEST_TMPDIR/info"
    python3 - "$BATS_TEST_TMPDIR/info" "$BATS_TEST_TMPDIR/registers" <<'PY'
import json, re, sys
info = json.load(open(sys.argv[1]))
text = json.load(open(sys.argv[2])).split("CPU#")[1:]
assert len(text) == len(info["cpus"]) == 2, info["cpus"]
for ours, theirs in zip(info["cpus"], text):
    for name in ("CR0", "CR2", "CR3", "CR4", "EFER"):
        said = int(re.search(rf"{name}=([0-9a-f]+)", theirs).group(1), 16)
        assert int(ours[name.lower()], 16) == said, (name, ours, theirs)
notes = [note["text"] for note in info["notes"] if note["name"] == "NT_PRSTATUS"]
for note, theirs in zip(notes, text):
    for name, member in (("pc", "RIP"), ("sp", "RSP")):
        said = int(re.search(rf"{member}=([0-9a-f]+)", theirs).group(1), 16)
        assert int(re.search(rf"{name} (0x[0-9a-f]+)", note).group(1), 16) == said, (note, theirs)
PY
}

@test "dumpkit is killed in the middle: the guest runs on, and the stub is free" {
    local pid
    for _ in {1..6}; do
        "$DUMPKIT" capture "$target" --format raw -o "$BATS_TEST_TMPDIR/raw" --force -q 2>/dev/null 3>&- &
        pid=$!
        await stands
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        await runs
    done
    run -0 "$DUMPKIT" capture "$target" --format raw -o "$BATS_TEST_TMPDIR/raw" --force
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" 0 "$BATS_TEST_TMPDIR/raw"
    runs
}

@test "gdb sees virtual memory again when dumpkit has been there" {
    need gdb
    run -0 timeout 60 gdb -batch -nx -ex "target remote 127.0.0.1:$PORT" \
        -ex "maintenance packet qqemu.PhyMemMode" -ex detach
    [[ $output == *'received: "0"'* ]]
    await runs
}

@test "a stub that is not there, and words that make no sense" {
    run -1 "$DUMPKIT" capture gdb:127.0.0.1:1 -o "$BATS_TEST_TMPDIR/none"
    [[ $output == *"gdb:127.0.0.1:1"* ]]
    run -2 "$DUMPKIT" capture gdb:nowhere -o "$BATS_TEST_TMPDIR/none"
    run -2 "$DUMPKIT" capture "$target" --method snapshot -o "$BATS_TEST_TMPDIR/none"
    [ ! -e "$BATS_TEST_TMPDIR/none" ]
    runs
}

@test "QEMU is killed in the middle: said so, and soon" {
    "$DUMPKIT" capture "$target" --format raw -o "$BATS_TEST_TMPDIR/raw" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    local pid=$!
    await stands
    guest_stop "$GUEST"
    ! wait "$pid" || fail "$(cat "$BATS_TEST_TMPDIR/said")"
    grep -q "$target" "$BATS_TEST_TMPDIR/said"
    [ ! -e "$BATS_TEST_TMPDIR/raw" ]
}
