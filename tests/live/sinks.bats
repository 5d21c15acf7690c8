#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2030,SC2031,SC2094,SC2154,SC2164,SC2217,SC2317
# check: limit=900 slots=2
# One real guest, captured by each method, through every sink and back, page by page; what other
# programs read of these files; and what becomes of files when something goes wrong.  The guest has
# no -device vmcoreinfo: the note has to be found in its memory.
# DUMPKIT_KILLS: how often dumpkit is killed in the middle (default 24).

load lib
load guest/guest

PAGES=8192
CHURN=256

setup_file() {
    load lib
    load guest/guest
    python3 "$guest_py" check >/dev/null 2>&1 || return 0
    [ "$(id -u)" = 0 ] || return 0
    export GUEST=$BATS_FILE_TMPDIR/g
    guest_start "$GUEST" --memory 256 --cpus 2 --pattern 32 --churn 256 --beat 5
    guest_wait "$GUEST"
    cd "$BATS_FILE_TMPDIR"
    "$DUMPKIT" capture -q "qmp:$GUEST/qmp.sock" -o base.elf
    "$DUMPKIT" convert -q base.elf -o base.raw --format raw
    python3 "$live/sinks.py" digest base.raw "$PAGES" "$CHURN" >base.digest
}

teardown_file() {
    load guest/guest
    [ -z "${GUEST:-}" ] || guest_stop "$GUEST"
}

setup() {
    bats_require_minimum_version 1.5.0
    need_guest
    need_root
    target=qmp:$GUEST/qmp.sock
    base=$BATS_FILE_TMPDIR/base.elf
    cd "$BATS_TEST_TMPDIR"
}

teardown() {
    live_teardown
}

status_of_guest() {
    guest_qmp "$GUEST" query-status | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

# The guest runs, and was held by nobody for long since.
guest_runs() {
    [ "$(status_of_guest)" = running ]
    python3 "$guest_py" beats "$GUEST" -- sleep 0.3 >beats.json
    [ "$(python3 -c 'import json; print(json.load(open("beats.json"))["beats"])')" -gt 20 ]
}

# same FILE [OPTIONS]: its pages are those of base.elf.
same() {
    "$DUMPKIT" convert -q -f "$@" -o back.raw --format raw
    python3 "$live/sinks.py" digest back.raw "$PAGES" "$CHURN" >digest || fail "$1: $(cat digest)"
    cmp digest "$BATS_FILE_TMPDIR/base.digest" || fail "$1 holds other pages than base.elf"
}

# Of a file that makedumpfile made: which leaves the ROM out.
same_ram() {
    "$DUMPKIT" convert -q -f "$@" -o back.raw --format raw
    python3 "$live/sinks.py" digest back.raw "$PAGES" "$CHURN" >digest || fail "$1: $(cat digest)"
    [ "$(tail -1 digest)" = "$(tail -1 "$BATS_FILE_TMPDIR/base.digest")" ] ||
        fail "$1 holds other pages than base.elf"
}

no_files() {
    local left
    left=$(find "$1" -mindepth 1 -not -name lost+found)
    [ -z "$left" ] || fail "left behind: $left"
}

@test "each method, into a file of each format at once: of one instant, and whole" {
    local method
    for method in snapshot stop dump; do
        run -0 "$DUMPKIT" capture "$target" --method "$method" -o one.elf -o two.kdump -f
        [[ $output == *"VMCOREINFO was not published; found in memory"* ]]
        "$DUMPKIT" check --deep -q one.elf
        "$DUMPKIT" check --deep -q two.kdump
        "$DUMPKIT" convert -q one.elf -o one.raw --format raw -f
        "$DUMPKIT" convert -q two.kdump -o two.raw --format raw -f
        local digest
        digest=$(python3 "$live/sinks.py" digest one.raw "$PAGES" "$CHURN") || fail "$method: $digest"
        [ "$(python3 "$live/sinks.py" digest two.raw "$PAGES" "$CHURN")" = "$digest" ]
        guest_runs
    done
}

@test "every format and back: the same pages" {
    local format file
    for format in elf kdump kdump-lzo kdump-snappy kdump-zstd kdump-zstd:1 kdump-raw lime avml raw; do
        file=dump
        [ "$format" != raw ] || file=dump.raw
        "$DUMPKIT" convert -q -f "$base" -o "$file" --format "$format"
        same "$file"
        # In zstd frames around the whole.
        "$DUMPKIT" convert -q -f "$base" -o "$file.zst" --format "$format" --zstd
        same "$file.zst"
        zstd -qdf "$file.zst" -o "plain.$file"
        same "plain.$file"
    done
}

@test "standard output: what is streamed is the same, kdump's flattened form too" {
    local format
    for format in elf kdump kdump-zstd lime avml; do
        "$DUMPKIT" convert -q "$base" -o - --format "$format" | cat >stream
        same stream
    done
    "$DUMPKIT" capture -q "$target" -o - --format kdump | cat >flat
    [ "$(head -c 12 flat)" = makedumpfile ]
    "$DUMPKIT" convert -q flat -o flat.raw --format raw
    python3 "$live/sinks.py" digest flat.raw "$PAGES" "$CHURN"
}

@test "age: opened by age and zstd, and in place" {
    need age age-keygen zstd
    age-keygen -o key 2>/dev/null
    age-keygen -o other 2>/dev/null
    "$DUMPKIT" convert -q "$base" -o file.age --zstd --encrypt-to "$(age-keygen -y key)" \
        --encrypt-to "$(age-keygen -y other)"
    age -d -i other file.age | zstd -dq >plain.elf
    same plain.elf
    same file.age --identity key
    "$DUMPKIT" check --deep -q file.age --identity key
    "$DUMPKIT" convert -q "$base" -o kdump.age --format kdump --encrypt-to "$(age-keygen -y key)"
    same kdump.age --identity key
    run -1 "$DUMPKIT" info file.age
    [[ $output == *"--identity"* ]]
}

@test "drgn reads the same pages, from ELF and each compression of kdump" {
    need drgn
    local format
    for format in elf kdump kdump-lzo kdump-snappy kdump-zstd kdump-raw; do
        "$DUMPKIT" convert -q -f "$base" -o file --format "$format"
        run_drgn -q -c file --no-default-symbols "$live/sinks.py" "$BATS_FILE_TMPDIR/base.raw"
        echo "$format: $output"
        [ "$status" = 0 ]
        [[ $output == *"pages are the same, and of 6."* ]]
    done
}

@test "makedumpfile rearranges, filters and reads the log of what we wrote" {
    need makedumpfile
    "$DUMPKIT" convert -q "$base" -o - --format kdump | makedumpfile -R arranged
    same arranged
    local format
    for format in elf kdump kdump-lzo kdump-raw; do
        "$DUMPKIT" convert -q -f "$base" -o file --format "$format"
        makedumpfile -f --dump-dmesg file log.txt >/dev/null
        grep -q "pattern=32" log.txt
    done
    # It filters no kdump file anew whose page frames go beyond the kernel's, up to the ROM.
    makedumpfile -f -l -d 1 "$base" again >/dev/null
    same_ram again
    makedumpfile -f -c -d 31 "$base" smaller >/dev/null
    [ "$(stat -c %s smaller)" -lt "$(stat -c %s again)" ]
    makedumpfile --split -f -l -d 1 "$base" part.1 part.2 >/dev/null
    same_ram part.1 part.2
}

@test "checkers in Python read the LiME and AVML files" {
    local format
    for format in lime avml; do
        "$DUMPKIT" convert -q "$base" -o "file.$format" --format "$format"
        python3 "$live/../make/check-$format.py" "file.$format" memory >/dev/null
        python3 "$live/sinks.py" digest memory "$PAGES" "$CHURN" | cmp - "$BATS_FILE_TMPDIR/base.digest"
    done
}

@test "a disk that is full: said, nothing left, the guest runs" {
    mkdir small
    mount -t tmpfs -o size=6m none small
    UNDO+=("umount $PWD/small")
    # Known before the guest is touched.
    run -1 "$DUMPKIT" capture "$target" -o small/file.elf
    [[ $output == *"small"*"free"* ]] || fail "$output"
    no_files small
    # Seen in the middle: of the file, of the spool.
    local method
    for method in snapshot stop dump; do
        run -1 "$DUMPKIT" capture "$target" --method "$method" --spool . -o small/file.zst --zstd
        [[ $output == *"No space left on device"* ]] || fail "$output"
        no_files small
        guest_runs
    done
    run -1 "$DUMPKIT" capture "$target" --spool small -o file.elf
    echo "$output"
    [ ! -e file.elf ]
    no_files small
    guest_runs
}

@test "two captures at once: the second is refused, the first goes on" {
    "$DUMPKIT" capture -q "$target" --method stop -o - 3>&- | (
        until [ -e go ]; do sleep 0.1; done
        cat >first.elf
    ) 3>&- &
    local first=$!
    held() { [ "$(status_of_guest)" = paused ]; }
    await held
    run -1 "$DUMPKIT" capture "$target" -o second.elf
    [[ $output == *"holds the monitor"* ]] || fail "$output"
    [ ! -e second.elf ]
    touch go
    wait "$first"
    "$DUMPKIT" check -q first.elf
    guest_runs
}

@test "SIGKILL of dumpkit at random moments: the guest runs on, no half file has the name" {
    python3 "$live/guest/guest-kills.py" --file out.kdump "$DUMPKIT" dumpkit "${DUMPKIT_KILLS:-24}" "$GUEST" \
        "$DUMPKIT" capture -q "$target" --method '{METHOD}' -f -o out.kdump --format kdump-lzo
    find . -name '*.kdump*' ! -name out.kdump | grep . && fail "left behind"
    guest_runs
}

@test "a guest that is killed in the middle: said, and no file" {
    local method
    for method in stop snapshot; do
        [ "$method" = stop ] || {
            GUEST=$GUEST.2
            UNDO+=("guest_stop $GUEST")
            guest_start "$GUEST" --memory 256 --pattern 32
            guest_wait "$GUEST"
            # So slow that the kill comes in the middle of the migration's stream.
            guest_qmp "$GUEST" migrate-set-parameters '{"max-bandwidth": 8388608}'
        }
        mkfifo "slow.$method"
        "$DUMPKIT" capture "qmp:$GUEST/qmp.sock" --method "$method" -o gone.elf -o - >"slow.$method" 2>said 3>&- &
        local pid=$!
        sleep 60 <"slow.$method" 3>&- &
        PIDS+=($!)
        busy() { [[ $(guest_qmp "$GUEST" query-migrate) == *'"active"'* || $(status_of_guest) == paused ]]; }
        await busy
        guest_stop "$GUEST"
        kill "${PIDS[-1]}"
        ! wait "$pid" || fail "$(cat said)"
        cat said
        [ -s said ]
        [ ! -e gone.elf ]
    done
}
