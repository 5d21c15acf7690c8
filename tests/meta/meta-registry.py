#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is registered is complete: formats, fuzz targets, unit tests, verbs, dependencies."""
import glob
import os
import re
import shutil
import subprocess
import sys

from metalib import Sample, Skip, main


def format_names(tree, word):
    """The folder's word and the name that the format shows to people."""
    names = {word}
    for path in glob.glob(tree.path(f"src/format/{word}/*.c")):
        with open(path) as file:
            found = re.search(r"const DkFormat dk_format_\w+ = \{.*?\.name = \"([^\"]+)\"",
                              file.read(), re.DOTALL)
        if found:
            names.add(found.group(1))
    return names


def formats_are_complete(tree):
    complaints = []
    manual = "\n".join(tree.read(name) for name in tree.files(".pod"))
    for word in tree.meson_list("src/format/meson.build", "formats"):
        names = format_names(tree, word)

        def any_of(pattern):
            return any(glob.glob(tree.path(pattern.replace("NAME", name))) for name in names)

        for pattern in ("tests/unit/test-NAME*.c", "tests/fuzz/fuzz-NAME*.c",
                        "docs/formats/NAME.md"):
            if not any_of(pattern):
                complaints.append(f"format {word}: no {pattern.replace('NAME', word)}")
        headings = re.findall(r"^=(?:head2|item) (.*)$", manual, re.MULTILINE)
        if not any(re.search(rf"\b{re.escape(name)}\b", line) for name in names
                   for line in headings):
            complaints.append(f"format {word}: no section or item of the manual names it")
    return complaints


def corpora_are_stored(tree):
    complaints = []
    for word in tree.meson_list("tests/fuzz/meson.build", "fuzz_targets"):
        if not tree.files_in(f"tests/fuzz/corpus/{word}"):
            complaints.append(f"fuzz target {word}: no stored input in tests/fuzz/corpus/{word}")
    return complaints


def every_test_program_is_built(tree):
    complaints = []
    for folder, variable, prefix in (("tests/unit", "unit_tests", "test-"),
                                     ("tests/fuzz", "fuzz_targets", "fuzz-")):
        listed = set(tree.meson_list(folder + "/meson.build", variable))
        there = {os.path.basename(path)[len(prefix):-2]
                 for path in glob.glob(tree.path(f"{folder}/{prefix}*.c"))}
        complaints += [f"{folder}: {name} is in no Meson list" for name in sorted(there - listed)]
        complaints += [f"{folder}: {name} has no source" for name in sorted(listed - there)]
    return complaints


def commands_are_registered(tree):
    complaints = []
    for folder, variable, prefix in (("src/tool", "verbs", "verb-"),
                                     ("src/console", "commands", "cmd-")):
        there = {os.path.basename(path)[len(prefix):-2]
                 for path in glob.glob(tree.path(f"{folder}/{prefix}*.c"))}
        if not there:
            continue
        listed = set(tree.meson_list(folder + "/meson.build", variable))
        complaints += [f"{folder}/{prefix}{name}.c: not in the list {variable}"
                       for name in sorted(there - listed)]
    return complaints


def packages_of(tree, kinds):
    found = set()
    for line in tree.read("tools/deps.list").splitlines():
        words = line.split()
        if words and not line.startswith("#") and words[0] in kinds:
            found.add(words[1].split("?")[0])
    return found


def provider(dependency):
    """The Debian package that brings NAME.pc, or None when pkg-config does not know it."""
    done = subprocess.run(["pkg-config", "--variable=pcfiledir", dependency], capture_output=True,
                          text=True)
    if done.returncode or not done.stdout.strip():
        return None
    path = os.path.join(done.stdout.strip(), dependency + ".pc")
    done = subprocess.run(["dpkg", "-S", os.path.realpath(path)], capture_output=True, text=True)
    return done.stdout.split(":")[0] if done.returncode == 0 else None


def dependency_list_is_complete(tree):
    if not shutil.which("dpkg") or not shutil.which("pkg-config"):
        raise Skip("dpkg or pkg-config is not installed")
    listed = packages_of(tree, {"build"})
    complaints = []
    for name in tree.files("meson.build"):
        text = re.sub(r"#.*", "", tree.read(name))
        for dependency in re.findall(r"\bdependency\(\s*'([^']+)'", text):
            if dependency == "threads":
                continue
            package = provider(dependency)
            peer = name.startswith("bench/") and f"'{dependency}', required: false" in text
            if peer and (not package or package in packages_of(tree, {"bench"})):
                continue
            if not package:
                complaints.append(f"{name}: no package brings {dependency}.pc")
            elif package not in listed:
                complaints.append(f"{name}: {dependency} is in {package}, which is not in "
                                  "tools/deps.list as build")
    return complaints


def dependency_list_is_well_formed(tree):
    complaints, seen = [], set()
    for number, line in enumerate(tree.read("tools/deps.list").splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if words[0] not in ("build", "check", "bench") or len(words) < 3:
            complaints.append(f"tools/deps.list:{number}: not KIND PACKAGE WHY")
        elif words[1] in seen:
            complaints.append(f"tools/deps.list:{number}: {words[1]} stands there twice")
        seen.update(words[1:2])
    return complaints


FORMATS = {"src/format/meson.build": "formats = ['elfcore']\n"}
COMPLETE = {"tests/unit/test-elfcore-read.c": "", "tests/fuzz/fuzz-elfcore.c": "",
            "docs/formats/elf.md": "", "man/dumpkit.pod": "=item B<elf>\n",
            "src/format/elfcore/elfcore.c": 'const DkFormat dk_format_elfcore = {\n'
                                            '    .name = "elf",\n};\n'}


def without(name):
    return {**FORMATS, **{key: text for key, text in COMPLETE.items() if key != name}}


FUZZ = {"tests/fuzz/meson.build": "fuzz_targets = ['a']\n", "tests/fuzz/fuzz-a.c": ""}
UNIT = {"tests/unit/meson.build": "unit_tests = ['b']\n", "tests/unit/test-b.c": ""}
SAMPLES = [
    Sample(formats_are_complete, {**FORMATS, **COMPLETE}),
    Sample(formats_are_complete, without("tests/unit/test-elfcore-read.c"), "test-elfcore"),
    Sample(formats_are_complete, without("tests/fuzz/fuzz-elfcore.c"), "fuzz-elfcore"),
    Sample(formats_are_complete, without("docs/formats/elf.md"), "docs/formats"),
    Sample(formats_are_complete, without("man/dumpkit.pod"), "manual"),
    Sample(corpora_are_stored, {**FUZZ, "tests/fuzz/corpus/a/one": "x"}),
    Sample(corpora_are_stored, FUZZ, "no stored input"),
    Sample(every_test_program_is_built, {**FUZZ, **UNIT}),
    Sample(every_test_program_is_built, {**FUZZ, **UNIT, "tests/unit/test-c.c": ""}, "c is in no"),
    Sample(every_test_program_is_built, {**UNIT, "tests/fuzz/meson.build": "fuzz_targets = ['a']\n"},
           "a has no source"),
    Sample(commands_are_registered, {"src/tool/meson.build": "verbs = ['x']\n",
                                     "src/tool/verb-x.c": ""}),
    Sample(commands_are_registered, {"src/tool/meson.build": "verbs = ['x']\n",
                                     "src/tool/verb-y.c": ""}, "verb-y.c"),
    Sample(dependency_list_is_complete,
           {"meson.build": "x = dependency('glib-2.0')\n", "tools/deps.list":
            "build libglib2.0-dev containers\n"}),
    Sample(dependency_list_is_complete,
           {"meson.build": "x = dependency('glib-2.0')\n", "tools/deps.list":
            "check libglib2.0-dev containers\n"}, "libglib2.0-dev, which is not"),
    Sample(dependency_list_is_complete,
           {"meson.build": "x = dependency('no-such-thing')\n", "tools/deps.list": ""},
           "no package brings no-such-thing"),
    Sample(dependency_list_is_well_formed, {"tools/deps.list": "build a why\ncheck b why\n"}),
    Sample(dependency_list_is_well_formed, {"tools/deps.list": "build a why\ncheck a why\n"},
           "twice"),
    Sample(dependency_list_is_well_formed, {"tools/deps.list": "maybe a why\n"}, "KIND"),
]
CHECKS = [formats_are_complete, corpora_are_stored, every_test_program_is_built,
          commands_are_registered, dependency_list_is_complete, dependency_list_is_well_formed]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
