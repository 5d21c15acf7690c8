#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# convert, as a user types it; what comes out is opened by other readers in the tests of its format.

bats_require_minimum_version 1.5.0

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    dumpkit=${DUMPKIT:-$root/build/src/tool/dumpkit}
    cd "$BATS_TEST_TMPDIR" || exit
    sleep 1000 &
    target=$!
    "$dumpkit" capture -q "pid:$target" -o one.core
}

teardown() {
    kill "$target" 2>/dev/null || true
}

@test "a core becomes a compressed core and a minidump in one pass, and both say the same" {
    "$dumpkit" convert one.core -o two.core.zst -o three.dmp
    zstd -dq two.core.zst -o two.core
    # shellcheck disable=SC2016 # $sp is gdb's
    gdb -batch -ex 'p/x $sp' -c one.core >sp1 2>/dev/null
    # shellcheck disable=SC2016
    gdb -batch -ex 'p/x $sp' -c two.core >sp2 2>/dev/null
    diff sp1 sp2
    for file in two.core.zst three.dmp; do
        "$dumpkit" check --deep "$file"
        "$dumpkit" info --json "$file" >info.json
        python3 -c 'import json, sys
info = json.load(open("info.json"))
assert info["process"]["pid"] == int(sys.argv[1]), info["process"]
assert "converted from elf" in info["origin"]["comment"], info["origin"]
assert info["origin"]["pause_ns"] > 0' "$target"
    done
    # All memory, byte by byte.
    "$dumpkit" convert -q three.dmp -o back.core
    for file in one.core back.core; do
        "$dumpkit" info --json --maps "$file" | python3 -c 'import json, sys
for part in json.load(sys.stdin)["maps"]:
    if part["present"]:
        print(part["first"], part["present"])' >"$file.maps"
    done
    diff one.core.maps back.core.maps
    mkdir one back
    mv one.core one/core
    mv back.core back/core
    while read -r first size; do
        (cd one && "$dumpkit" debug core -c "db $first L0n$size") >one.bytes
        (cd back && "$dumpkit" debug core -c "db $first L0n$size") >back.bytes
        cmp one.bytes back.bytes
    done < <(tail -n 3 one.core.maps)
}

@test "a pipe, JSON that its schema describes, and no file after an error" {
    "$dumpkit" convert --json one.core -o - 2>said.json | cat >piped.core
    python3 "$root/tests/cli/schema-members.py" "$root/docs/schema/convert.md" said.json
    "$dumpkit" check --deep piped.core
    run -1 "$dumpkit" convert one.core -o one.core
    [[ $output == *"a file of this name already"* ]]
    run -2 "$dumpkit" convert one.core
    [[ $output == *"expects -o"* ]]
    run -2 "$dumpkit" convert one.core -o x --format kdump-zstd
    [[ $output == *"for a process there are elf, minidump"* ]]
    run -2 "$dumpkit" convert one.core -o x --filter walls
    run -2 "$dumpkit" convert one.core -o x --input-format nonsense
    run -1 "$dumpkit" convert /etc/passwd -o x
    [ ! -e x ]
}

@test "a cut core gives a file that names what it lacks, and status 3" {
    head -c 300000 one.core >cut.core
    run -3 "$dumpkit" convert cut.core -o out.core
    [[ $output == *"missing: data"* ]]
    run -3 "$dumpkit" check out.core
}

@test "encrypted files: age opens what we write, and every verb reads it in place" {
    command -v age >/dev/null || skip "age is not installed"
    age-keygen -o keys 2>/dev/null
    key=$(age-keygen -y keys)
    "$dumpkit" convert -q one.core -o secret.core.zst.age --encrypt-to "$key"
    "$dumpkit" convert -q one.core -o secret.dmp.age --encrypt-to "$key" --format minidump
    age -d -i keys secret.core.zst.age | zstd -dq >clear.core
    "$dumpkit" check --deep clear.core
    run -1 "$dumpkit" info secret.core.zst.age
    [[ $output == *"encrypted with age; --identity"* ]]
    for file in secret.core.zst.age secret.dmp.age; do
        "$dumpkit" check --deep -i keys "$file"
        "$dumpkit" info --identity keys "$file" | grep "in age\|minidump, age"
        "$dumpkit" debug -i keys "$file" -c 'k' | grep -i nanosleep
        "$dumpkit" convert -q -i keys "$file" -o again.core -f
        "$dumpkit" check --deep again.core
    done
    run -2 "$dumpkit" convert one.core -o x --encrypt-to age1nonsense
    [ ! -e x ]
    age-keygen -o others 2>/dev/null
    run -1 "$dumpkit" check -i others secret.dmp.age
    [[ $output == *"none of the identities opens it"* ]]
}

@test "a capture is encrypted on its way, and nothing of it is on disk in clear" {
    command -v age >/dev/null || skip "age is not installed"
    age-keygen -o keys 2>/dev/null
    "$dumpkit" capture -q "pid:$target" -o c.core.age --encrypt-to "$(age-keygen -y keys)"
    run -1 grep -c "$target" c.core.age
    "$dumpkit" info -i keys c.core.age --json | grep "\"pid\" : $target"
}

@test "raw memory through every machine format and back, with zero pages left out where they can be" {
    head -c 163840 /dev/urandom >memory.raw
    head -c 819200 /dev/zero >>memory.raw
    head -c 65536 /dev/urandom >>memory.raw
    for format in elf kdump kdump-zlib kdump-lzo kdump-snappy kdump-zstd kdump-zstd:1 kdump-raw lime lime-avml avml raw; do
        for filter in "" "--filter=zero"; do
            # shellcheck disable=SC2086 # no filter, no word
            "$dumpkit" convert -q -f memory.raw -o one --format "$format" $filter
            "$dumpkit" convert -q -f one -o back.raw --input-format "${format%%[-:]*}"
            cmp memory.raw back.raw
            "$dumpkit" convert -q memory.raw -o - --format "$format" $filter >piped
            "$dumpkit" convert -q -f piped -o back.raw --input-format "${format%%[-:]*}"
            cmp memory.raw back.raw
        done
    done
    "$dumpkit" convert -q -f memory.raw -o one --format kdump --filter zero
    "$dumpkit" check one | grep "dump level 1: zero"
    run -1 "$dumpkit" convert memory.raw -o x --filter free
    [[ $output == *"no VMCOREINFO"* ]]
    run -1 "$dumpkit" convert memory.raw -o x --format dmp
    [[ $output == *Windows* ]]
    run -2 "$dumpkit" convert memory.raw -o x --format minidump
    [ ! -e x ]
}
