#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own, and is meant to be
# shellcheck disable=SC2016,SC2154,SC2164 # gdb's $, names of lib.bash, set -e
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154,SC2164
# check: limit=600
# A capture leaves the target as it was.

load lib.bash

teardown() {
    live_teardown
    rm -f "/dev/shm/dumpkit-zoo-$PID"
}

# The same before and behind; page tables may shrink by chance, never grow.
compare_traces() { # BEFORE AFTER
    local was is
    was=$(awk '$1 == "VmPTE" {print $2}' "$1")
    is=$(awk '$1 == "VmPTE" {print $2}' "$2")
    [ "$is" -le "$was" ] || fail "page tables grew from $was to $is KiB"
    diff <(grep -v ^VmPTE "$1") <(grep -v ^VmPTE "$2")
}

@test "no child, no thread, no tracer, no signal, no mapping, no file, no page table stays" {
    mkdir "$BATS_TEST_TMPDIR/zoo"
    start zoo "$BATS_TEST_TMPDIR/zoo"
    await has_field "$PID" Threads 4
    cd "$BATS_TEST_TMPDIR"
    traces "$PID" >before
    local args
    for args in "--method snapshot" "--method stop" "--level mini" "--zstd --format minidump"; do
        # shellcheck disable=SC2086 # words
        capture_ok "pid:$PID" -f -o x.core $args
        traces "$PID" >after
        # The spinning thread makes the leader's state no news; nobody may be stopped.
        compare_traces before after
    done
}

@test "registers, stacks and memory are as before a capture" {
    need gdb
    mkdir "$BATS_TEST_TMPDIR/zoo"
    DKENV=DKENVSECRET start zoo "$BATS_TEST_TMPDIR/zoo"
    await has_field "$PID" Threads 4
    cd "$BATS_TEST_TMPDIR"
    for method in snapshot stop snapshot; do
        capture_ok "pid:$PID" --method $method -f -o x.core
    done
    # What another program takes of it now.
    gdb -nx -batch -p "$PID" -ex "gcore after.core" >/dev/null 2>&1
    python3 "$live/agree.py" gdb "$LINE" after.core full
}

@test "a socket that the target closes while its copy is read is closed" {
    need_root
    mkfifo "$BATS_TEST_TMPDIR/orders"
    sleep 600 >"$BATS_TEST_TMPDIR/orders" 3>&- &
    PIDS+=($!)
    start peer 300 <"$BATS_TEST_TMPDIR/orders"
    run python3 - "$DUMPKIT" "$PID" "$LINE" "$BATS_TEST_TMPDIR/orders" <<'END'
import json, os, re, socket, subprocess, sys, time

dumpkit, pid, line, orders = sys.argv[1:5]
connection = socket.create_connection(("127.0.0.1", json.load(open(line))["port"]))
connection.settimeout(60)
# Nobody reads the output for now, so the capture is not done before the socket is closed.
process = subprocess.Popen([dumpkit, "capture", f"pid:{pid}", "-q", "--method", "snapshot", "-o", "-"],
                           stdout=subprocess.PIPE)
process.stdout.read(4096)

def copies():
    """Processes of the target's program that somebody traces: the copy."""
    found = []
    for name in os.listdir("/proc"):
        try:
            status = open(f"/proc/{name}/status").read() if name.isdigit() else ""
            if "Name:\tpeer\n" in status and not re.search(r"TracerPid:\t0\n", status):
                found.append(int(name))
        except OSError:
            pass
    return found

assert copies(), "there is no copy"
with open(orders, "w") as file:
    file.write("close\n")
text = connection.recv(1)
assert text == b"", text
assert process.poll() is None and copies(), "the capture was over already"
while process.stdout.read(1 << 20):
    pass
assert process.wait() == 0
print("the peer saw the end")
END
    [ "$status" = 0 ] || fail "$output"
    [[ $output == *"the peer saw the end"* ]]
}

@test "system calls that wait go on as if nothing had been" {
    mkfifo "$BATS_TEST_TMPDIR/orders"
    sleep 600 >"$BATS_TEST_TMPDIR/orders" 3>&- &
    PIDS+=($!)
    start sleeper <"$BATS_TEST_TMPDIR/orders"
    cd "$BATS_TEST_TMPDIR"
    for method in snapshot stop snapshot stop; do
        capture_ok "pid:$PID" --method $method -f -o x.core
    done
    echo wake >orders
    status=0
    wait "$PID" || status=$?
    cat "$LINE.err" >&2
    [ "$status" = 0 ]
    [ "$(tail -n1 "$LINE")" = awake ]
}

@test "epoll_wait and sigwaitinfo go on, too, which a mere stop makes fail on Linux" {
    mkfifo "$BATS_TEST_TMPDIR/orders"
    sleep 600 >"$BATS_TEST_TMPDIR/orders" 3>&- &
    PIDS+=($!)
    start sleeper all <"$BATS_TEST_TMPDIR/orders"
    cd "$BATS_TEST_TMPDIR"
    for method in snapshot stop; do
        capture_ok "pid:$PID" --method $method -f -o x.core
    done
    echo wake >orders
    status=0
    wait "$PID" || status=$?
    cat "$LINE.err" >&2
    [ "$status" = 0 ]
}

@test "no signal is lost or delivered twice (defect 6)" {
    mkfifo "$BATS_TEST_TMPDIR/orders"
    sleep 600 >"$BATS_TEST_TMPDIR/orders" 3>&- &
    PIDS+=($!)
    start signals <"$BATS_TEST_TMPDIR/orders"
    cd "$BATS_TEST_TMPDIR"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        capture_ok "pid:$PID" -f -o x.core
        capture_ok "pid:$PID" -f -o x.core --method stop
    done
    echo end >orders
    status=0
    wait "$PID" || status=$?
    cat "$LINE.err" >&2
    [ "$status" = 0 ]
    [[ "$(tail -n1 "$LINE")" == *rounds ]]
}

@test "--plan and a refusal by --max-stop do not touch the target" {
    start peer 64
    cd "$BATS_TEST_TMPDIR"
    switches() {
        grep ctxt /proc/"$PID"/task/*/status
        cat /proc/"$PID"/task/*/schedstat
    }
    switches >before
    capture_ok "pid:$PID" --plan
    [[ $output == *snapshot* ]]
    capture "pid:$PID" --max-stop 0 -o x.core
    [ "$status" = 1 ]
    [[ $output == *"not touched"* ]]
    switches | diff before -
    [ ! -e x.core ]
    capture_ok "pid:$PID" --max-stop 60000 -o x.core
    # Now it was, or the comparison above could not fail.
    if switches | diff -q before -; then false; fi
}
