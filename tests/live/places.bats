#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own, and is meant to be
# shellcheck disable=SC2016,SC2154,SC2164 # gdb's $, names of lib.bash, set -e
# check: limit=600
# Targets in unusual places: namespaces, a root of their own, cgroups at their limits, seccomp, 32
# bits, no library at all; and check --deep on what is captured.

load lib.bash

teardown() {
    live_teardown
}

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# The pid, as we see it, of the only process called NAME that runs below PID.
find_below() { # NAME PID
    local pid
    for pid in $(children "$2"); do
        [ "$(cat "/proc/$pid/comm")" = "$1" ] && FOUND=$pid && return 0
        find_below "$1" "$pid" && return 0
    done
    return 1
}

method_is() { # METHOD WORDS
    [[ $output == *"method $1: "*"$2"* ]] || fail "no method $1 for \"$2\": $output"
}

@test "own pid and mount namespaces: right names, pids of both sides, a right dump" {
    need_root
    need unshare gdb
    unshare --pid --mount --fork --kill-child true 2>/dev/null || skip "no namespaces here"
    mkdir -p hidden
    cat >inside.sh <<END
mount -t proc proc /proc
mount -t tmpfs tmpfs hidden
cp "$targets/many-threads" hidden/boxed
exec hidden/boxed 5
END
    : >line
    unshare --pid --mount --fork --kill-child sh inside.sh >line 3>&- &
    PIDS+=($!)
    local top=$!
    await has_line line
    find_below boxed "$top"
    [ ! -e hidden/boxed ]
    for method in snapshot stop; do
        capture_ok "pid:$FOUND" -f -o x.core --method $method
        # Its parent is the namespace's own init: nothing of ours may stay there either.
        has_field "$FOUND" TracerPid 0
        [ -z "$(children "$FOUND")" ]
        [ "$(children "$top")" = "$FOUND" ]
        run "$DUMPKIT" info x.core
        [[ $output == *"$BATS_TEST_TMPDIR/hidden/boxed"* ]]
        "$DUMPKIT" check -q x.core
        # Without the program's file: the memory itself has to do.
        gdb -nx -batch -iex "set debuginfod enabled off" -ex 'thread apply all -q p/x $rbx' \
            -ex "info proc mappings" -c x.core >seen 2>/dev/null
        [ "$(sed -n 's/^\$[0-9]* = //p' seen | sort -u | wc -l)" = 5 ]
        grep -q "$BATS_TEST_TMPDIR/hidden/boxed" seen
        eu-unstrip -n --core=x.core >ids
        grep -q "$(eu-readelf -n "$targets/many-threads" | sed -n 's/.*Build ID: //p')" ids
    done
}

@test "a root directory of its own, where nothing but the program is" {
    need_root
    mkdir -p cage
    cp "$targets/guard-static" cage/
    : >line
    chroot cage /guard-static /beats >line 3>&- &
    PID=$!
    PIDS+=("$PID")
    await has_line line
    for method in snapshot stop; do
        capture_ok "pid:$PID" -f -o x.core -o x.dmp --method $method
        run "$DUMPKIT" info x.core
        [[ $output == *"/guard-static"* ]]
        "$DUMPKIT" check -q x.core
        "$DUMPKIT" check -q x.dmp
    done
    goes_on cage/beats
    has_field "$PID" TracerPid 0
}

# in_cgroup CONTROLLER FILE VALUE COMMAND...: a process in a group of its own with that limit.
in_cgroup() {
    local group=/sys/fs/cgroup/$1/dumpkit-test-$$-$RANDOM
    mkdir "$group" 2>/dev/null || skip "no cgroup (version 1) $1 here"
    UNDO+=("rmdir_when_empty $group")
    echo "$3" >"$group/$2"
    : >line
    sh -c "echo \$\$ >$group/cgroup.procs; exec \"\$@\"" sh "${@:4}" >line 3>&- &
    PID=$!
    PIDS+=("$PID")
    await has_line line
}

rmdir_when_empty() {
    await rmdir "$1" 2>/dev/null
}

@test "a cgroup at its limit of processes: stop and copy, and the plan says why" {
    need_root
    in_cgroup pids pids.max 4 "$targets/guard" beats
    capture_ok "pid:$PID" --plan
    [[ $output == *stop*pids* ]]
    capture_ok "pid:$PID" -o x.core
    method_is stop pids
    "$DUMPKIT" check -q x.core
    goes_on beats
    run "$DUMPKIT" capture "pid:$PID" --method snapshot -o y.core
    [ "$status" = 1 ]
    [ ! -e y.core ]
}

@test "a cgroup at its limit of memory: stop and copy, and nobody is killed" {
    need_root
    in_cgroup memory memory.limit_in_bytes $((96 << 20)) "$targets/peer" 80
    capture_ok "pid:$PID" -o x.core
    method_is stop memory
    "$DUMPKIT" check -q x.core
    in_state "$PID" S
}

@test "under seccomp: stop and copy, and the target lives" {
    for mode in strict filter; do
        start confined $mode
        capture_ok "pid:$PID" -f -o x.core
        method_is stop seccomp
        "$DUMPKIT" check -q x.core
        has_field "$PID" TracerPid 0
        in_state "$PID" S
        run "$DUMPKIT" capture "pid:$PID" --method snapshot -o y.core
        [ "$status" = 1 ]
        [[ $output == *seccomp* ]]
    done
}

@test "a 32-bit program: stop and copy, and gdb reads it" {
    need gdb
    [ -x "$targets/i386" ] || skip "no 32-bit compiler"
    start i386
    capture_ok "pid:$PID" -o x.core
    method_is stop 32-bit
    run gdb -nx -batch -iex "set debuginfod enabled off" -ex 'p/x *(int *)&known' -ex 'p $eax' \
        "$targets/i386" x.core
    [[ $output == *0x32b17e57* ]] || fail "$output"
    in_state "$PID" S
}

@test "a static program watches itself through captures of both methods" {
    start guard-static "$BATS_TEST_TMPDIR/beats"
    for method in snapshot stop snapshot stop; do
        capture_ok "pid:$PID" -f -o x.core --method $method
        goes_on beats
    done
    [ -z "$(children "$PID")" ]
}

@test "check calls every capture complete; check --deep finds any changed byte" {
    start guard "$BATS_TEST_TMPDIR/beats"
    capture_ok "pid:$PID" -o x.core -o x.dmp -o y.core.zst -o y.dmp.zst
    run python3 - "$DUMPKIT" x.core x.dmp y.core.zst y.dmp.zst <<'END'
import os, random, subprocess, sys

dumpkit = sys.argv[1]
random.seed(20)

def check(path):
    return subprocess.run([dumpkit, "check", "--deep", path], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)

for path in sys.argv[2:]:
    done = check(path)
    assert done.returncode == 0, (path, done)
    size = os.path.getsize(path)
    for _ in range(12):
        at = random.randrange(size)
        bit = 1 << random.randrange(8)
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ bit]))
        done = check(path)
        assert done.returncode in (1, 3), f"{path}: bit {bit:#x} of byte {at} of {size} is changed, and: {done}"
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([byte]))
    assert check(path).returncode == 0
END
    [ "$status" = 0 ] || fail "$output"
}
