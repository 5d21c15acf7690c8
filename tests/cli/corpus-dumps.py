#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sends every dump below the folders given through info and check; prints what went wrong.

usage: corpus-dumps.py DUMPKIT FOLDER...

Each command has to end in time, with status 0, 1 or 3, without a report of a sanitizer, and say
something on one of its outputs; --json has to print JSON, or nothing when it fails.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

COMMANDS = (["info"], ["info", "--json"], ["info", "--threads", "--modules", "--maps", "--notes"],
            ["check"], ["check", "--deep", "--json"], ["check", "--deep"])
LIMIT = 60


def complaint(dumpkit, command, path):
    try:
        done = subprocess.run([dumpkit, command[0], path, *command[1:]], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"ran out of time after {LIMIT} s"
    errors = done.stderr.decode("utf-8", "backslashreplace")
    if "Sanitizer" in errors or "runtime error" in errors or done.returncode not in (0, 1, 3):
        return f"status {done.returncode}\n{errors}"
    try:
        text = done.stdout.decode()
    except UnicodeDecodeError as error:
        return f"prints what is no UTF-8: {error}"
    if not text and not (errors and done.returncode == 1):
        return f"says nothing, with status {done.returncode}"
    if any(ord(c) < 32 and c != "\n" or c == "\x7f" for c in text):
        return "prints control characters"
    if "--json" not in command or not text:
        return None
    try:
        verdict = json.loads(text).get("verdict")
    except ValueError as error:
        return f"prints no JSON: {error}"
    if command[0] == "check" and {"complete": 0, "lacks": 3, "damaged": 1}[verdict] != done.returncode:
        return f"the verdict is {verdict}, the status {done.returncode}"
    return None


def main():
    dumpkit, folders = sys.argv[1], sys.argv[2:]
    files = sorted(os.path.join(root, name) for folder in folders
                   for root, _, names in os.walk(folder) for name in names
                   if not name.endswith(".txt"))
    jobs = [(command, path) for path in files for command in COMMANDS]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda job: complaint(dumpkit, *job), jobs))
    bad = [(job, text) for job, text in zip(jobs, results) if text]
    for (command, path), text in bad:
        print(f"dumpkit {' '.join(command)} {path}: {text}")
    print(f"{len(files)} files, {len(jobs)} commands, {len(bad)} went wrong")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
