#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: tools/fuzz.sh NAME [SECONDS]: runs libFuzzer on tests/fuzz/fuzz-NAME.c, starting from its
# stored corpus, and speaks TAP.  The program is that of build-clang, made by tools/check.py
# build-clang.  New inputs and crashes stay in build-check/fuzz-found/NAME.
set -eu
cd "$(dirname "$0")/.."
name=$1
seconds=${2:-60}
program=${DUMPKIT_BUILD:-build-clang}/tests/fuzz/fuzz-$name
found=build-check/fuzz-found/$name
mkdir -p "$found"
log=$found.log
echo 1..1
status=0
"$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2560 -print_final_stats=1 \
    -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
if [ "$status" = 0 ] && [ "${runs:-0}" -gt 0 ]; then
    echo "ok 1 - fuzz-$name: $runs runs"
else
    echo "not ok 1 - fuzz-$name: exit status $status after ${runs:-0} runs"
    sed 's/^/# /' "$log" | tail -n 80
    exit 1
fi
