#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2030,SC2031,SC2154,SC2164,SC2317
# check: limit=900 slots=2
# Captures of a real guest by live/qemu, page by page; what must be refused; kills; triggers.  One
# guest serves all tests, which leave it running; the last ones let it panic.

load lib
load guest/guest

GUEST_PAGES=12288
GUEST_CHURN=512

setup_file() {
    load lib
    load guest/guest
    python3 "$guest_py" check >/dev/null 2>&1 || return 0
    export GUEST=$BATS_FILE_TMPDIR/g
    guest_start "$GUEST" --memory 384 --cpus 2 --vmcoreinfo --pattern 48 --churn 512 --beat 5
    guest_wait "$GUEST"
}

teardown_file() {
    load guest/guest
    [ -z "${GUEST:-}" ] || guest_stop "$GUEST"
}

setup() {
    bats_require_minimum_version 1.5.0
    need_guest
    [ "$(id -u)" = 0 ] || skip "needs root"
    copy=$DUMPKIT_BUILD/tests/live/guest/guest-copy
    target=qmp:$GUEST/qmp.sock
    raw=$BATS_TEST_TMPDIR/memory.raw
}

teardown() {
    live_teardown
}

member() {
    python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$@"
}

capabilities() {
    guest_qmp "$GUEST" query-migrate-capabilities
}

status_of_guest() {
    guest_qmp "$GUEST" query-status | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

# copy_well METHOD: copies, compares, and looks that QEMU is as before; the report is REPORT.
copy_well() {
    local before
    before=$(capabilities)
    REPORT=$("$copy" "$target" "$1" "$raw" "$DUMPKIT")
    echo "$REPORT"
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" "$GUEST_CHURN" "$raw"
    [ "$(member "$REPORT" bad)" = 0 ]
    [ "$(member "$REPORT" gaps)" = 0 ]
    [ "$(member "$REPORT" vmcoreinfo)" -gt 1000 ]
    [ "$(capabilities)" = "$before" ]
    [ "$(status_of_guest)" = running ]
    python3 -c '
import json, sys
cpus = json.loads(sys.argv[1])["cpus"]
assert len(cpus) == 2, cpus
assert all(cpu["rip"] and cpu["cr3"] for cpu in cpus), cpus' "$REPORT"
}

@test "snapshot: every page at its place, of one instant, the guest hardly held" {
    copy_well auto
    [ "$(member "$REPORT" method)" = snapshot ]
    local snapshot
    snapshot=$(member "$REPORT" pause_ns)
    [ "$snapshot" -gt 0 ]
    copy_well dump
    # Both on a machine that may be busy.
    [ $((snapshot * 2)) -lt "$(member "$REPORT" pause_ns)" ]
}

@test "stop: every page at its place, of one instant" {
    copy_well stop
    [ "$(member "$REPORT" method)" = stop ]
    [ "$(member "$REPORT" pause_ns)" -gt 0 ]
}

@test "patterns.py sees a page that is wrong, missing or of another instant" {
    "$copy" "$target" stop "$raw" "$DUMPKIT" >/dev/null
    python3 - "$raw" "$live/guest" <<'PY'
import sys
sys.path.insert(0, sys.argv[2])
import patterns
pages = dict(patterns.raw_pages(sys.argv[1]))
good = lambda: patterns.check(pages.items(), 12288, 512)
assert not good(), good()
ours = [pa for pa, page in pages.items() if page == patterns.expected(pa)]
pages[ours[5]], pages[ours[6]] = pages[ours[6]], pages[ours[5]]
assert good()
pages[ours[5]], pages[ours[6]] = pages[ours[6]], pages[ours[5]]
page = pages.pop(ours[7])
assert good()
pages[ours[7]] = page[:100] + b"x" + page[101:]
assert good()
pages[ours[7]] = page
assert not good()
churn = [pa for pa, page in pages.items()
         if page[:8] == (patterns.CHURN_TAG + 511).to_bytes(8, "little")][0]
pages[churn] = pages[churn][:8] + (1).to_bytes(8, "little") + pages[churn][16:]
assert good()
PY
}

@test "a guest that is paused stays paused" {
    guest_qmp "$GUEST" stop
    REPORT=$("$copy" "$target" auto "$raw" "$DUMPKIT")
    [ "$(member "$REPORT" method)" = stop ]
    [ "$(member "$REPORT" pause_ns)" = 0 ]
    [ "$(status_of_guest)" = paused ]
    run "$copy" "$target" snapshot "$raw" "$DUMPKIT"
    [ "$status" = 1 ]
    [[ $output == *"does not run"* ]]
    "$copy" "$target" dump "$raw" "$DUMPKIT"
    [ "$(status_of_guest)" = paused ]
    python3 "$live/guest/patterns.py" "$GUEST_PAGES" "$GUEST_CHURN" "$raw"
    guest_qmp "$GUEST" cont
}

@test "a migration that runs is named and left alone" {
    guest_qmp "$GUEST" migrate-set-parameters '{"max-bandwidth": 4096}'
    guest_qmp "$GUEST" migrate '{"uri": "exec:cat >/dev/null"}'
    run "$copy" "$target" auto "$raw" "$DUMPKIT"
    [ "$status" = 1 ]
    [[ $output == *"a migration is under way"* ]]
    [[ $(guest_qmp "$GUEST" query-migrate) == *'"active"'* ]]
    guest_qmp "$GUEST" migrate_cancel
    guest_qmp "$GUEST" migrate-set-parameters '{"max-bandwidth": 134217728}'
    idle() { [[ $(guest_qmp "$GUEST" query-migrate) == *'"cancelled"'* ]]; }
    await idle
}

@test "a block job that runs is named and left alone" {
    guest_qmp "$GUEST" blockdev-add '{"driver": "null-co", "node-name": "from", "size": 1073741824}'
    guest_qmp "$GUEST" blockdev-add '{"driver": "null-co", "node-name": "to", "size": 1073741824}'
    guest_qmp "$GUEST" blockdev-backup \
        '{"job-id": "nightly", "device": "from", "target": "to", "sync": "full", "speed": 1}'
    run "$copy" "$target" auto "$raw" "$DUMPKIT"
    [ "$status" = 1 ]
    [[ $output == *'backup "nightly"'* ]]
    [[ $(guest_qmp "$GUEST" query-block-jobs) == *nightly* ]]
    guest_qmp "$GUEST" block-job-cancel '{"device": "nightly", "force": true}'
    idle() { [[ $(guest_qmp "$GUEST" query-block-jobs) == "[]" ]]; }
    await idle
}

@test "a monitor that somebody holds is named, and two captures do not meet" {
    "$copy" "$target" stop "$raw" "$DUMPKIT" 9000 >/dev/null 3>&- &
    PIDS+=($!)
    held() { [ "$(status_of_guest)" = paused ]; }
    await held
    run "$copy" "$target" auto "$raw.2" "$DUMPKIT"
    [ "$status" = 1 ]
    [[ $output == *"dumpkit-guard (pid "*") holds the monitor"* ]]
    wait "${PIDS[0]}"
    [ "$(status_of_guest)" = running ]
}

@test "states that QEMU cannot be put into here" {
    local name socket=$BATS_TEST_TMPDIR/fake
    declare -A expected=(
        [old]='has no capability "background-snapshot"'
        [sev]='confidential guest (SEV)'
        [tdx]='confidential guest (tdx-guest)'
        [dumping]="a dump of the guest's memory is under way"
        [postcopy]='a migration is under way (query-migrate: status "postcopy-active")'
        [incoming]='not all there yet (status "inmigrate")'
        [blocked]='VFIO device cannot be migrated'
        [no-tree]='no memory in what QEMU shows'
    )
    for name in "${!expected[@]}"; do
        rm -f "$socket"
        python3 "$live/guest/fake-monitor.py" "$socket" "$name" >"$BATS_TEST_TMPDIR/ready" 3>&- &
        PIDS+=($!)
        await has_line "$BATS_TEST_TMPDIR/ready"
        run "$copy" "qmp:$socket" snapshot "$raw" "$DUMPKIT"
        kill "$!"
        : >"$BATS_TEST_TMPDIR/ready"
        [ "$status" = 1 ] || fail "$name: $output"
        [[ $output == *"${expected[$name]}"* ]] || fail "$name: $output"
    done
}

@test "50 kills of dumpkit: the guest runs, QEMU is as before" {
    python3 "$live/guest/guest-kills.py" dumpkit 50 "$GUEST" "$copy" "$target" '{METHOD}' "$raw" "$DUMPKIT"
}

@test "10 kills of the guardian: dumpkit puts things back itself" {
    python3 "$live/guest/guest-kills.py" guardian 10 "$GUEST" "$copy" "$target" '{METHOD}' "$raw" "$DUMPKIT"
}

@test "trigger: nothing without --yes, the plan is what is sent" {
    run -2 "$DUMPKIT" trigger "$target" nmi
    [[ $output == *"--yes"* ]]
    run -0 "$DUMPKIT" trigger "$target" nmi --plan
    [ "$output" = '{"execute":"inject-nmi"}' ]
    run -2 "$DUMPKIT" trigger "$target" keys ctrl+nokey --yes
    [[ $output == *'no key "nokey"'* ]]
    run -2 "$DUMPKIT" trigger "$target" bang --plan
    run -1 "$DUMPKIT" trigger "qmp:$BATS_TEST_TMPDIR/none" nmi --yes
    [[ $output == *"No such file"* ]]
    guest_qmp "$GUEST" stop
    run -1 "$DUMPKIT" trigger "$target" nmi --yes
    [[ $output == *"does not run"* ]]
    guest_qmp "$GUEST" cont
    run -3 "$DUMPKIT" trigger "$target" keys a --yes --wait --timeout 1 --serial "$GUEST/console.log"
    [[ $output == *"nothing happened within 1 s"* ]]
    [ "$(status_of_guest)" = running ]
}

@test "trigger: a real panic by NMI, then a reset" {
    run -0 "$DUMPKIT" trigger "$target" nmi --yes --wait --timeout 60 --serial "$GUEST/console.log"
    [[ $output == *"Kernel panic - not syncing: NMI"* ]]
    [[ $output == *": panicked" ]]
    run -0 "$DUMPKIT" trigger "$target" reset --yes --wait --timeout 60 --json
    [ "$(member "$output" outcome)" = rebooted ]
    again() { [ "$(grep -c 'guest: ready' "$GUEST/console.log")" = 2 ]; }
    await again
}

@test "trigger: a real panic by ALT+SYSRQ+C" {
    run -0 "$DUMPKIT" trigger "$target" keys alt+sysrq+c --yes --wait --timeout 60 --serial "$GUEST/console.log"
    [[ $output == *"sysrq triggered crash"* ]]
    [[ $output == *": panicked" ]]
}

@test "QEMU is killed in the middle: said so, and soon" {
    "$copy" "$target" stop "$raw" "$DUMPKIT" 2000 >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    local pid=$!
    held() { [ "$(status_of_guest)" = paused ]; }
    await held
    guest_stop "$GUEST"
    ! wait "$pid" || fail "$(cat "$BATS_TEST_TMPDIR/said")"
    grep -q "has ended" "$BATS_TEST_TMPDIR/said"
}
