#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The verb check: its verdicts, its exit status, and that --deep finds any changed byte.
# check: limit=900
# shellcheck disable=SC2154 # run sets stderr

setup() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    build=${DUMPKIT_BUILD:-$root/build}
    dumpkit=${DUMPKIT:-$root/build/dumpkit}
    cd "$BATS_TEST_TMPDIR" || return 1
    "$build/tests/make/make-elfcore" "$root/tests/golden/elfcore/x86-64.txt" core
}

# flip FILE OFFSET: changes one bit.
flip() {
    python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 0x10]))' "$1" "$2"
}

# capture_own WORD...: captures a process of ours; pid is its pid.
capture_own() {
    sleep 60 3>&- &
    pid=$!
    captured=0
    "$dumpkit" capture -q "pid:$pid" "$@" 2>capture.err || captured=$?
    kill "$pid"
    cat capture.err
    ! grep -q "no permission" capture.err || skip "no permission to capture"
    [ "$captured" -eq 0 ]
}

@test "a whole file is complete, status 0" {
    run -0 "$dumpkit" check core
    [[ ${lines[-1]} == "core: complete" ]]
    [[ $output == *"The file cannot answer:"* ]]
    [[ $output == *"--deep does that"* ]]
}

@test "a cut file lacks something, status 3, and the line names the offset" {
    truncate -s 20000 core
    run -3 "$dumpkit" check core
    [[ ${lines[-1]} == "core: lacks data: the file ends at offset 0x4e20:"* ]]
}

@test "a damaged file has status 1, and the line names the offset" {
    truncate -s 100 core
    run -1 "$dumpkit" check core
    [[ ${lines[-1]} == "core: damaged at offset 0x40:"*"the file ends at 0x64" ]]
}

@test "every cut of a core ends with a status that fits, and never says complete" {
    size=$(stat -c %s core)
    for at in 1 3 4 15 16 40 63 64 100 500 700 1000 2000 4095 4096 9000 30000 $((size - 1)); do
        cp core cut
        truncate -s "$at" cut
        status=0
        "$dumpkit" check cut >out 2>err || status=$?
        echo "at $at: status $status: $(tail -n 1 out)$(cat err)"
        [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
        ! grep -q '^cut: complete' out
    done
}

@test "foreign files: --deep says that there is nothing to compare with" {
    run -0 "$dumpkit" check --deep core
    [[ $output == *"content cannot be verified: the file carries no checksums"* ]]
    [[ ${lines[-1]} == "core: complete" ]]
}

@test "our own files are complete, and --deep compares their content" {
    capture_own -o own.core -o own.dmp
    for file in own.core own.dmp; do
        run -0 "$dumpkit" check --deep "$file"
        [[ $output == *"every byte is as the checksums in the dump say"* ]]
        [[ ${lines[-1]} == "$file: complete" ]]
    done
}

@test "--deep finds any changed byte of our own files" {
    capture_own -o own.core -o own.dmp --level mini
    for file in own.core own.dmp; do
        size=$(stat -c %s "$file")
        for share in 0 1 2 10 25 50 60 75 90 95 97 98 99 100; do
            cp "$file" flipped
            flip flipped $(((size - 1) * share / 100))
            status=0
            "$dumpkit" check --deep flipped >out 2>err || status=$?
            echo "$file, byte $(((size - 1) * share / 100)) of $size: status $status"
            cat out err
            [ "$status" -eq 1 ]
        done
    done
}

@test "--deep finds any changed byte of a zstd file" {
    capture_own -o own.core.zst --level mini
    run -0 "$dumpkit" check --deep own.core.zst
    [[ $output == *"every frame is as its checksum says"* ]]
    size=$(stat -c %s own.core.zst)
    for share in 0 1 5 20 50 70 80 90 99 100; do
        cp own.core.zst flipped.zst
        flip flipped.zst $(((size - 1) * share / 100))
        status=0
        "$dumpkit" check --deep flipped.zst >out 2>err || status=$?
        echo "byte $(((size - 1) * share / 100)) of $size: status $status"
        cat out err
        [ "$status" -eq 1 ]
    done
}

@test "a truncated capture is not complete" {
    capture_own -o own.core -o own.dmp --level mini
    for file in own.core own.dmp; do
        size=$(stat -c %s "$file")
        for share in 10 50 90 99; do
            cp "$file" cut
            truncate -s $((size * share / 100)) cut
            status=0
            "$dumpkit" check cut >out 2>err || status=$?
            echo "$file cut to $share %: status $status: $(tail -n 1 out)$(cat err)"
            [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
        done
    done
}

@test "JSON has every member that docs/schema names, and no other" {
    "$dumpkit" check --json core >check.json
    python3 "$root/tests/cli/schema-members.py" "$root/docs/schema/check.md" check.json
    truncate -s 100 core
    status=0
    "$dumpkit" check --json core >check.json || status=$?
    [ "$status" -eq 1 ]
    python3 "$root/tests/cli/schema-members.py" "$root/docs/schema/check.md" check.json
}

@test "--quiet says nothing of a whole file, and one line of another" {
    run -0 "$dumpkit" check --quiet core
    [ -z "$output" ]
    truncate -s 20000 core
    run -3 "$dumpkit" check --quiet core
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == "core: lacks "* ]]
}

@test "an interrupt ends --deep with status 130" {
    run -0 python3 "$root/tests/cli/interrupt-check.py" "$dumpkit" core
    [[ $output == *"status 130"* ]]
}

@test "what is no dump is refused with status 1; wrong usage has 2" {
    echo hello >text
    run -1 --separate-stderr "$dumpkit" check text
    [[ $stderr == *"text: not a dump that dumpkit reads"* ]]
    run -1 --separate-stderr "$dumpkit" check missing
    [[ $stderr == *missing* ]]
    run -2 "$dumpkit" check
    run -1 "$dumpkit" check core core
    [[ $output == *"not the parts of one dump"* ]]
    run -2 "$dumpkit" check --bogus core
}
