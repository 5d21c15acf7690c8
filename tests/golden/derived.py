# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes the steps of a description in derived/: a dump made from another one.

  base CASE                   the dump of another description, such as elfcore/x86-64
  own FORMAT [KEY=VALUE...]   written anew by dumpkit's writer (tests/make/make-own.c)
  zstd [frame=N] [no-table] [no-checksums]
                              packed to frames of N content bytes (default 65536), here, without a
                              line of dumpkit's or of libzstd: blocks are stored as they are
  truncate PLACE              cuts the file off there
  patch PLACE SIZE VALUE      writes SIZE bytes, little-endian
  append HEX                  adds bytes at the end
  run COMMAND                 a command to compare, see run

PLACE is a number, end-NUMBER, or @TEXT+NUMBER: behind the last place that has that text.  "#"
begins a comment.
"""
import os
import shlex
import struct
import subprocess

MASK = (1 << 64) - 1
PRIMES = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
          2870177450012600261)


def rotate(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def xxh64(data):
    """XXH64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    p1, p2, p3, p4, p5 = PRIMES
    pos = 0
    if len(data) >= 32:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        while pos + 32 <= len(data):
            for i, word in enumerate(struct.unpack_from("<4Q", data, pos)):
                lanes[i] = rotate((lanes[i] + word * p2) & MASK, 31) * p1 & MASK
            pos += 32
        total = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            total ^= rotate(lane * p2 & MASK, 31) * p1 & MASK
            total = (total * p1 + p4) & MASK
    else:
        total = p5
    total = (total + len(data)) & MASK
    while pos + 8 <= len(data):
        word = struct.unpack_from("<Q", data, pos)[0]
        total ^= rotate(word * p2 & MASK, 31) * p1 & MASK
        total = (rotate(total, 27) * p1 + p4) & MASK
        pos += 8
    if pos + 4 <= len(data):
        total ^= struct.unpack_from("<I", data, pos)[0] * p1 & MASK
        total = (rotate(total, 23) * p2 + p3) & MASK
        pos += 4
    for byte in data[pos:]:
        total ^= byte * p5 & MASK
        total = rotate(total, 11) * p1 & MASK
    for shift, prime in ((33, p2), (29, p3), (32, 1)):
        total = (total ^ (total >> shift)) * prime & MASK
    return total


def zstd_frame(content, checksum):
    """A frame of stored blocks (RFC 8878, 3.1.1)."""
    # Single segment with a content size of four bytes, and maybe a checksum.
    frame = struct.pack("<IBI", 0xfd2fb528, 0xa0 | (4 if checksum else 0), len(content))
    for start in range(0, max(len(content), 1), 1 << 17):
        block = content[start:start + (1 << 17)]
        last = start + (1 << 17) >= len(content)
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return frame + (struct.pack("<I", xxh64(content) & 0xffffffff) if checksum else b"")


def zstd(data, words):
    """The seekable zstd format (facebook/zstd, contrib/seekable_format)."""
    size, table, checksums = 65536, True, True
    for word in words:
        if word.startswith("frame="):
            size = int(word[len("frame="):], 0)
        elif word == "no-table":
            table = False
        elif word == "no-checksums":
            checksums = False
        else:
            raise ValueError(f"zstd: {word} is not understood")
    packed, entries = b"", b""
    for start in range(0, len(data), size):
        content = data[start:start + size]
        frame = zstd_frame(content, checksums)
        packed += frame
        entries += struct.pack("<II", len(frame), len(content))
        if checksums:
            entries += struct.pack("<I", xxh64(content) & 0xffffffff)
    count = (len(data) + size - 1) // size
    if table:
        entries += struct.pack("<IBI", count, 0x80 if checksums else 0, 0x8f92eab1)
        packed += struct.pack("<II", 0x184d2a5e, len(entries)) + entries
    return packed


def place(data, text):
    if text.startswith("@"):
        mark, _, more = text[1:].rpartition("+")
        at = data.rfind(mark.encode())
        if not mark or at < 0:
            raise ValueError(f"{text}: not in the file")
        at += len(mark) + int(more, 0)
    elif text.startswith("end-"):
        at = len(data) - int(text[len("end-"):], 0)
    else:
        at = int(text, 0)
    if not 0 <= at <= len(data):
        raise ValueError(f"{text} lies outside of the file of {len(data)} bytes")
    return at


def change(data, words):
    """The bytes after one step that needs nothing else."""
    if words[0] == "zstd":
        return zstd(data, words[1:])
    if words[0] == "truncate":
        return data[:place(data, words[1])]
    if words[0] == "append":
        return data + bytes.fromhex(words[1])
    if words[0] == "patch":
        at, size, value = place(data, words[1]), int(words[2], 0), int(words[3], 0)
        new = value.to_bytes(size, "little")
        if data[at:at + size] == new or at + size > len(data):
            raise ValueError(f"patch {words[1]}: changes nothing")
        return data[:at] + new + data[at + size:]
    raise ValueError(f"{words[0]} is not understood")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def make(source, path, make_base, build):
    """Makes the dump that source describes at path."""
    with open(source, encoding="utf-8") as file:
        lines = file.readlines()
    for line in lines:
        words = shlex.split(line, comments=True)
        if not words or words[0] == "run":
            continue
        if words[0] == "base":
            make_base(words[1], path)
        elif words[0] == "own":
            writer = os.path.join(build, "tests", "make", "make-own")
            os.rename(path, path + ".base")
            subprocess.run([writer, words[1], path + ".base", path, *words[2:]], check=True,
                           timeout=60)
            os.unlink(path + ".base")
        else:
            data = change(read(path), words)
            with open(path, "wb") as file:
                file.write(data)
