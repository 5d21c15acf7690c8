#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The includes of src/ keep to the tables of docs/ARCHITECTURE.md (tools/check-layers.py)."""
import subprocess
import sys

from metalib import ROOT, TOOLS, Sample, main

with open(ROOT + "/docs/ARCHITECTURE.md") as doc:
    TABLES = doc.read()


def includes_keep_to_the_layers(tree):
    done = subprocess.run([sys.executable, TOOLS + "/check-layers.py", tree.root],
                          capture_output=True, text=True)
    complaints = done.stdout.splitlines()
    if done.returncode not in (0, 1) or bool(done.returncode) != bool(complaints):
        complaints.append(f"exit status {done.returncode}: {done.stderr}")
    return complaints


def sample(complaint, **files):
    named = {"docs/ARCHITECTURE.md": TABLES, "src/base/a.h": "", "src/mem/m.h": ""}
    named.update({"src/" + name.replace("__", "/").replace("_H", ".h").replace("_C", ".c"): text
                  for name, text in files.items()})
    return Sample(includes_keep_to_the_layers, named, complaint)


SAMPLES = [
    sample("", format__elf__x_C='#include "base/a.h"\n#include "mem/m.h"\n#include <stdio.h>\n'
           '#include <sys/stat.h>\n#include <glib.h>\n#include <json-glib/json-glib.h>\n'),
    sample("base/ may not include mem/", base__x_C='#include "mem/m.h"\n'),
    sample("x.c:2: mem/ may not include tool/", tool__t_H="", mem__x_C='\n#include "tool/t.h"\n'),
    sample("sibling format/b", format__a__x_C='#include "format/b/b.h"\n', format__b__b_H=""),
    sample("sibling live/b", live__a__x_C='#include "live/b/b.h"\n', live__b__b_H=""),
    sample("sibling proto/b", proto__a__x_C='#include "proto/b/b.h"\n', proto__b__b_H=""),
    sample("sibling sym/b", sym__a__x_C='#include "sym/b/b.h"\n', sym__b__b_H=""),
    sample("", sym__a__x_C='#include "sym/s.h"\n', sym__s_H=""),
    sample("does not name its directory", mem__x_C='#include "m.h"\n'),
    sample("is no file of src/", mem__x_C='#include "base/none.h"\n'),
    sample("", console__x_C='#include "unwind/u.h"\n', unwind__u_H=""),
    sample("service/ may not include tool/", service__x_C='#include "tool/t.h"\n', tool__t_H=""),
    sample("<elfutils/libdw.h> belongs to sym/", unwind__x_C='#include <elfutils/libdw.h>\n'),
    sample("<capstone/capstone.h> belongs", console__x_C='# include <capstone/capstone.h>\n'),
    sample("<zstd.h> belongs to codec/", io__x_C='#include <zstd.h>\n'),
    sample("<made-up.h> has no row", io__x_C='#include <made-up.h>\n'),
    sample("its directory has no row", extra__x_C="\n"),
]
SAMPLES.append(Sample(includes_keep_to_the_layers, {"docs/ARCHITECTURE.md": "no table\n"},
                      "exit status 2", "a document without the tables"))
CHECKS = [includes_keep_to_the_layers]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
