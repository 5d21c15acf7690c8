#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks for the pages of guest-init.c in a copy of the guest's memory.

usage: patterns.py PAGES CHURN FILE    a raw copy: byte at offset N is physical address N

Each of PAGES pages with a pattern must be there once, at its own place, whole.  The CHURN pages must
be of one instant: the first some of them in one round and the others in the round before.  Other
tools import check().  Prints what was found; exit status 1 when something is wrong.
"""
import array
import os
import struct
import sys

PAGE = 4096
PATTERN_TAG = 0x7061740000000000
CHURN_TAG = 0x6368750000000000
TAG_MASK = 0xffffff0000000000


def expected(pa):
    first = PATTERN_TAG + pa
    return array.array("Q", range(first, first + PAGE, 8)).tobytes()


def raw_pages(path):
    """(pa, page) of every page of a sparse file that is no hole."""
    size = os.path.getsize(path)
    with open(path, "rb", buffering=0) as file:
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            at -= at % PAGE
            while at < end:
                piece = os.pread(file.fileno(), min(1 << 20, size - at), at)
                for offset in range(0, len(piece) - PAGE + 1, PAGE):
                    yield at + offset, piece[offset:offset + PAGE]
                at += len(piece)


def check(pages, count, churning):
    """Complaints about pages, an iterable of (pa, bytes)."""
    complaints = []
    found = 0
    rounds = {}
    for pa, page in pages:
        word = struct.unpack_from("<Q", page)[0]
        if word & TAG_MASK == PATTERN_TAG:
            # The stack of the guest's program may hold such a word; a page of ours holds 512.
            if word == PATTERN_TAG + pa and page == expected(pa):
                found += 1
            elif page[8:16] == struct.pack("<Q", word + 8):
                complaints.append(f"the page at {pa:#x} says that it is {word - PATTERN_TAG:#x}, "
                                  "or is not whole")
        elif word & TAG_MASK == CHURN_TAG and word - CHURN_TAG < churning:
            if word - CHURN_TAG in rounds:
                complaints.append(f"churn page {word - CHURN_TAG} is there twice")
            rounds[word - CHURN_TAG] = struct.unpack_from("<Q", page, 8)[0]
    if found != count:
        complaints.append(f"{found} pages with their pattern, not {count}")
    if len(rounds) != churning:
        complaints.append(f"{len(rounds)} churn pages, not {churning}")
    elif churning:
        order = [rounds[index] for index in range(churning)]
        if sorted(order, reverse=True) != order or order[0] - order[-1] > 1:
            complaints.append(f"not of one instant: rounds {min(order)} to {max(order)}")
    return complaints


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    complaints = check(raw_pages(argv[3]), int(argv[1]), int(argv[2]))
    for complaint in complaints[:20]:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
