#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interrupts `check --deep` of a small file that takes long to unpack.

usage: interrupt-check.py DUMPKIT CORE
"""
import os
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
import derived  # noqa: E402

BLOCK = 1 << 17
BLOCKS = 64  # in a frame
FRAMES = 4096  # 32 GiB in all


def catches_interrupts(pid):
    """Whether the process has come to its signal handlers, or has ended."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return "Z" in fields["State"] or int(fields["SigCgt"], 16) >> (signal.SIGINT - 1) & 1


def main():
    with open(sys.argv[2], "rb") as file:
        core = file.read()
    size = BLOCK * BLOCKS
    # Blocks of one repeated byte (RFC 8878, 3.1.1.2.2), without checksums.
    blocks = b"".join((BLOCK << 3 | 2 | (i + 1 == BLOCKS)).to_bytes(3, "little") + b"A"
                      for i in range(BLOCKS))
    frame = struct.pack("<IBI", 0xfd2fb528, 0xa0, size) + blocks
    first = derived.zstd_frame(core, False)
    table = struct.pack("<II", len(first), len(core)) + struct.pack("<II", len(frame), size) * FRAMES
    table += struct.pack("<IBI", FRAMES + 1, 0, 0x8f92eab1)
    with open("long.zst", "wb") as file:
        file.write(first + frame * FRAMES + struct.pack("<II", 0x184d2a5e, len(table)) + table)
    with subprocess.Popen([sys.argv[1], "check", "--deep", "long.zst"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        while not catches_interrupts(process.pid):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        print(f"status {process.returncode}: {out.decode()}{err.decode()}")
        return 0 if process.returncode == 130 and not out else 1


if __name__ == "__main__":
    sys.exit(main())
