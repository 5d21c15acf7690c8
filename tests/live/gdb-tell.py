# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside gdb: prints what it sees in the core as JSON, for agree.py, which sets `wanted`."""
import json

import gdb

NAMES = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()


def vector(number):
    """ymm, or xmm where gdb does not understand the CPU's XSAVE area (13.1 and new CPUs)."""
    for text, length in (f"$ymm{number}.v32_int8", 32), (f"$xmm{number}.v16_int8", 16):
        try:
            value = gdb.parse_and_eval(text)
            return "".join(f"{int(value[i]) & 255:02x}" for i in range(length))
        except (gdb.error, ValueError) as error:
            last = error
    return f"no {text}: {last}"


def tell(areas):
    told = {"threads": {}, "areas": {}}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        frame = gdb.newest_frame()
        entry = {"regs": {name: int(frame.read_register(name)) & (1 << 64) - 1 for name in NAMES},
                 "chain": []}
        entry["vector"] = [vector(i) for i in range(16)]
        while frame and len(entry["chain"]) < 12:
            entry["chain"].append(frame.name())
            try:
                frame = frame.older()
            except gdb.error:
                break
        told["threads"][thread.ptid[1]] = entry
    for va, length in areas:
        try:
            told["areas"][va] = bytes(gdb.selected_inferior().read_memory(va, length)).hex()
        except gdb.MemoryError:
            told["areas"][va] = None
    told["modules"] = [name.filename for name in gdb.objfiles()]
    print("TOLD " + json.dumps(told))


with open(WANTED) as file:  # noqa: F821
    wanted = json.load(file)["areas"]
tell(wanted)
