#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares ELF vmcores by physical page; knows nothing of dumpkit.

usage: vmcore-pages.py same A B         each page that B has is in A, with the same bytes
       vmcore-pages.py dumped A KDUMP   A has the pages that KDUMP of makedumpfile has, and no others
       vmcore-pages.py pattern A COUNT  COUNT pages hold the words of guest-init.c's pattern
"""
import mmap
import struct
import sys

PAGE = 4096
TAG = 0x7061740000000000


class Vmcore:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        off, = struct.unpack_from("<Q", self.data, 32)
        count, = struct.unpack_from("<H", self.data, 56)
        self.loads = []
        for i in range(count):
            kind, _, at, _, pa, filesz, _, _ = struct.unpack_from("<IIQQQQQQ", self.data,
                                                                  off + 56 * i)
            if kind == 1 and filesz:
                self.loads.append((pa, filesz, at))

    def pages(self):
        for pa, size, at in self.loads:
            for step in range(0, size, PAGE):
                yield pa + step, self.data[at + step:at + step + PAGE]

    def page(self, pa):
        for first, size, at in self.loads:
            if first <= pa < first + size:
                return self.data[at + pa - first:at + pa - first + PAGE]
        return None


def same(a, b):
    count = 0
    for pa, bytes_ in b.pages():
        count += 1
        if a.page(pa) != bytes_:
            sys.exit(f"the page at {pa:#x} differs")
    if count < 1000:
        sys.exit(f"only {count} pages")
    print(count, "pages are the same")


def kdump_pages(path):
    """Addresses of the pages in a kdump file.  At 0x1ac the header has the sizes: of a block, of
    the sub header and of both bitmaps; the second says what is there.  (Zero pages are, at any
    level: makedumpfile has their descriptors point to one.)"""
    with open(path, "rb") as file:
        head = file.read(PAGE)
        if head[:8] != b"KDUMP   ":
            sys.exit(f"{path}: no kdump file")
        block, sub, bitmaps = struct.unpack_from("<iiI", head, 0x1ac)
        file.seek((1 + sub) * block + bitmaps * block // 2)
        bits = file.read(bitmaps * block // 2)
    return {(8 * i + bit) * PAGE for i, byte in enumerate(bits) if byte
            for bit in range(8) if byte >> bit & 1}


def dumped(a, path):
    wanted = kdump_pages(path)
    # ROM below 4 GiB is no memory to the kernel, and so not to makedumpfile.
    ours = {pa for pa, _ in a.pages() if not 0xff000000 <= pa < 1 << 32}
    if len(wanted) < 1000 or ours != wanted:
        sys.exit(f"{len(ours - wanted)} pages too many, {len(wanted - ours)} too few of "
                 f"{len(wanted)}: {[hex(pa) for pa in sorted(ours ^ wanted)[:10]]}")
    print(len(wanted), "pages, the same ones")


def pattern(a, wanted):
    seen = set()
    for pa, bytes_ in a.pages():
        if bytes_ == struct.pack("<512Q", *range(TAG + pa, TAG + pa + PAGE, 8)):
            seen.add(pa)
    if len(seen) != wanted:
        sys.exit(f"{len(seen)} pages have the pattern, expected {wanted}")


if sys.argv[1] == "same":
    same(Vmcore(sys.argv[2]), Vmcore(sys.argv[3]))
elif sys.argv[1] == "dumped":
    dumped(Vmcore(sys.argv[2]), sys.argv[3])
else:
    pattern(Vmcore(sys.argv[2]), int(sys.argv[3]))
