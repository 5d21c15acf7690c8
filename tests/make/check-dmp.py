#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reader of Windows machine dumps that shares nothing with dumpkit's, to hold its writer against.

usage: check-dmp.py FILE [PFN...]      says what the file holds; with PFNs the digest of those pages
       check-dmp.py --same FILE FILE   whether both hold the same pages with the same content

Types 1 (runs) and 5, 6 (bitmap), of 64 and 32 bits.  Written from descriptions of the format
(memflow-coredump and kdmp-parser, both MIT; docs/formats/windmp.md names the fields) without a look
at dumpkit's C code.  Exit status 1 and a line "bad: ..." for each thing that is wrong.
"""
import hashlib
import struct
import sys

PAGE = 4096
FILL = 0x45474150


class Dump:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.bad = []
        magic = self.data[:8]
        if magic not in (b"PAGEDU64", b"PAGEDUMP"):
            raise SystemExit(f"bad: begins with {magic!r}")
        self.wide = magic == b"PAGEDU64"
        self.header_size = 0x2000 if self.wide else 0x1000
        if len(self.data) < self.header_size:
            raise SystemExit(f"bad: {len(self.data)} bytes are less than a header")
        self.type = self.u32(0xf98 if self.wide else 0xf88)
        self.places = {}  # PFN: offset in the file
        if self.type == 1:
            self.read_runs()
        elif self.type in (5, 6):
            self.read_bitmap()
        else:
            raise SystemExit(f"bad: type {self.type} is not for this program")

    def u32(self, off):
        return struct.unpack_from("<I", self.data, off)[0]

    def u64(self, off):
        return struct.unpack_from("<Q", self.data, off)[0]

    def check(self, good, text):
        if not good:
            self.bad.append(text)

    def read_runs(self):
        count, first, form = (self.u32(0x88), 0x98, "<QQ") if self.wide else \
            (self.u32(0x64), 0x6c, "<II")
        pages = self.u64(0x90) if self.wide else self.u32(0x68)
        size = struct.calcsize(form)
        area = 700 - (first - (0x88 if self.wide else 0x64))
        if count == FILL or count * size > area:
            raise SystemExit(f"bad: {count} runs do not fit into the header")
        off, last = self.header_size, -1
        for i in range(count):
            base, length = struct.unpack_from(form, self.data, first + i * size)
            self.check(length > 0 and base > last, f"run {i} at {base:#x} of {length} pages")
            for pfn in range(base, base + length):
                self.places[pfn] = off
                off += PAGE
            last = base + length - 1
        self.check(len(self.places) == pages, f"runs of {len(self.places)} pages, header: {pages}")
        self.finish(off)

    def read_bitmap(self):
        at = self.header_size
        self.mark = self.data[at:at + 8]
        self.check(self.mark in (b"SDMPDUMP", b"FDMPDUMP"), f"bitmap begins with {self.mark!r}")
        first, present, bits = struct.unpack_from("<QQQ", self.data, at + 0x20)
        bitmap = self.data[at + 0x38:at + 0x38 + (bits + 7) // 8]
        self.check(at + 0x38 + len(bitmap) <= first, f"pages begin at {first:#x}, in the bitmap")
        off = first
        for pfn in range(bits):
            if pfn // 8 < len(bitmap) and bitmap[pfn // 8] >> pfn % 8 & 1:
                self.places[pfn] = off
                off += PAGE
        self.check(len(self.places) == present, f"{len(self.places)} bits, header: {present}")
        self.finish(off)

    def finish(self, end):
        self.check(end <= len(self.data), f"pages end at {end:#x}, the file at {len(self.data):#x}")
        self.secondary = max(len(self.data) - end, 0)
        need = self.u64(0xfa0)
        self.check(need in (len(self.data), FILL << 32 | FILL, 0) or need <= len(self.data),
                   f"RequiredDumpSpace is {need:#x}, the file has {len(self.data):#x} bytes")

    def page(self, pfn):
        off = self.places.get(pfn)
        return None if off is None else self.data[off:off + PAGE]

    def digest(self):
        sum_ = hashlib.sha256()
        for pfn in sorted(self.places):
            sum_.update(struct.pack("<Q", pfn) + self.page(pfn))
        return sum_.hexdigest()


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--same":
        one, two = (Dump(path) for path in sys.argv[2:])
        pfns = sorted(set(one.places) | set(two.places))
        bad = one.bad + two.bad + [f"page {pfn:#x} differs" for pfn in pfns
                                   if one.page(pfn) != two.page(pfn)][:10]
        print(f"{len(pfns)} pages compared")
    elif len(sys.argv) >= 2:
        dump = Dump(sys.argv[1])
        bad = dump.bad
        print(f"type {dump.type}, {64 if dump.wide else 32} bit, {len(dump.places)} pages, "
              f"secondary {dump.secondary}, sha256 {dump.digest()}")
        for word in sys.argv[2:]:
            page = dump.page(int(word, 0))
            print(word, "absent" if page is None else hashlib.sha256(page).hexdigest())
    else:
        sys.exit(__doc__)
    for text in bad:
        print("bad: " + text)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
