#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An independent reader of LiME files, for tests of the files that dumpkit writes.

usage: check-lime.py FILE [MEMORY]

Written from the format's description alone (LiME documentation, "LiME Memory Range Header Version
1 Specification"): the file is a row of records; each has a header of 32 bytes (magic 0x4C694D45,
version 1, first and last address, 8 reserved bytes that are zero), then the bytes of that range.
It is refused when a record is cut off, runs backwards or overlaps one before.

Prints a line FIRST-LAST for each record, in file order.  MEMORY is written as a sparse file in
which each byte stands at its physical address.
"""
import struct
import sys

MAGIC = 0x4C694D45
HEADER = struct.Struct("<IIQQQ")
PIECE = 1 << 20


def fail(off, text):
    sys.exit(f"check-lime: at offset 0x{off:x}: {text}")


def records(file):
    """(first, last) of each record; the file stands at its data."""
    while True:
        off = file.tell()
        raw = file.read(HEADER.size)
        if not raw:
            return
        if len(raw) < HEADER.size:
            fail(off, f"a header of {len(raw)} bytes")
        magic, version, first, last, reserved = HEADER.unpack(raw)
        if magic != MAGIC:
            fail(off, f"magic 0x{magic:08x}")
        if version != 1:
            fail(off, f"version {version}")
        if first > last:
            fail(off, f"range 0x{first:x}-0x{last:x}")
        if reserved:
            fail(off, f"reserved bytes are 0x{reserved:x}")
        yield first, last
        if file.tell() != off + HEADER.size + last - first + 1:
            fail(off, "the data of the record was not taken")


def copy(source, size, memory, address):
    while size:
        piece = source.read(min(size, PIECE))
        if not piece:
            fail(source.tell(), f"the file ends, 0x{size:x} bytes of the record are missing")
        if memory and piece.strip(b"\0"):
            memory.seek(address)
            memory.write(piece)
        address += len(piece)
        size -= len(piece)


def main(path, memory_path=None):
    seen = []
    memory = open(memory_path, "wb") if memory_path else None
    with open(path, "rb") as file:
        for first, last in records(file):
            off = file.tell()
            if any(first <= other_last and other_first <= last for other_first, other_last in seen):
                fail(off, f"range 0x{first:x}-0x{last:x} overlaps another")
            seen.append((first, last))
            copy(file, last - first + 1, memory, first)
            print(f"0x{first:x}-0x{last:x}")
    if not seen:
        sys.exit("check-lime: no record")
    if memory:
        memory.truncate(max(last for _, last in seen) + 1)
        memory.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
