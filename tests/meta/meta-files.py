#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names, sizes and first lines of the project's files."""
import os
import re
import sys

from metalib import Sample, main

CODE = (".c", ".h", ".py", ".sh", ".bats", ".pod")
MAX_LINES = 800
KEBAB = re.compile(r"\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$")
# Names that the world knows in capitals, or that Meson gives.
KNOWN = re.compile(r"(Makefile|LICENSE|README\.md|meson_options\.txt)$|^docs/[A-Z]+\.md$|"
                   r"^tests/fuzz/corpus/|^tests/golden/.*/expect")
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
MARKED = CODE + ("meson.build", "meson_options.txt", "Makefile", ".list", ".clang-tidy")


def names_are_kebab_case(tree):
    return [f"{name}: not kebab-case" for name in tree.files()
            if not KNOWN.search(name) and not all(KEBAB.match(part) for part in name.split("/"))]


def names_are_unique(tree):
    complaints, first = [], {}
    for name in tree.files(*CODE):
        base = os.path.basename(name)
        if base in first:
            complaints.append(f"{name}: has the same name as {first[base]}")
        first.setdefault(base, name)
    return complaints


def files_are_not_too_long(tree):
    complaints = []
    for name in tree.files(*CODE):
        lines = tree.read(name).count("\n")
        if lines > MAX_LINES:
            complaints.append(f"{name}: {lines} lines, more than {MAX_LINES}")
    return complaints


def files_begin_with_their_licence(tree):
    complaints = []
    for name in tree.files(*MARKED):
        if name.startswith("tests/fuzz/corpus/"):
            continue
        lines = tree.read(name).splitlines()[:2]
        head = lines[:2] if lines and lines[0].startswith("#!") else lines[:1]
        if not any(SPDX in line for line in head):
            complaints.append(f"{name}:1: no line \"{SPDX}\"")
    return complaints


def headers_begin_with_purpose_and_pragma_once(tree):
    complaints = []
    for name in tree.files(".h"):
        lines = tree.read(name).splitlines()
        if len(lines) < 2 or not lines[1].startswith("/*"):
            complaints.append(f"{name}:2: no comment says what the header is for")
        if "#pragma once" not in lines:
            complaints.append(f"{name}: no #pragma once")
    return complaints


HEAD = f"/* {SPDX} */\n"
SAMPLES = [
    Sample(names_are_kebab_case, {"src/a-b/c-d.c": "", "docs/TESTING.md": "", "Makefile": ""}),
    Sample(names_are_kebab_case, {"src/bad_name.c": ""}, r"bad_name\.c"),
    Sample(names_are_kebab_case, {"src/BadFolder/x.c": ""}, "BadFolder"),
    Sample(names_are_unique, {"src/a/x.c": "", "src/b/x.h": ""}),
    Sample(names_are_unique, {"src/a/x.c": "", "tests/x.c": ""}, "same name as src/a/x.c"),
    Sample(files_are_not_too_long, {"x.c": "\n" * 800}),
    Sample(files_are_not_too_long, {"x.c": "\n" * 801}, "801 lines"),
    Sample(files_begin_with_their_licence, {"x.c": HEAD, "y.sh": f"#!/bin/sh\n# {SPDX}\n"}),
    Sample(files_begin_with_their_licence, {"x.c": "int x;\n" + HEAD}, "x.c:1"),
    Sample(files_begin_with_their_licence, {"meson.build": ""}, "meson.build:1"),
    Sample(headers_begin_with_purpose_and_pragma_once,
           {"x.h": HEAD + "/* For this. */\n#pragma once\n"}),
    Sample(headers_begin_with_purpose_and_pragma_once, {"x.h": HEAD + "/* For. */\n"}, "pragma"),
    Sample(headers_begin_with_purpose_and_pragma_once, {"x.h": HEAD + "#pragma once\n"}, "x.h:2"),
]
CHECKS = [names_are_kebab_case, names_are_unique, files_are_not_too_long,
          files_begin_with_their_licence, headers_begin_with_purpose_and_pragma_once]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
