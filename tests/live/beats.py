#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waits until every counter that guard.c keeps in FILE has grown; fails after a minute."""
import struct
import sys
import time


def counts():
    with open(sys.argv[1], "rb") as file:
        return struct.unpack("4Q", file.read(32))


before = counts()
end = time.monotonic() + 60
while any(now <= then for now, then in zip(counts(), before)):
    if time.monotonic() > end:
        sys.exit(f"a thread does not go on: {before} -> {counts()}")
    time.sleep(0.01)
