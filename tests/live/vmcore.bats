#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # variables of lib and guest
# check: limit=400
# What QEMU dumps of a real guest is read, written anew, and taken by other readers.

load lib
load guest/guest

setup_file() {
    local folder=$BATS_FILE_TMPDIR
    guest_reason=
    if ! guest_reason=$(python3 "$guest_py" check 2>&1); then
        export guest_reason
        return
    fi
    export guest_reason
    guest_start "$folder/guest" --memory 256 --cpus 2 --vmcoreinfo --pattern 16
    guest_wait "$folder/guest" >"$folder/console.txt"
    guest_qmp "$folder/guest" stop >/dev/null
    guest_qmp "$folder/guest" dump-guest-memory \
        "{\"paging\": false, \"protocol\": \"file:$folder/qemu.elf\"}" >/dev/null
    guest_qmp "$folder/guest" dump-guest-memory \
        "{\"paging\": true, \"protocol\": \"file:$folder/paging.elf\"}" >/dev/null
    guest_stop "$folder/guest"
    "$DUMPKIT" convert -q "$folder/qemu.elf" -o "$folder/ours.elf" --format elf
}

teardown_file() {
    [ ! -e "$BATS_FILE_TMPDIR/guest/guest.json" ] || guest_stop "$BATS_FILE_TMPDIR/guest"
}

setup() {
    [ -z "$guest_reason" ] || skip "$guest_reason"
    cd "$BATS_FILE_TMPDIR" || return 1
}

@test "QEMU's dump is named as what it is, with its CPUs" {
    run "$DUMPKIT" info qemu.elf
    [ "$status" = 0 ]
    [[ $output == *"writer     QEMU"* ]]
    [[ $output == *"CPUs (2)"* ]]
    [[ $output == *"Linux "*"on x86-64, 2 CPUs"* ]]
}

@test "the pages of our file are those of QEMU's, and of its dump with virtual addresses" {
    run python3 "$live/vmcore-pages.py" same qemu.elf ours.elf
    echo "$output"
    [ "$status" = 0 ]
    "$DUMPKIT" convert -q paging.elf -o ours-paging.elf --format elf
    run python3 "$live/vmcore-pages.py" same qemu.elf ours-paging.elf
    echo "$output"
    [ "$status" = 0 ]
    # Every page of the guest's pattern stands where it says it stands.
    run python3 "$live/vmcore-pages.py" pattern ours.elf 4096
    echo "$output"
    [ "$status" = 0 ]
}

@test "a stream holds the same bytes as a file" {
    "$DUMPKIT" convert -q qemu.elf -o - --format elf >stream.elf
    # The closing notes have the time that it took.
    python3 "$live/vmcore-pages.py" same ours.elf stream.elf
    run "$DUMPKIT" check --deep stream.elf
    [[ $output == *"every byte is as the checksums in the dump say"* ]]
}

@test "zero pages are holes of our file" {
    [ $(($(stat -c %b ours.elf) * 512)) -lt $(($(stat -c %s ours.elf) * 3 / 4)) ]
}

@test "eu-readelf reads our header, program headers and notes" {
    need eu-readelf
    eu-readelf -hln ours.elf >readelf.txt
    [ "$(grep -c '^ *LOAD ' readelf.txt)" -ge 2 ]
    [ "$(grep -c 'PRSTATUS' readelf.txt)" = 2 ]
    [ "$(grep -c '^  QEMU ' readelf.txt)" = 2 ]
    grep -q OSRELEASE readelf.txt
}

@test "makedumpfile reads the log, and filters our file" {
    need makedumpfile
    makedumpfile -f --dump-dmesg ours.elf log.txt
    grep -q "Linux version" log.txt
    grep -q "pattern=16" log.txt
    makedumpfile -f -l -d 1 ours.elf level1.kdump
    makedumpfile -f -c -d 31 ours.elf level31.kdump
    makedumpfile -f -E -d 31 ours.elf level31.elf
    [ "$(stat -c %s level31.kdump)" -lt "$(stat -c %s level1.kdump)" ]
    # And we read what it made of our file.
    run "$DUMPKIT" info level31.elf
    [ "$status" = 0 ]
    [[ $output == *"writer     makedumpfile"* ]]
    [[ $output == *"not in the file (p_filesz is below p_memsz)"* ]]
    python3 "$live/vmcore-pages.py" same ours.elf level31.elf
}

@test "--filter leaves out the pages that makedumpfile leaves out" {
    need makedumpfile
    local level
    for level in 2 4 8 16 30 31; do
        makedumpfile -f -l -d "$level" ours.elf "theirs.$level" >/dev/null
        "$DUMPKIT" convert -q ours.elf -o "filtered.$level.elf" --filter "$level"
        python3 "$live/vmcore-pages.py" dumped "filtered.$level.elf" "theirs.$level"
    done
    python3 "$live/vmcore-pages.py" same ours.elf filtered.30.elf
    # With another level that must fail.
    run python3 "$live/vmcore-pages.py" dumped filtered.8.elf theirs.16
    [ "$status" = 1 ]
    "$DUMPKIT" convert -q ours.elf -o words.elf --filter zero,free,cache,user
    python3 "$live/vmcore-pages.py" dumped words.elf theirs.31
    # It is by intent, so nothing is lacking; and the kernel of it is there.
    run "$DUMPKIT" check filtered.30.elf
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"% left out on purpose"* ]]
    [[ $output == *"left out: free pages by the filter"* ]]
    makedumpfile -f --dump-dmesg filtered.30.elf log.txt
    # Pages that nothing describes.
    "$DUMPKIT" convert -q ours.elf -o guest.lime --format lime --filter 30
    head -c 4194304 /dev/urandom >noise.raw
    run "$DUMPKIT" convert noise.raw -o noise.elf --filter free
    [ "$status" = 1 ]
    [[ $output == *"no VMCOREINFO of a Linux kernel"* ]]
    [ ! -e noise.elf ]
    run "$DUMPKIT" capture "pid:$$" -o process.core --filter free
    [ "$status" = 2 ]
}

@test "drgn walks the kernel's page tables in our file, and in what makedumpfile makes of it" {
    need drgn makedumpfile
    makedumpfile -f -c -d 1 ours.elf for-drgn.kdump
    for file in ours.elf for-drgn.kdump; do
        run_drgn -q -c "$file" --no-default-symbols "$live/vmcore-drgn.py"
        echo "$output"
        [ "$status" = 0 ]
        [[ $output == *"release 6."* ]]
        [[ $output == *"uts Linux"* ]]
    done
}

@test "crash finds the release of the kernel" {
    need crash
    [[ $(crash --osrelease ours.elf) == 6.* ]]
}

@test "gdb shows the CPUs and physical memory" {
    need gdb
    run gdb -batch -nx -ex "core-file ours.elf" -ex "info threads" -ex "x/1xg 0x1000000" \
        -ex "p/x \$rip"
    echo "$output"
    [[ $output == *"LWP 1"* && $output == *"LWP 2"* ]]
    [[ $output == *"0x1000000:"*0x* ]]
    [[ $output == *"= 0xffffffff"* ]]
}

@test "a file that is cut off opens and names what is missing" {
    head -c 100000000 ours.elf >cut.elf
    run "$DUMPKIT" info cut.elf
    [ "$status" = 0 ]
    [[ $output == *"the file ends at offset 0x5f5e100"* ]]
    run "$DUMPKIT" check cut.elf
    [ "$status" = 3 ]
}
