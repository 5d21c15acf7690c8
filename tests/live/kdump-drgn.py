# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run by drgn on a kdump file: compares every physical page with the ELF vmcore named."""
import mmap
import struct
import sys

PAGE = 4096

with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
off, = struct.unpack_from("<Q", data, 32)
number, = struct.unpack_from("<H", data, 56)
count = 0
for i in range(number):
    kind, _, at, _, first, size, _, _ = struct.unpack_from("<IIQQQQQQ", data, off + 56 * i)
    if kind != 1:
        continue
    for step in range(0, size, PAGE):
        got = prog.read(first + step, PAGE, True)  # noqa: F821
        if got != data[at + step:at + step + PAGE]:
            sys.exit(f"the page at {first + step:#x} differs")
        count += 1
if count < 60000:
    sys.exit(f"only {count} pages")
print(prog["UTS_RELEASE"].string_().decode(), count, "pages are the same")  # noqa: F821
