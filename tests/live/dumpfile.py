# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plain reader of ELF cores and minidumps for the live tests, which shares nothing with dumpkit.

memory(path) gives the ranges of memory that a file holds, as (va, length, offset); zstd files are
to be unpacked before.  Layouts: elf(5), and Microsoft's documentation of minidump streams.
"""
import bisect
import mmap
import struct

PT_LOAD = 1
PT_NOTE = 4
MEMORY_LIST = 5
MEMORY64_LIST = 9


class Dump:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.notes = []
        self.streams = {}
        if self.bytes[:4] == b"\x7fELF":
            self.kind = "elf"
            found = self._read_elf()
        elif self.bytes[:4] == b"MDMP":
            self.kind = "minidump"
            found = self._read_minidump()
        else:
            raise ValueError(f"{path}: neither an ELF file nor a minidump")
        self.ranges = sorted(set(found))
        self.firsts = [va for va, _, _ in self.ranges]

    def _read_elf(self):
        phoff, shoff = struct.unpack_from("<QQ", self.bytes, 32)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", self.bytes, 54)
        if phnum == 0xffff:
            if not shoff or shnum != 1 or shentsize != 64:
                raise ValueError("PN_XNUM without the section header that carries the count")
            phnum = struct.unpack_from("<I", self.bytes, shoff + 44)[0]
        if phentsize != 56:
            raise ValueError(f"e_phentsize is {phentsize}")
        self.phnum = phnum
        for i in range(phnum):
            kind, _, offset, va, _, filesz, memsz, _ = struct.unpack_from(
                "<IIQQQQQQ", self.bytes, phoff + i * 56)
            if kind == PT_NOTE:
                self._read_notes(offset, filesz)
            if kind == PT_LOAD:
                if filesz != memsz:
                    raise ValueError(f"PT_LOAD at {va:#x}: {filesz:#x} in the file, {memsz:#x} in memory")
                if offset + filesz > len(self.bytes):
                    raise ValueError(f"PT_LOAD at {va:#x} ends behind the file")
                yield va, filesz, offset

    def _read_notes(self, at, size):
        end = at + size
        while at + 12 <= end:
            namesz, descsz, kind = struct.unpack_from("<III", self.bytes, at)
            name = self.bytes[at + 12:at + 12 + namesz].rstrip(b"\0").decode()
            start = at + 12 + (namesz + 3 & ~3)
            self.notes.append((name, kind, self.bytes[start:start + descsz]))
            at = start + (descsz + 3 & ~3)

    def _read_minidump(self):
        count, directory = struct.unpack_from("<II", self.bytes, 8)
        for i in range(count):
            kind, size, rva = struct.unpack_from("<III", self.bytes, directory + i * 12)
            self.streams[kind] = self.bytes[rva:rva + size]
        text = self.streams.get(MEMORY_LIST)
        if text:
            for i in range(struct.unpack_from("<I", text)[0]):
                va, size, rva = struct.unpack_from("<QII", text, 4 + i * 16)
                yield va, size, rva
        text = self.streams.get(MEMORY64_LIST)
        if text:
            number, rva = struct.unpack_from("<QQ", text)
            for i in range(number):
                va, size = struct.unpack_from("<QQ", text, 16 + i * 16)
                if rva + size > len(self.bytes):
                    raise ValueError(f"memory at {va:#x} ends behind the file")
                yield va, size, rva
                rva += size

    def holds(self, va, length):
        """How many of the bytes are in the dump (a minidump may have some of them twice)."""
        have = set()
        for first, size, _ in self.ranges:
            begin, end = max(first, va), min(first + size, va + length)
            have.update(range(begin >> 6, end + 63 >> 6) if begin < end else ())
        return len(have) << 6

    def read(self, va, length):
        """The bytes, or None when one of them is not in the dump."""
        out = b""
        while len(out) < length:
            at = bisect.bisect_right(self.firsts, va + len(out)) - 1
            if at < 0:
                return None
            # The widest of those that begin at the same address comes last.
            first, size, offset = self.ranges[at]
            skip = va + len(out) - first
            if skip >= size:
                first, size, offset = next(
                    (entry for entry in reversed(self.ranges[:at])
                     if entry[0] <= va + len(out) < entry[0] + entry[1]), (0, 0, 0))
                skip = va + len(out) - first
                if skip >= size:
                    return None
            out += self.bytes[offset + skip:offset + min(size, skip + length - len(out))]
        return out
