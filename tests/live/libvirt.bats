#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2030,SC2031,SC2154,SC2164,SC2317
# check: limit=600 slots=2
# Captures and triggers of a guest by its name in libvirt.  The daemon is the tests' own.

load lib
load guest/guest

GUEST_PAGES=8192

setup_file() {
    load lib
    libvirt_py=$live/guest/libvirt-guest.py
    python3 "$libvirt_py" check >/dev/null 2>&1 || return 0
    # The daemon's user goes through all folders above it.
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    export GUEST=$BATS_FILE_TMPDIR/g
    python3 "$libvirt_py" start "$GUEST" "night shift" 3>&-
    python3 "$libvirt_py" wait "$GUEST"
    LIBVIRT_URI=$(python3 "$libvirt_py" uri "$GUEST")
    export LIBVIRT_URI
}

teardown_file() {
    load lib
    [ -z "${GUEST:-}" ] || python3 "$live/guest/libvirt-guest.py" stop "$GUEST"
}

setup() {
    bats_require_minimum_version 1.5.0
    local why
    libvirt_py=$live/guest/libvirt-guest.py
    why=$(python3 "$libvirt_py" check 2>&1) || skip "$why"
    target="libvirt:night shift"
    raw=$BATS_TEST_TMPDIR/memory.raw
    as_owner=()
    if [ "$(id -u)" = 0 ]; then
        as_owner=(setpriv --reuid 65534 --regid 65534 --clear-groups)
        chmod a+x "$BATS_TEST_TMPDIR"
        mkdir "$BATS_TEST_TMPDIR/owner"
        chown 65534:65534 "$BATS_TEST_TMPDIR/owner"
        raw=$BATS_TEST_TMPDIR/owner/memory.raw
    fi
}

teardown() {
    live_teardown
}

virsh() {
    command virsh -q -c "$LIBVIRT_URI" "$@"
}

state() {
    virsh domstate "night shift" | head -1
}

monitor() {
    virsh qemu-monitor-command "night shift" "{\"execute\": \"$1\"}"
}

# The daemon opens our pipe by /proc, which its user must be allowed to: a daemon of root is.
capture() {
    "${as_owner[@]}" "$DUMPKIT" capture "$target" --connect "$LIBVIRT_URI" -o "$raw" --force "$@"
}

capture_well() {
    run -0 capture --format raw --method "$1" --json
    [ "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["method"])' "$output")" = "$1" ]
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" 0 "$raw"
}

@test "the plan says which way is taken, and touches nothing" {
    run -0 capture --plan
    [[ $output == *"night shift: running, QEMU "* ]]
    [[ $output == *"stop      yes"* ]]
    [[ $output == *"dump      yes"* ]]
    [ "$(state)" = running ]
    [ ! -e "$raw" ]
}

@test "a domain is found by name, id and UUID, and what is not there is said" {
    local word
    for word in "$(virsh domid "night shift")" "$(virsh domuuid "night shift")"; do
        target=libvirt:$word
        run -0 capture --plan
        [[ $output == *"night shift: running"* ]]
    done
    target=libvirt:nobody-here
    run -1 capture --plan
    [[ $output == *"nobody-here"* ]]
    virsh define /dev/stdin <<<"<domain type='qemu'><name>off</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    target=libvirt:off
    run -1 capture --plan
    [[ $output == *"does not run"* ]]
    virsh undefine off
    run -1 "$DUMPKIT" capture libvirt:x --connect "qemu+unix:///session?socket=$BATS_TEST_TMPDIR/none" --plan
    [[ $output == *"$BATS_TEST_TMPDIR/none"* ]]
}

@test "stop: every page at its place, registers, the guest runs on" {
    capture_well stop
    [ "$(state)" = running ]
    run -0 capture --format elf --method stop
    run -0 "$DUMPKIT" info "$raw" --json
    python3 -c '
import json, sys
text = sys.argv[1]
assert "\"cr3\"" in text and "pc 0xffff" in text, text' "$output"
}

@test "dump: libvirt's own, through a pipe, every page at its place" {
    capture_well dump
    [ "$(state)" = running ]
    [[ $(virsh domjobinfo "night shift") == *None* ]]
}

@test "snapshot: every page at its place" {
    [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 1 ] ||
        skip "vm.unprivileged_userfaultfd is 0, so QEMU cannot make snapshots here"
    capture_well snapshot
    [ "$(state)" = running ]
}

@test "a method that QEMU refuses is followed by the next" {
    [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ] || skip "QEMU can make snapshots here"
    run -0 capture --format raw --json
    [[ $output == *'"method" : "stop"'* ]]
    [[ $output == *"snapshot"*"failed"* ]]
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" 0 "$raw"
}

@test "a guest that is paused stays paused" {
    local method
    virsh suspend "night shift"
    for method in stop dump; do
        capture_well "$method"
        [ "$(state)" = paused ]
    done
    virsh resume "night shift"
    [ "$(state)" = running ]
}

@test "a job of libvirt is named and left alone" {
    local fifo=$BATS_TEST_TMPDIR/fifo
    mkfifo -m 666 "$fifo"
    # A reader that does not read, so that the dump stands when the pipe is full.
    (exec <"$fifo" && exec sleep 120) 3>&- &
    PIDS+=($!)
    virsh dump "night shift" "$fifo" --memory-only 3>&- &
    PIDS+=($!)
    has_job() { [[ $(virsh domjobinfo "night shift") != *None* ]]; }
    await has_job
    run -1 capture
    [[ $output == *"libvirt runs a job: dump"* ]]
    cat "$fifo" >"$BATS_TEST_TMPDIR/theirs"
    wait "${PIDS[1]}"
    head -c 4 "$BATS_TEST_TMPDIR/theirs" | grep -q ELF
    [ "$(state)" = running ]
}

@test "dumpkit is killed in the middle: the guest runs on" {
    local i method pid
    quiet() { ! pgrep -f "guardian $target" >/dev/null; }
    runs() { [ "$(state)" = running ]; }
    no_job() { [[ $(virsh domjobinfo "night shift") == *None* ]]; }
    for i in {1..12}; do
        method=stop
        [ $((i % 2)) = 0 ] || method=dump
        "${as_owner[@]}" "$DUMPKIT" capture "$target" --connect "$LIBVIRT_URI" -o "$raw" --force \
            --method "$method" -q 2>/dev/null 3>&- &
        pid=$!
        sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        await quiet
        await runs
        await no_job
        [[ $(monitor query-status) == *'"running":true'* ]]
    done
    capture_well stop
}

@test "the daemon is started anew while the guest stands still: the guardian lets it run on" {
    # The reader of the output holds dumpkit, and so the guest.
    local fifo=$BATS_TEST_TMPDIR/out
    mkfifo -m 666 "$fifo"
    "${as_owner[@]}" "$DUMPKIT" capture "$target" --connect "$LIBVIRT_URI" --method stop --format raw \
        -o - >"$fifo" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    PIDS+=($!)
    exec 4<"$fifo"
    stands() { [ "$(state)" = paused ]; }
    await stands
    python3 "$libvirt_py" restart "$GUEST" 3>&- 4<&-
    runs() { [ "$(state)" = running ]; }
    await runs
    cat <&4 >/dev/null
    exec 4<&-
    # What was read since then may be of another time.
    local code=0
    wait "${PIDS[0]}" || code=$?
    [ "$code" = 1 ]
    cat "$BATS_TEST_TMPDIR/said"
}

@test "trigger: a real panic by NMI, then a reset" {
    run -0 "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" nmi --plan
    [ "$output" = '{"execute":"inject-nmi"}' ]
    run -0 "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" nmi --yes --wait --timeout 60 \
        --serial "$GUEST/console.log"
    [[ $output == *"Kernel panic - not syncing: NMI"* ]]
    [[ $output == *": panicked" ]]
    run -0 "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" reset --yes --wait --timeout 60
    [[ $output == *": rebooted" ]]
    again() { [ "$(grep -c 'guest: ready' "$GUEST/console.log")" = 2 ]; }
    await again
}

@test "trigger: keys reach the guest" {
    run -0 "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" keys alt+sysrq+c --yes --wait \
        --timeout 60 --serial "$GUEST/console.log"
    [[ $output == *"sysrq triggered crash"* ]]
}

@test "the guest ends in the middle: said so" {
    # Until it is up: firmware resets the machine once more, which the next command would report.
    local before
    before=$(grep -c 'guest: ready' "$GUEST/console.log" || true)
    run -0 "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" reset --yes
    up() { [ "$(grep -c 'guest: ready' "$GUEST/console.log")" -gt "$before" ]; }
    await up
    "$DUMPKIT" trigger "$target" --connect "$LIBVIRT_URI" keys a --yes --wait --timeout 60 \
        >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    PIDS+=($!)
    sleep 1
    virsh destroy "night shift"
    wait "${PIDS[0]}"
    cat "$BATS_TEST_TMPDIR/said"
    grep -q ": stopped" "$BATS_TEST_TMPDIR/said"
}
