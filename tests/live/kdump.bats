#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # variables of lib and guest
# check: limit=400
# kdump files of a real guest: what QEMU and makedumpfile write is read, and what we write they read.

load lib
load guest/guest

methods="zlib lzo snappy zstd raw"

setup_file() {
    local folder=$BATS_FILE_TMPDIR
    guest_reason=
    if ! guest_reason=$(python3 "$guest_py" check 2>&1); then
        export guest_reason
        return
    fi
    export guest_reason
    guest_start "$folder/guest" --memory 256 --vmcoreinfo --pattern 16
    guest_wait "$folder/guest" >"$folder/console.txt"
    guest_qmp "$folder/guest" stop >/dev/null
    guest_qmp "$folder/guest" dump-guest-memory \
        "{\"paging\": false, \"protocol\": \"file:$folder/qemu.elf\"}" >/dev/null
    guest_qmp "$folder/guest" dump-guest-memory \
        "{\"paging\": false, \"protocol\": \"file:$folder/qemu.kdump\", \"format\": \"kdump-zlib\"}" \
        >/dev/null
    guest_stop "$folder/guest"
    "$DUMPKIT" convert -q "$folder/qemu.elf" -o "$folder/ours.elf" --format elf
    for method in $methods; do
        "$DUMPKIT" convert -q "$folder/qemu.elf" -o "$folder/$method.kdump" \
            --format "kdump-$method"
    done
}

teardown_file() {
    [ ! -e "$BATS_FILE_TMPDIR/guest/guest.json" ] || guest_stop "$BATS_FILE_TMPDIR/guest"
}

setup() {
    [ -z "$guest_reason" ] || skip "$guest_reason"
    cd "$BATS_FILE_TMPDIR" || return 1
}

# Files that dumpkit reads as one dump hold the pages of QEMU's.
same_pages() {
    rm -f back.elf
    "$DUMPKIT" convert -q "$@" -o back.elf --format elf
    run python3 "$live/vmcore-pages.py" same ours.elf back.elf
    echo "$*: $output"
    [ "$status" = 0 ]
    run python3 "$live/vmcore-pages.py" pattern back.elf 4096
    echo "$*: $output"
    [ "$status" = 0 ]
}

@test "QEMU's flattened kdump file holds the pages of its ELF file" {
    run "$DUMPKIT" info qemu.kdump
    [ "$status" = 0 ]
    [[ $output == *"Linux 6."*"on x86-64"* ]]
    same_pages qemu.kdump
}

@test "what we write with each method is read back, from a file and from a stream" {
    for method in $methods; do
        same_pages "$method.kdump"
        "$DUMPKIT" convert -q qemu.elf -o - --format "kdump-$method" >"$method.stream"
        same_pages "$method.stream"
        run "$DUMPKIT" check --deep "$method.kdump"
        echo "$output"
        [ "$status" = 0 ]
    done
    cmp -n 8 raw.kdump raw.stream
    [ "$(head -c 12 zstd.stream)" = makedumpfile ]
}

@test "every method makes the file smaller, zstd the most" {
    raw=$(stat -c %s raw.kdump)
    zstd=$(stat -c %s zstd.kdump)
    for method in zlib lzo snappy; do
        size=$(stat -c %s "$method.kdump")
        [ "$size" -lt "$raw" ]
        [ "$zstd" -lt "$size" ]
    done
}

@test "makedumpfile reads our files, and puts our streams in order" {
    need makedumpfile
    for method in zlib lzo raw; do
        "$DUMPKIT" convert -q -f qemu.elf -o - --format "kdump-$method" >ours.stream
        if [ "$method" = raw ]; then
            cp ours.stream ordered.kdump
        else
            makedumpfile -f -R ordered.kdump <ours.stream
        fi
        same_pages ordered.kdump
        for file in "$method.kdump" ordered.kdump; do
            makedumpfile -f --dump-dmesg "$file" log.txt
            grep -q "Linux version" log.txt
            grep -q "pattern=16" log.txt
        done
    done
}

@test "makedumpfile filters our files" {
    need makedumpfile
    # It fails to filter kdump files that reach behind the kernel's last section of memory, as
    # QEMU's do, which have the firmware below 4 GiB; its own do not.
    makedumpfile -f -c -d 0 ours.elf level0.kdump
    for method in zlib lzo raw; do
        "$DUMPKIT" convert -q -f level0.kdump -o again.kdump --format "kdump-$method"
        makedumpfile -f -l -d 31 again.kdump small.kdump
        [ "$(stat -c %s small.kdump)" -lt "$(stat -c %s again.kdump)" ]
        run "$DUMPKIT" check --deep small.kdump
        echo "$output"
        [[ $output == *"all pages unpack"* ]]
        [[ $output != *damaged* ]]
    done
}

@test "drgn with libkdumpfile reads all pages of each of our files" {
    need drgn
    for method in $methods; do
        run_drgn -q -c "$method.kdump" --no-default-symbols "$live/kdump-drgn.py" ours.elf
        echo "$method: $output"
        [ "$status" = 0 ]
        [[ $output == *"pages are the same"* ]]
    done
}

@test "what makedumpfile writes is read: each method, flattened, split, filtered" {
    need makedumpfile
    for option in -c -l -E; do
        makedumpfile -f "$option" -d 1 ours.elf theirs.kdump
        run "$DUMPKIT" info theirs.kdump
        [ "$status" = 0 ]
        [[ $output == *"Linux 6."*"on x86-64"* ]]
    done
    makedumpfile -f -c -d 1 ours.elf theirs.kdump
    same_pages theirs.kdump
    makedumpfile -F -l -d 1 ours.elf >theirs.flat
    same_pages theirs.flat
    rm -f part1 part2 part3
    makedumpfile -f -c -d 1 --split ours.elf part1 part2 part3
    same_pages part3 part1 part2
    makedumpfile -f -l -d 31 ours.elf filtered.kdump
    # It drops the firmware below 4 GiB, of which our record in its file tells.
    run "$DUMPKIT" check filtered.kdump
    [ "$status" = 3 ]
    [[ $output == *"were left out (dump level 31"* ]]
    [[ $output == *"256.0 KiB of RAM that the file does not hold"* ]]
    # A part that lacks pages says which.
    truncate -s -1000000 theirs.flat
    run "$DUMPKIT" check theirs.flat
    [ "$status" = 3 ]
    [[ $output == *"no mark of its end"* ]]
}

@test "crash finds the release of the kernel in our files" {
    need crash
    for method in zlib lzo raw; do
        [[ $(crash --osrelease "$method.kdump") == 6.* ]]
    done
}
