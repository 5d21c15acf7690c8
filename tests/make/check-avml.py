#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An independent reader of AVML files of version 2, for tests of the files that dumpkit writes.

usage: check-avml.py FILE [MEMORY]

Written from the descriptions of the formats alone: AVML's (a row of records; a header of 32 bytes
as LiME has it, but magic 0x4C4D5641 and version 2; a block of at most 16 MiB as a snappy framed
stream; the length of that stream as 8 bytes), google/snappy's framing_format.txt and
format_description.txt.

Prints a line FIRST-LAST for each record, in file order.  MEMORY is written as a sparse file in
which each byte stands at its physical address.
"""
import functools
import struct
import sys

MAGIC = 0x4C4D5641
BLOCK_MAX = 16 << 20
CHUNK_MAX = 65536
HEADER = struct.Struct("<IIQQQ")
IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


@functools.lru_cache(maxsize=4)  # zeros come often
def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def fail(off, text):
    sys.exit(f"check-avml: at offset 0x{off:x}: {text}")


def varint(data):
    value = shift = pos = 0
    while True:
        value |= (data[pos] & 0x7F) << shift
        shift += 7
        pos += 1
        if not data[pos - 1] & 0x80:
            return value, pos


@functools.lru_cache(maxsize=4)
def unpack(data):
    """A block of raw snappy."""
    size, pos = varint(data)
    out = bytearray()
    while pos < len(data):
        tag = data[pos]
        pos += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[pos:pos + extra], "little")
                pos += extra
            out += data[pos:pos + length + 1]
            pos += length + 1
            continue
        if tag & 3 == 1:
            length = (tag >> 2 & 7) + 4
            back = tag >> 5 << 8 | data[pos]
            pos += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length = (tag >> 2) + 1
            back = int.from_bytes(data[pos:pos + width], "little")
            pos += width
        if not 0 < back <= len(out):
            raise ValueError(f"copy from {back} bytes before {len(out)}")
        pattern = out[-back:] if back >= length else out[-back:] * (length // back + 1)
        out += pattern[:length]
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes instead of {size}")
    return bytes(out)


def stream(file, size):
    """The content of a framed stream, size bytes."""
    off, out = file.tell(), bytearray()
    if file.read(len(IDENTIFIER)) != IDENTIFIER:
        fail(off, "no stream identifier")
    while len(out) < size:
        off = file.tell()
        head = file.read(4)
        length = int.from_bytes(head[1:], "little")
        body = file.read(length)
        if len(head) < 4 or len(body) < length:
            fail(off, "the file ends inside a chunk")
        if head[0] not in (0, 1):
            if head[0] < 0x80:
                fail(off, f"chunk of type 0x{head[0]:02x}")
            continue
        content = unpack(body[4:]) if head[0] == 0 else body[4:]
        if not content or len(content) > CHUNK_MAX:
            fail(off, f"chunk of {len(content)} bytes")
        if masked_crc32c(content) != int.from_bytes(body[:4], "little"):
            fail(off, "checksum differs")
        out += content
    if len(out) != size:
        fail(off, f"stream of {len(out)} bytes, the record has {size}")
    return bytes(out)


def main(path, memory_path=None):
    seen = []
    memory = open(memory_path, "wb") if memory_path else None
    with open(path, "rb") as file:
        while True:
            off = file.tell()
            raw = file.read(HEADER.size)
            if not raw:
                break
            if len(raw) < HEADER.size:
                fail(off, f"a header of {len(raw)} bytes")
            magic, version, first, last, reserved = HEADER.unpack(raw)
            if magic != MAGIC or version != 2 or reserved or not first <= last:
                fail(off, f"0x{magic:08x} version {version} 0x{first:x}-0x{last:x} 0x{reserved:x}")
            if last - first >= BLOCK_MAX:
                fail(off, f"a block of 0x{last - first + 1:x} bytes")
            if seen and first <= seen[-1][1]:
                fail(off, f"0x{first:x} does not lie above the record before")
            content = stream(file, last - first + 1)
            packed = file.tell() - off - HEADER.size
            trailer = file.read(8)
            if trailer != packed.to_bytes(8, "little"):
                fail(off, f"stream of {packed} bytes, the trailer says {trailer.hex()}")
            seen.append((first, last))
            if memory and content.strip(b"\0"):
                memory.seek(first)
                memory.write(content)
            print(f"0x{first:x}-0x{last:x}")
    if not seen:
        sys.exit("check-avml: no record")
    if memory:
        memory.truncate(seen[-1][1] + 1)
        memory.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
