#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the tree and runs the test suites; the last line is `N passed, N failed`.

usage: tools/check.py [--fast] [--list] [SUITE...]

Every result comes from the tree as it is: the builds are suites too, and what needs a build runs
only after it.  docs/TESTING.md says what the suites are and what they tell their programs.
"""
import argparse
import glob
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
from jobs import Job, Runner, Suite  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = os.cpu_count() or 1
LOGS = "build-check"
FUZZ_SECONDS = 10
SANITIZED = "-Db_sanitize=address,undefined"


def tree_files():
    """The files of the project: what git knows and what it would add."""
    try:
        text = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True,
                              capture_output=True, text=True).stdout
        names = text.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name), ".")
                 for folder, _, files in os.walk(".") for name in files]
        names = [name for name in names if not name.startswith((".git/", "build"))]
    return sorted(name for name in names if os.path.isfile(name))


def build(folder, compiler, options, jobs):
    """A build folder of its own; made anew when it was set up with other options."""
    stamp = f"{compiler} {options}"
    script = (
        f"set -e; d={folder}\n"
        f"if [ ! -f $d/build.ninja ] || [ \"$(cat $d/options 2>/dev/null)\" != '{stamp}' ]; then\n"
        f"    rm -rf $d; CC={compiler} meson setup {options} $d\n"
        f"    echo '{stamp}' >$d/options\n"
        "fi\n"
        f"ninja -C $d -k0 -j{jobs}\n"
        "ln -sfn src/tool/dumpkit $d/dumpkit\n")
    return Job(folder, ["sh", "-c", script], kind="status", limit=1800, slots=jobs)


def in_build(folder):
    return {"DUMPKIT_BUILD": os.path.join(ROOT, folder),
            "DUMPKIT": os.path.join(ROOT, folder, "dumpkit")}


def stems(pattern, prefix):
    return [os.path.basename(path)[len(prefix):-2] for path in sorted(glob.glob(pattern))]


def unit(folder, limit):
    return [Job("test-" + name, [f"{folder}/tests/unit/test-{name}", "--tap"], limit=limit,
                env=in_build(folder))
            for name in stems("tests/unit/test-*.c", "test-")]


def golden(folder, limit):
    return [Job(os.path.basename(path), [path], limit=limit, env=in_build(folder))
            for path in ("tests/golden/run", "tests/golden/run.py") if os.access(path, os.X_OK)]


def bats(pattern, folder, limit):
    """A job a file.  "# check: exclusive", "slots=N", "limit=SECONDS" in the file are heeded."""
    jobs = []
    for path in sorted(glob.glob(pattern)):
        job = Job(os.path.basename(path), ["bats", "--formatter", "tap", path], limit=limit,
                  env=in_build(folder))
        with open(path) as file:
            words = " ".join(re.findall(r"^# check: (.*)$", file.read(), re.MULTILINE)).split()
        for word in words:
            key, _, value = word.partition("=")
            if key == "exclusive":
                job.exclusive = True
            elif key in ("slots", "limit"):
                setattr(job, key, int(value))
            else:
                sys.exit(f"{path}: \"# check: {word}\" is not understood")
        jobs.append(job)
    return jobs


def meta(folder):
    return [Job(os.path.basename(path), [sys.executable, path], env=in_build(folder))
            for path in sorted(glob.glob("tests/meta/meta-*.py"))]


def status(name, command, limit=300):
    return [Job(name, command, kind="status", limit=limit)]


def corpora(folder):
    return [Job("corpus-" + name, [f"{folder}/tests/fuzz/corpus-{name}", f"tests/fuzz/corpus/{name}"],
                limit=600, env=in_build(folder))
            for name in stems("tests/fuzz/fuzz-*.c", "fuzz-")]


def fuzzers(folder):
    return [Job("fuzz-" + name, ["tools/fuzz.sh", name, str(FUZZ_SECONDS)],
                limit=FUZZ_SECONDS + 120, env=in_build(folder))
            for name in stems("tests/fuzz/fuzz-*.c", "fuzz-")]


def shell_scripts(files):
    def is_shell(path):
        if path.endswith((".sh", ".bats")):
            return True
        if "." in os.path.basename(path):
            return False
        with open(path, "rb") as file:
            return re.match(rb"#!.*\b(sh|bash)\b", file.readline()) is not None
    return [path for path in files if is_shell(path)]


def suites_fast():
    found = [Suite("build", status("build", ["make", "BUILD=build"], 1800)),
             Suite("unit", unit("build", 120), needs=("build",))]
    if golden("build", 0):
        found.append(Suite("golden", golden("build", 150), needs=("build",)))
    found.append(Suite("meta", meta("build"), needs=("build",)))
    return found


def suites_all():
    files = tree_files()
    sources = [path for path in files if path.endswith((".c", ".h"))]
    gcc, clang, asan = ("build-gcc",), ("build-clang",), ("build-asan",)
    fuzzed = f"-Dwerror=true -Dfuzz=true {SANITIZED}"
    found = [
        Suite("build-gcc", [build("build-gcc", "gcc", "-Dwerror=true", CORES)]),
        Suite("format", status("clang-format",
                               ["clang-format", "--dry-run", "-Werror", *sources])),
        Suite("shellcheck", status("shellcheck", ["shellcheck", *shell_scripts(files)])),
        Suite("build-asan", [build("build-asan", "gcc", SANITIZED, 1)]),
        Suite("build-clang", [build("build-clang", "clang", fuzzed, 1)]),
    ]
    if glob.glob("tests/live/*.bats"):
        found.append(Suite("live", bats("tests/live/*.bats", "build-gcc", 600), needs=gcc))
    found.append(Suite("unit", unit("build-gcc", 120), needs=gcc))
    if golden("build-gcc", 0):
        found.append(Suite("golden", golden("build-gcc", 300), needs=gcc))
    found += [
        Suite("cli", bats("tests/cli/*.bats", "build-gcc", 300), needs=gcc),
        Suite("meta", meta("build-gcc"), needs=gcc),
        Suite("unit-asan", unit("build-asan", 300), needs=asan),
    ]
    if golden("build-asan", 0):
        found.append(Suite("golden-asan", golden("build-asan", 600), needs=asan))
    found.append(Suite("cli-asan", bats("tests/cli/*.bats", "build-asan", 600), needs=asan))
    if glob.glob("tests/fuzz/fuzz-*.c"):
        found += [Suite("corpus", corpora("build-clang"), needs=clang),
                  Suite("fuzz", fuzzers("build-clang"), needs=clang)]
    tidy = Job("clang-tidy", [sys.executable, "tools/tidy.py", "build-clang", "--seconds", "720"],
               limit=900)
    found.append(Suite("clang-tidy", [tidy], needs=clang))
    return found


def environment():
    env = dict(os.environ)
    for name in ("DEBUGINFOD_URLS", "NO_COLOR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        env.pop(name, None)
    corpus = env.get("DUMPKIT_CORPUS", os.path.join(os.path.dirname(ROOT), "shared", "corpus"))
    if os.path.isdir(corpus):
        env["DUMPKIT_CORPUS"] = os.path.abspath(corpus)
    env.update({
        "LC_ALL": "C.UTF-8",
        "G_DEBUG": "fatal-criticals",
        "MALLOC_PERTURB_": "165",
        "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DUMPKIT_PEERS": os.path.join(ROOT, "build-peers", "node_modules"),
    })
    return env


def choose(suites, names):
    """The named suites and what they need."""
    by_name = {suite.name: suite for suite in suites}
    wanted = set()
    for name in names:
        if name not in by_name:
            sys.exit(f"no suite \"{name}\"; there are: {' '.join(by_name)}")
        wanted |= {name, *by_name[name].needs}
    return [suite for suite in suites if suite.name in wanted] if names else suites


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="one build; unit, golden, meta")
    parser.add_argument("--list", action="store_true", help="print the suites and their jobs")
    parser.add_argument("suite", nargs="*")
    args = parser.parse_args()
    os.chdir(ROOT)
    suites = choose(suites_fast() if args.fast else suites_all(), args.suite)
    if args.list:
        for suite in suites:
            for job in suite.jobs:
                print(suite.name, shlex.join(job.command)[:100].replace("\n", " "), sep="\t")
        return 0
    return Runner(suites, LOGS, environment(), CORES).run()


if __name__ == "__main__":
    sys.exit(main())
