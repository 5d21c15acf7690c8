#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs clang-tidy over the sources of a build folder and speaks TAP, a test a source.

usage: tools/tidy.py BUILD [--seconds N] [--cache DIR]

clang-tidy is slow, so a source that was found clean is remembered by a hash of all that the answer
depends on: clang-tidy's version, .clang-tidy, the compile command, the source and every header it
includes.  Only what changed is looked at again.  When the seconds are over, the rest is skipped by
name; the next run goes on from there.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                             "dumpkit", "tidy")


def dependencies(build):
    """object -> files it was made from, as ninja knows them."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True,
                          check=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        if line.startswith("    ") and current is not None:
            current.append(line.strip())
        elif ": #deps" in line:
            current = found.setdefault(line.split(": #deps")[0], [])
    return found


def digest(path, cache={}):
    """Content of the project's files; size and time of the system's, which a package replaces."""
    if path not in cache:
        if os.path.realpath(path).startswith(ROOT + "/"):
            with open(path, "rb") as file:
                cache[path] = hashlib.sha256(file.read()).hexdigest()
        else:
            info = os.stat(path)
            cache[path] = f"{info.st_size}"
    return cache[path]


def key(entry, headers, base):
    parts = [base, entry["command"].replace(entry["directory"], "BUILD")]
    for name in sorted(set(headers) | {entry["file"]}):
        path = os.path.normpath(os.path.join(entry["directory"], name))
        parts.append(f"{name} {digest(path)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def commands(build):
    with open(os.path.join(build, "compile_commands.json")) as file:
        entries = json.load(file)
    seen = set()
    for entry in entries:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        name = os.path.relpath(path, ROOT)
        if name.startswith(("src/", "tests/")) and name not in seen:
            seen.add(name)
            yield name, entry


def tidy(name, build):
    done = subprocess.run(["clang-tidy", "-p", build, "--quiet", os.path.join(ROOT, name)],
                          capture_output=True, text=True, cwd=ROOT)
    output = "\n".join(line for line in done.stdout.splitlines() if line.strip())
    if done.returncode and not output:
        output = done.stderr
    return done.returncode == 0 and not re.search(r": (warning|error):", output), output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--cache", default=DEFAULT_CACHE)
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    end = time.monotonic() + args.seconds
    with open(os.path.join(ROOT, ".clang-tidy")) as file:
        base = file.read()
    base += subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True).stdout
    os.makedirs(args.cache, exist_ok=True)
    depends = dependencies(build)

    def job(item):
        name, entry = item
        mark = os.path.join(args.cache, key(entry, depends.get(entry.get("output"), []), base))
        if os.path.exists(mark):
            os.utime(mark)
            return name, True, ""
        if time.monotonic() > end:
            return name, None, ""
        clean, output = tidy(name, build)
        if clean:
            with open(mark, "w") as file:
                file.write(name + "\n")
        return name, clean, output

    items = list(commands(build))
    print(f"1..{len(items)}", flush=True)
    failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (name, clean, output) in enumerate(pool.map(job, items), 1):
            if clean is None:
                print(f"ok {number} - {name} # SKIP no time left for clang-tidy", flush=True)
                continue
            print(f"{'ok' if clean else 'not ok'} {number} - {name}", flush=True)
            if not clean:
                failed = True
                print("\n".join("# " + line for line in output.splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
