#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the test suites and prints `N passed, N failed` last."""
import glob
import re
import subprocess
import sys

passed = failed = skipped = 0


def run(name, command):
    """Runs one suite that speaks TAP and counts its lines."""
    global passed, failed, skipped
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    bad = False
    for line in done.stdout.splitlines():
        if re.match(r"ok\b.*# SKIP", line):
            skipped += 1
        elif re.match(r"ok\b", line):
            passed += 1
        elif re.match(r"not ok\b", line):
            failed += 1
            bad = True
    if done.returncode and not bad:
        failed += 1
        bad = True
    if bad:
        print(f"--- {name}\n{done.stdout}")


subprocess.run(["make", "BUILD=build"], check=True)
for test in sorted(glob.glob("build/tests/unit/test-*")):
    if not test.endswith(".p"):
        run(test, [test, "--tap"])
tail = f", {skipped} skipped" if skipped else ""
print(f"{passed} passed, {failed} failed{tail}")
sys.exit(1 if failed else 0)
