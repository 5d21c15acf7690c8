#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own, and is meant to be
# shellcheck disable=SC2016,SC2154,SC2164 # gdb's $, names of lib.bash, set -e
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154,SC2164
# check: limit=900
# Readers that are not ours agree with what a process says of itself (targets/zoo.c, agree.py): its
# threads, registers, stacks, memory and modules, at every level, in every format.

load lib.bash

teardown() {
    live_teardown
    rm -f "/dev/shm/dumpkit-zoo-$PID"
}

start_zoo() {
    mkdir -p "$BATS_TEST_TMPDIR/zoo"
    DKENV=DKENVSECRET start zoo "$BATS_TEST_TMPDIR/zoo" "$@"
    # The thread that has printed the layout ends.
    await has_field "$PID" Threads 4
}

agree() { # DUMP LEVEL READER...
    local dump=$1 level=$2 reader
    for reader in "${@:3}"; do
        python3 "$live/agree.py" "$reader" "$LINE" "$dump" "$level" || return 1
    done
}

# One read pass into four files; the compressed ones unpack to the very same bytes.
at_level() { # LEVEL METHOD
    need zstd gdb lldb-14 eu-readelf eu-unstrip
    start_zoo
    cd "$BATS_TEST_TMPDIR"
    capture_ok "pid:$PID" --level "$1" --method "$2" -o x.core -o x.dmp -o y.core.zst -o y.dmp.zst
    zstd -dqc y.core.zst | cmp - x.core
    zstd -dqc y.dmp.zst | cmp - x.dmp
    agree x.core "$1" bytes gdb lldb readelf
    agree x.dmp "$1" bytes lldb
    need_peers
    agree x.dmp "$1" stackwalk minidump-dump
}

@test "full, snapshot" { at_level full snapshot; }
@test "full, stop" { at_level full stop; }
@test "miniplus, snapshot" { at_level miniplus snapshot; }
@test "miniplus, stop" { at_level miniplus stop; }
@test "mini, snapshot" { at_level mini snapshot; }
@test "mini, stop" { at_level mini stop; }
@test "triage, snapshot" { at_level triage snapshot; }
@test "triage, stop" { at_level triage stop; }
@test "filter:0x33, snapshot" { at_level filter:0x33 snapshot; }
@test "filter:0x33, stop" { at_level filter:0x33 stop; }

@test "a format and --zstd that are asked for by option" {
    need zstd
    start_zoo
    cd "$BATS_TEST_TMPDIR"
    capture_ok "pid:$PID" --format minidump --zstd=1 -o one
    zstd -dqc one >one.dmp
    agree one.dmp full bytes
    capture_ok "pid:$PID" --format elf --zstd -o two
    zstd -dqc two >two.core
    agree two.core full bytes
    "$DUMPKIT" capture "pid:$PID" --no-progress -o - >three.core
    agree three.core full bytes
    "$DUMPKIT" capture "pid:$PID" --no-progress --format minidump --zstd -o - | zstd -dqc >four.dmp
    agree four.dmp full bytes
}

@test "MADV_DONTDUMP is taken when asked for" {
    start_zoo
    cd "$BATS_TEST_TMPDIR"
    for method in snapshot stop; do
        capture_ok "pid:$PID" --include-dontdump --method $method -f -o x.core -o x.dmp
        python3 "$live/agree.py" bytes "$LINE" x.core full with-dontdump
        python3 "$live/agree.py" bytes "$LINE" x.dmp full with-dontdump
    done
}

@test "miniplus leaves out areas above 512 MiB, full and filter do not" {
    start_zoo large
    cd "$BATS_TEST_TMPDIR"
    for level in miniplus full filter:0x33; do
        capture_ok "pid:$PID" --level $level -f -o x.core -o x.dmp
        agree x.core $level bytes
        agree x.dmp $level bytes
        [ "$(du -k x.core | cut -f1)" -lt 8192 ]
    done
}

@test "the environment is in no stream of a minidump, at any level" {
    need_peers
    start_zoo
    cd "$BATS_TEST_TMPDIR"
    capture_ok "pid:$PID" -o x.dmp
    "$peers/minidump_dump" x.dmp >dumped 2>/dev/null
    grep -q MD_LINUX_MAPS dumped
    if grep -q MD_LINUX_ENVIRON dumped; then false; fi
}

@test "every reader complains about a dump with one register changed" {
    need gdb lldb-14 eu-readelf
    start_zoo
    cd "$BATS_TEST_TMPDIR"
    capture_ok "pid:$PID" -o x.core -o x.dmp
    python3 - "$LINE" x.core x.dmp <<'END'
import json, struct, sys
layout = json.load(open(sys.argv[1]))
word = struct.pack("<Q", layout["threads"][2]["regs"]["r13"])
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        text = file.read()
    with open(path, "wb") as file:
        file.write(text.replace(word, b"harmedr!"))
END
    for reader in gdb lldb readelf; do
        run agree x.core full $reader
        [ "$status" = 1 ]
        [[ $output == *"zoo-sleep: r13"* ]]
    done
    need_peers
    for reader in lldb stackwalk minidump-dump; do
        run agree x.dmp full $reader
        [ "$status" = 1 ]
        [[ $output == *"zoo-sleep: r13"* ]]
    done
}
