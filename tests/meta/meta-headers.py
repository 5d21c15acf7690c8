#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each header of src/ compiles alone, and twice, without a warning, with gcc and with clang."""
import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess
import sys

from metalib import Sample, Skip, main

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wstrict-prototypes", "-Wno-unused-parameter",
            "-Wno-missing-field-initializers"]


def flags(tree):
    """Include folders and macros of the build, from the first source of the library."""
    path = os.path.join(tree.build, "compile_commands.json")
    if not os.path.exists(path):
        return ["-std=gnu17", "-D_GNU_SOURCE", "-I" + tree.path("src")]
    with open(path) as file:
        entry = next(entry for entry in json.load(file) if "/src/" in entry["file"])
    kept = [word for word in shlex.split(entry["command"])
            if word.startswith(("-I", "-D", "-U", "-std=", "-isystem"))]
    return [word if not word.startswith("-I") else
            "-I" + os.path.normpath(os.path.join(entry["directory"], word[2:])) for word in kept]


def compile_all(tree, compiler):
    if not shutil.which(compiler):
        raise Skip(f"{compiler} is not installed")
    options = flags(tree)
    names = [name[len("src/"):] for name in tree.files(".h") if name.startswith("src/")]

    def one(name):
        text = f'#include "{name}"\n#include "{name}"\n'
        done = subprocess.run([compiler, *options, *WARNINGS, "-fsyntax-only", "-x", "c", "-"],
                              input=text, capture_output=True, text=True)
        return [f"{compiler}: {line}" for line in done.stderr.splitlines()] \
            if done.returncode else []

    if not names:
        return ["no header found"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [line for lines in pool.map(one, names) for line in lines]


def headers_compile_alone_with_gcc(tree):
    return compile_all(tree, "gcc")


def headers_compile_alone_with_clang(tree):
    return compile_all(tree, "clang")


CHECKS = [headers_compile_alone_with_gcc, headers_compile_alone_with_clang]
SAMPLES = []
for check in CHECKS:
    SAMPLES += [
        Sample(check, {"src/a/x.h": "#pragma once\n#include <stdint.h>\nint dk_x(uint8_t a);\n"}),
        Sample(check, {"src/a/x.h": "#pragma once\nint dk_x(uint8_t a);\n"}, "uint8_t"),
        Sample(check, {"src/a/x.h": "struct X { int a; };\n"}, "redefinition"),
    ]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
