#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # names of lib.bash
# Migration streams of real QEMU machines (firmware only): every page and register is the machine's.

load lib.bash

teardown() {
    live_teardown
}

agrees() {
    need qemu-system-x86_64 python3
    run timeout 120 python3 "$live/qevm.py" "$BATS_TEST_TMPDIR" \
        "$DUMPKIT_BUILD/tests/make/tell-machine" "$@"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"CPUs agree"* ]]
}

@test "stream of a stopped i440fx machine with 1 CPU" {
    agrees stop 1 128 pc -vga std
}

@test "stream of a stopped q35 machine with 4 CPUs" {
    agrees stop 4 512 q35 -vga std
}

@test "stream of a stopped microvm" {
    agrees stop 1 128 microvm
}

@test "stream of a machine whose memory is in two nodes" {
    agrees stop 2 128 q35 -object memory-backend-ram,id=ram-node0,size=96M \
        -object memory-backend-ram,id=ram-node1,size=32M \
        -numa node,memdev=ram-node0 -numa node,memdev=ram-node1
}

@test "background snapshot of an idle machine" {
    agrees snapshot 2 128 pc -vga std
}

@test "check of a stream that was cut off names what is missing" {
    agrees stop 1 128 pc
    truncate -s -200000 "$BATS_TEST_TMPDIR/stream"
    run "$DUMPKIT" check "$BATS_TEST_TMPDIR/stream"
    [ "$status" -eq 3 ]
    [[ $output == *"the stream ends inside"* ]]
}
