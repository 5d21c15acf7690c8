#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library has no writable variable of static storage (read from the plain build's objects)."""
import glob
import os
import re
import subprocess
import sys

from metalib import Sample, Skip, main

# What G_DEFINE_QUARK, G_DEFINE_TYPE and g_once_init_enter make; each is written once.
ALLOWED = re.compile(r"(q|g_define_type_id|static_g_define_type_id|gonce_data|once_init_value)\.\d+$|"
                     r"\w+_parent_class$|\w+_private_offset$")
WRITABLE = re.compile(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)|\*COM\*")


def writable_symbols(path):
    text = subprocess.run(["objdump", "-t", path], capture_output=True, text=True,
                          check=True).stdout
    for line in text.splitlines():
        found = re.match(r"[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
        if not found:
            continue
        kind, section, name = found.groups()
        # The section's own symbol is flagged d; compilers make no other unnamed ones.
        if "d" not in kind and WRITABLE.match(section) and not ALLOWED.match(name):
            yield name, section


def library_has_no_writable_globals(tree):
    sources = sorted(tree.files("sample.c"))
    for name in sources if not os.path.isdir(tree.build) else []:  # samples bring no build
        os.makedirs(tree.build + "/src/libdumpkit.a.p")
        subprocess.run(["gcc", "-fPIC", "-c", tree.path(name), "-o",
                        tree.build + "/src/libdumpkit.a.p/sample.o"], check=True)
    objects = sorted(glob.glob(tree.build + "/src/libdumpkit.a.p/*.o"))
    if not objects:
        return [f"{tree.build}: no object of the library"]
    if any(b"__asan_init" in open(path, "rb").read() for path in objects):
        raise Skip("a sanitizer build has variables of its own")
    return [f"{os.path.basename(path)}: {name} in {section}"
            for path in objects for name, section in writable_symbols(path)]


check = library_has_no_writable_globals
SAMPLES = [
    Sample(check, {"sample.c": "static const int a = 1; static const char *const t[] = {\"x\"};\n"
                   "const int *f(void) { return t[0] ? &a : 0; }\n"
                   "int g(void) { static int q; return q++; }\n"}),
    Sample(check, {"sample.c": "int count;\n"}, "count in .bss"),
    Sample(check, {"sample.c": "int count = 1;\n"}, "count in .data"),
    Sample(check, {"sample.c": "int f(void) { static int last = 1; return last++; }\n"}, "last"),
    Sample(check, {"sample.c": "static const char *table[] = {\"x\"};\n"
                   "const char **f(void) { return table; }\n"}, "table in .data"),
    Sample(check, {"sample.c": "__thread int t;\nint f(void) { return t++; }\n"}, "t in .tbss"),
]
CHECKS = [check]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
