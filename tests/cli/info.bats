#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# info: what it prints of dumps, which parts, and how it refuses what is none.
# check: limit=1200 slots=2
# shellcheck disable=SC2154 # run sets stderr

setup() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    build=${DUMPKIT_BUILD:-$root/build}
    dumpkit=${DUMPKIT:-$root/build/dumpkit}
    cd "$BATS_TEST_TMPDIR" || return 1
    "$build/tests/make/make-elfcore" "$root/tests/golden/elfcore/x86-64.txt" core
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

@test "info prints header, process, threads, modules, memory map and notes" {
    run -0 "$dumpkit" info core
    [[ $output == *"core: elf, plain, 36.0 KiB"* ]]
    [[ $output == *"reason     SIGSEGV (11), SEGV_MAPERR at "*", in thread 101"* ]]
    [[ $output == *"Threads (2)"* ]]
    [[ $output == *"0x400000-0x403fff             000102030405060708090a0b0c0d0e0f10111213 "* ]]
    [[ $output == *"0x7ffc00000000-0x7ffc00001fff rw-p 8.0 KiB     all        [stack]"* ]]
    [[ $output == *"NT_PRSTATUS   thread 101, signal 11 (SIGSEGV), pc 0x401234"* ]]
    [[ $output != *Gaps* ]]
}

@test "parts that are asked for come alone, in text and JSON" {
    run -0 "$dumpkit" info --threads core
    [[ $output == *"Threads (2)"* ]]
    [[ $output != *Modules* && $output != *"Memory map"* && $output != *Notes* ]]
    run -0 "$dumpkit" info core --gaps --modules
    [[ $output == *"Modules (3)"* && $output == *"Gaps (0)"* && $output != *Threads* ]]
    "$dumpkit" info --json --maps core | python3 -c '
import json, sys
info = json.load(sys.stdin)
assert len(info["maps"]) == 10 and "threads" not in info and "notes" not in info, info.keys()'
}

@test "a long list is cut in text unless it is asked for, and never in JSON" {
    {
        echo "elf 64 le 62"
        for i in $(seq 1 40); do
            echo "prstatus $i 0 16=0x401000 19=0x20800"
        done
        echo "load 0x20000 0x1000 rw"
        echo "fill 1 4096"
    } >many.txt
    "$build/tests/make/make-elfcore" many.txt many
    run -0 "$dumpkit" info many
    [[ $output == *"Threads (40)"* ]]
    [[ $output == *"and 24 more (--threads shows all)"* ]]
    run -0 "$dumpkit" info --threads many
    [[ $output != *"more (--threads"* ]]
    [ "$(grep -c '0x401000 0x20800 general' <<<"$output")" -eq 40 ]
    "$dumpkit" info --json many | python3 -c '
import json, sys
assert [t["tid"] for t in json.load(sys.stdin)["threads"]] == list(range(1, 41))'
}

@test "JSON has every member that docs/schema names, and no other" {
    "$dumpkit" info --json core >info.json
    python3 "$root/tests/cli/schema-members.py" "$root/docs/schema/info.md" info.json
}

@test "the program's own capture: names, build-ids, times" {
    capture_own -o own.core -o own.dmp
    for file in own.core own.dmp; do
        "$dumpkit" info --json "$file" >info.json
        python3 "$root/tests/cli/schema-members.py" "$root/docs/schema/info.md" info.json
        PID=$pid python3 -c '
import json, os, time
info = json.load(open("info.json"))
assert info["process"]["pid"] == int(os.environ["PID"]), info["process"]
assert info["process"]["command"] == "sleep 60", info["process"]
assert info["process"]["exe"].endswith("/sleep"), info["process"]
assert info["process"]["exception"] is None, info["process"]
assert info["threads"][0]["name"] == "sleep" and info["threads"][0]["state"] == "S"
assert all(module["build_id"] for module in info["modules"]), info["modules"]
assert info["origin"]["complete"] is True and info["origin"]["pause_ns"] > 0, info["origin"]
taken = time.mktime(time.strptime(info["origin"]["time"][:19], "%Y-%m-%dT%H:%M:%S"))
assert abs(taken - time.mktime(time.gmtime())) < 300, info["origin"]
held = sum(row["present"] for row in info["maps"])
assert held == info["memory"]["present"], (held, info["memory"])'
    done
}

@test "the build-id of a module is that of its file" {
    command -v eu-readelf >/dev/null || skip "no eu-readelf"
    capture_own -o own.core
    "$dumpkit" info --json --modules own.core | python3 -c '
import json, sys
for module in json.load(sys.stdin)["modules"]:
    if module["path"].startswith("/"):
        print(module["path"], module["build_id"])' >modules
    [ "$(wc -l <modules)" -ge 2 ]
    while read -r path id; do
        eu-readelf -n "$path" | grep -q "Build ID: $id"
    done <modules
}

@test "what is no dump is refused with status 1 and the reason" {
    echo hello >text
    run -1 --separate-stderr "$dumpkit" info text
    [[ $stderr == *"text: not a dump that dumpkit reads"*hello* ]]
    run -1 --separate-stderr "$dumpkit" info missing
    [[ $stderr == *missing* ]]
    [ -z "$output" ]
    : >empty
    run -1 --separate-stderr "$dumpkit" info empty
    [[ $stderr == *"empty: the file is empty"* ]]
    run -1 --separate-stderr "$dumpkit" info "$dumpkit"
    [[ $stderr == *"executable or library, not a core"* ]]
}

@test "no file and unknown options are wrong usage, two files that are no parts are refused" {
    run -2 "$dumpkit" info
    run -1 "$dumpkit" info core core
    [[ $output == *"not the parts of one dump"* ]]
    run -2 "$dumpkit" info --bogus core
}

@test "every dump of the corpus goes through info and check" {
    corpus=${DUMPKIT_CORPUS:-$root/../shared/corpus}
    [ -d "$corpus" ] || skip "no corpus"
    run -0 python3 "$root/tests/cli/corpus-dumps.py" "$dumpkit" \
        "$corpus/elf-core" "$corpus/user-mdmp"
}
