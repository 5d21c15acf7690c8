#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own, and is meant to be
# shellcheck disable=SC2016,SC2154,SC2164 # gdb's $, names of lib.bash, set -e
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154,SC2164
# check: limit=1200 slots=2
# Kills of dumpkit and of its tracer at random moments of captures: the target (targets/guard.c,
# which watches its own registers and system calls) goes on, and nothing of ours stays.
# DUMPKIT_KILLS sets the number for the tracer; 1000 is what docs speak of.

load lib.bash

teardown() {
    live_teardown
}

kills() { # VICTIM NUMBER
    run python3 "$live/kills.py" "$1" "$2" "$DUMPKIT" "$targets/guard" "$BATS_TEST_TMPDIR"
    echo "# $output" | head -20 >&3
    [ "$status" = 0 ]
}

@test "dumpkit is killed 100 times" {
    need_root
    kills dumpkit 100
}

@test "the tracer is killed at ${DUMPKIT_KILLS:-150} random moments" {
    need_root
    kills tracer "${DUMPKIT_KILLS:-150}"
}

@test "Ctrl-C in the middle: status 130, no file, and the target goes on" {
    start peer 400
    cd "$BATS_TEST_TMPDIR"
    mkdir out
    # Job control gives the background job its SIGINT back, which the shell would ignore.
    set -m
    "$DUMPKIT" capture "pid:$PID" -q --zstd=19 -o out/x.core 3>&- &
    local job=$!
    set +m
    await has_tracer "$job"
    kill -INT "$job"
    status=0
    wait "$job" || status=$?
    [ "$status" = 130 ]
    [ -z "$(ls -A out)" ]
    await nothing_of_ours "$PID"
    await in_state "$PID" S
}

has_tracer() {
    [ -n "$(cat "/proc/$1/task/$1/children" 2>/dev/null)" ]
}

nothing_of_ours() {
    [ -z "$(children "$1")" ] && has_field "$1" TracerPid 0
}
