#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a copy of a guest's memory holds; knows nothing of dumpkit.

usage: sinks.py digest RAW PAGES CHURN   a raw copy (the byte at offset N is physical address N)
       drgn -q -c DUMP --no-default-symbols sinks.py RAW

The first prints a digest of all pages that are not zero, with their addresses, and another one
without the ROM below 4 GiB (which is no memory to a kernel, nor to makedumpfile), when each of PAGES
pages of guest-init.c's pattern is at its place and CHURN pages are of one instant; else complaints,
and exit status 1.  The second compares pages from all over RAW with what drgn reads of DUMP.
"""
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest"))
import patterns  # noqa: E402

STEP = 61   # drgn looks at one page in so many
ZERO = bytes(patterns.PAGE)


def pages(path):
    return ((pa, page) for pa, page in patterns.raw_pages(path) if page != ZERO)


def digest(path, count, churning):
    state, without_rom = hashlib.sha256(), hashlib.sha256()

    def seen():
        for pa, page in pages(path):
            state.update(pa.to_bytes(8, "little") + page)
            if not 0xff000000 <= pa < 1 << 32:
                without_rom.update(pa.to_bytes(8, "little") + page)
            yield pa, page
    complaints = patterns.check(seen(), count, churning)
    for complaint in complaints[:20]:
        print(complaint)
    if complaints:
        return 1
    print(state.hexdigest())
    print(without_rom.hexdigest())
    return 0


def compare(program, path):
    done = 0
    for number, (pa, page) in enumerate(pages(path)):
        if number % STEP:
            continue
        if program.read(pa, patterns.PAGE, True) != page:
            sys.exit(f"drgn reads another page at {pa:#x}")
        done += 1
    if done < 100:
        sys.exit(f"only {done} pages")
    print(done, "pages are the same, and of", program["UTS_RELEASE"].string_().decode())


if "prog" in globals():
    compare(prog, sys.argv[1])  # noqa: F821
elif len(sys.argv) == 5 and sys.argv[1] == "digest":
    sys.exit(digest(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
else:
    sys.exit(__doc__)
