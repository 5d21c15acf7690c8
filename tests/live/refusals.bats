#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own, and is meant to be
# shellcheck disable=SC2016,SC2154,SC2164 # gdb's $, names of lib.bash, set -e
# check: limit=600
# What cannot be done is refused with a reason, leaves no file, and does the target no harm.

load lib.bash

teardown() {
    live_teardown
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir out
}

# refused STATUS TEXT ARGS...: that status, the text in the message, and nothing in out/.
refused() {
    run "$DUMPKIT" capture --no-progress "${@:3}"
    [ "$status" = "$1" ] || fail "status $status, not $1: $output"
    [[ $output == *"$2"* ]] || fail "no \"$2\" in: $output"
    [ -z "$(ls -A out)" ] || fail "left: $(ls -lA out)"
}

start_guard() {
    start guard "$BATS_TEST_TMPDIR/beats"
}

unharmed() {
    goes_on "$BATS_TEST_TMPDIR/beats"
    has_field "$PID" TracerPid 0
    [ -z "$(children "$PID")" ]
}

small_disk() { # SIZE
    mkdir -p small
    mount -t tmpfs -o "size=$1" tmpfs small || skip "tmpfs cannot be mounted here"
    UNDO+=("umount $BATS_TEST_TMPDIR/small")
}

@test "the disk is full: status 1, the path is named, nothing stays, the target goes on" {
    need_root
    small_disk 1m
    start_guard
    local args
    for args in "x.core" "x.dmp" "x.core.zst" "x.dmp.zst" "x.core --method stop"; do
        # shellcheck disable=SC2086 # words
        refused 1 "small/x." "pid:$PID" -o small/$args
        [ -z "$(ls -A small)" ]
        [ "$(df --output=used small | tail -n1)" -eq 0 ]
    done
    unharmed
}

# Captures into what is given, and to a pipe of which the first bytes only are taken: so it cannot
# come to an end before drain.  JOB is its pid.
begin_capture() { # ARGS...
    [ -p pipe ] || mkfifo pipe
    "$DUMPKIT" capture "pid:$PID" -q --no-progress "$@" -o - >pipe 2>err 3>&- &
    JOB=$!
    exec 7<pipe
    head -c 4096 <&7 >begin
}

# Takes the rest; status is that of the capture.
drain() {
    cat begin - <&7 >drained
    exec 7<&-
    status=0
    wait "$JOB" || status=$?
}

@test "the disk fills up in the middle" {
    need_root
    # Before compression nobody knows the size, so nothing can be said at the beginning.
    small_disk 100m
    start peer 120
    refused 1 small/x.core.zst "pid:$PID" -o small/x.core.zst
    [ -z "$(ls -A small)" ]
    live_teardown
    # There is room at first; then a neighbour takes it.
    small_disk 100m
    start peer 64
    begin_capture -o small/x.core
    dd if=/dev/zero of=small/neighbour bs=1M 2>/dev/null || true
    drain
    [ "$status" = 1 ]
    grep small/x.core err
    [ "$(ls -A small)" = neighbour ]
    has_field "$PID" TracerPid 0
    [ -z "$(children "$PID")" ]
}

@test "a limit on the size of files" {
    start_guard
    for file in x.core x.dmp x.core.zst; do
        run bash -c "ulimit -f 100; exec '$DUMPKIT' capture pid:$PID --no-progress -o out/$file"
        [ "$status" = 1 ]
        [[ $output == *out/$file* ]]
        [ -z "$(ls -A out)" ]
    done
    unharmed
}

@test "the output exists; --force replaces it" {
    start_guard
    echo precious >x.core
    run "$DUMPKIT" capture "pid:$PID" -o x.core
    [ "$status" = 1 ]
    [[ $output == *x.core*already*--force* ]]
    [ "$(cat x.core)" = precious ]
    capture_ok "pid:$PID" -o x.core --force
    [ "$(head -c 4 x.core | tail -c 3)" = ELF ]
    [ "$(stat -c %a x.core)" = 600 ]
    [ -z "$(find . -name '*dumpkit*')" ]
    unharmed
}

@test "the directory of the output is missing" {
    start_guard
    refused 1 "out/nowhere/x.core" "pid:$PID" -o out/nowhere/x.core
    unharmed
}

@test "the reader of the output goes away" {
    start_guard
    for args in "" "--zstd" "--format minidump"; do
        # shellcheck disable=SC2086 # words
        { "$DUMPKIT" capture "pid:$PID" --no-progress -o - $args 2>err || echo $? >status; } |
            head -c 100 >/dev/null
        [ "$(cat status)" = 1 ]
        grep -q "standard output" err
    done
    unharmed
}

@test "there is no such process; a thread is none; words that mean nothing" {
    refused 1 "there is no process 4194303" pid:4194303 -o out/x.core
    start_guard
    local thread
    thread=$(ps -L -o lwp= -p "$PID" | tail -n1 | tr -d ' ')
    refused 1 "thread of process $PID" "pid:$thread" -o out/x.core
    refused 1 "no-such-name" name:no-such-name -o out/x.core
    refused 2 "" pid:x -o out/x.core
    refused 2 "" "pid:$PID" --level huge -o out/x.core
    refused 2 "" "pid:$PID" --format pdf -o out/x.core
    refused 2 "" -o out/x.core
}

@test "no permission: the message gives the fix" {
    need_root
    need setpriv
    start_guard
    chmod 777 out
    run setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \
        "$DUMPKIT" capture "pid:$PID" --no-progress -o /tmp/none.core
    [ "$status" = 1 ]
    [[ $output == *"no permission"*"run as root"*cap_sys_ptrace* ]]
    unharmed
}

@test "a zombie, a kernel thread, dumpkit itself" {
    # A parent that does not wait.
    python3 -c '
import os, sys, time
child = os.fork()
if child == 0:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print(child, flush=True)
time.sleep(600)' >zombie 3>&- &
    PIDS+=($!)
    await has_line zombie
    refused 1 "zombie" "pid:$(cat zombie)" -o out/x.core
    if [ "$(cat /proc/2/comm)" = kthreadd ]; then
        refused 1 "kernel thread" pid:2 -o out/x.core
    fi
}

@test "already traced: by whom is said" {
    need strace
    start_guard
    local guard=$PID
    launch strace -f -o /dev/null -p "$guard"
    local strace=$PID
    PID=$guard
    await has_field "$guard" TracerPid "$strace"
    refused 1 "traced by strace (pid $strace)" "pid:$guard" -o out/x.core
    has_field "$guard" TracerPid "$strace"
    # When one thread alone is traced, that shows during the stop.
}

@test "a stopped process is captured and stays stopped" {
    start_guard
    kill -STOP "$PID"
    await in_state "$PID" T
    for args in "" "--method stop" "--format minidump"; do
        # shellcheck disable=SC2086 # words
        capture_ok "pid:$PID" -f -o out/x.core $args
        in_state "$PID" T
        has_field "$PID" TracerPid 0
    done
    kill -CONT "$PID"
    unharmed
}

@test "a target that ends while it is read: status 1 and no file" {
    need_root
    start peer 100
    begin_capture --method stop -o out/x.core
    kill -KILL "$PID"
    drain
    [ "$status" = 1 ]
    grep -q "ended while it was being read" err
    [ -z "$(ls -A out)" ]
}

@test "a target that ends while its copy is read: the dump is whole" {
    need_root
    start peer 100
    begin_capture --method snapshot -o out/x.core
    kill -KILL "$PID"
    wait "$PID" 2>/dev/null || true
    drain
    [ "$status" = 0 ] || fail "$(cat err)"
    "$DUMPKIT" check -q --deep drained
    cmp drained out/x.core
}

@test "a target that ends at any moment: status 1 and no file, or a whole one" {
    local i
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        start_guard
        local method=snapshot
        [ $((i % 2)) = 0 ] || method=stop
        "$DUMPKIT" capture "pid:$PID" -q --no-progress --method $method -o out/x.core 2>err 3>&- &
        local job=$!
        # A moment that differs by the round; any is as good.
        python3 -c "import time; time.sleep($i * 0.003)"
        kill -KILL "$PID"
        wait "$PID" 2>/dev/null || true
        status=0
        wait "$job" || status=$?
        if [ "$status" = 0 ]; then
            "$DUMPKIT" check -q out/x.core
            rm out/x.core
        else
            [ "$status" = 1 ] || fail "status $status: $(cat err)"
            grep -qE 'ended|ending|no process|zombie|gone|No such process' err || fail "$(cat err)"
        fi
        [ -z "$(ls -A out)" ] || fail "left: $(ls -lA out)"
    done
}

@test "a name with several processes is refused with the list; --all takes each" {
    cp "$targets/sparse" ./live-many
    targets=$BATS_TEST_TMPDIR start live-many
    local first=$PID
    targets=$BATS_TEST_TMPDIR start live-many
    refused 2 "--all" name:live-many -o out/x.core
    [[ $output == *"$first"*"$PID"* ]]
    refused 2 "%p" name:live-many --all -o out/x.core
    capture_ok name:live-many --all --level mini -o out/%n.%p.core
    [ "$(ls -A out)" = "$(printf 'live-many.%s.core\n' "$first" "$PID" | sort)" ]
    "$DUMPKIT" check -q "out/live-many.$first.core"
    "$DUMPKIT" check -q "out/live-many.$PID.core"
}

@test "a program that replaces itself over and over is not harmed" {
    echo 'exec sh "$0"' >again
    sh ./again 3>&- &
    local pid=$! i
    PIDS+=("$pid")
    for i in {1..20}; do
        "$DUMPKIT" capture "pid:$pid" -q --no-progress --level mini -f -o out/x.core || true
        kill -0 "$pid" || fail "ended by capture $i"
    done
    rm -f out/x.core
}
