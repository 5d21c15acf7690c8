#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU machine without a system, its migration stream, and what QEMU itself says of it.

usage: qevm.py FOLDER TELL-MACHINE stop|snapshot CPUS MIB MACHINE [QEMU OPTION...]

Writes the stream of a stopped machine to FOLDER/stream, reads it with tell-machine and compares
memory with `pmemsave` and registers with `info registers`; of a background snapshot, after which the
machine ran on, memory only, without the page that the firmware's clock is in.  Prints one line and ends with 0 when all agree.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time

PAGE = 4096


class Machine:
    def __init__(self, folder, cpus, mib, machine, options):
        self.path = os.path.join(folder, "monitor")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-machine", machine, "-smp", str(cpus), "-m",
             str(mib), "-display", "none", "-nodefaults", "-serial", "none", "-qmp",
             f"unix:{self.path},server,wait=off", *options], stdin=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 20
        while True:
            try:
                self.socket.connect(self.path)
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
        self.socket.settimeout(60)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def monitor(self, line):
        return self.run("human-monitor-command", **{"command-line": line})

    def stream(self, path):
        self.run("migrate", uri=f"exec:cat > {path}")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            status = self.run("query-migrate")["status"]
            if status == "completed":
                return
            if status == "failed":
                break
            time.sleep(0.05)
        raise RuntimeError("the migration failed")

    def end(self):
        self.process.kill()
        self.process.wait()


def told(line):
    return {name: int(value, 16) for name, value in re.findall(r"(\S+)=(\S+)", line)}


def registers(text):
    """What `info registers -a` says, a dictionary for each CPU, with the names of tell-machine."""
    cpus = []
    for part in re.split(r"\n?CPU#\d+\n", text)[1:]:
        found = {}
        for name, value in re.findall(r"\b([ER](?:[ABCD]X|[SD]I|[BS]P|IP)|R\d+|EFL|RFL)\s?="
                                      r"\s*([0-9a-f]+)", part):
            short = name.lower()
            short = {"rfl": "efl"}.get(short, "r" + short[1:] if short[0] == "e"
                                       and short != "efl" else short)
            found[short] = int(value, 16)
        for name, sel, base, limit, flags in re.findall(
                r"^(ES|CS|SS|DS|FS|GS|LDT|TR)\s?=([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)",
                part, re.MULTILINE):
            found.update({f"{name.lower()}_sel": int(sel, 16), f"{name.lower()}_base": int(base, 16),
                          f"{name.lower()}_limit": int(limit, 16),
                          f"{name.lower()}_flags": int(flags, 16) & 0xffff00})
        for name, base, limit in re.findall(r"^(GDT|IDT)=\s+([0-9a-f]+) ([0-9a-f]+)", part,
                                            re.MULTILINE):
            found.update({f"{name.lower()}_base": int(base, 16),
                          f"{name.lower()}_limit": int(limit, 16)})
        for name, value in re.findall(r"\b(CR[0234]|DR[012367]|EFER|FCW|FSW|MXCSR|XMM\d\d)="
                                      r"([0-9a-f]+(?: [0-9a-f]+)?)(?=\s|$)", part):
            if name.startswith("XMM") or " " not in value:
                found[name.lower()] = int(value.replace(" ", ""), 16)
            else:
                found[name.lower()] = int(value.split(" ")[0], 16)
        cpus.append(found)
    return cpus


def compare_memory(stream, saved):
    """Numbers of pages that differ, but for the window that shows video memory."""
    with open(stream, "rb") as one, open(saved, "rb") as other:
        bad = []
        page = 0
        while True:
            left, right = one.read(PAGE), other.read(PAGE)
            if not left and not right:
                return page, bad
            if left != right and not 0xa0 <= page < 0xc0:
                bad.append(page)
            page += 1


def main():
    folder, tell, method, cpus, mib, machine = sys.argv[1:7]
    cpus, size = int(cpus), int(mib) << 20
    stream, memory, saved = (os.path.join(folder, name) for name in ("stream", "memory", "saved"))
    guest = Machine(folder, cpus, mib, machine, sys.argv[7:])
    try:
        time.sleep(2)
        if method == "snapshot":
            guest.run("migrate-set-capabilities",
                      capabilities=[{"capability": "background-snapshot", "state": True}])
            guest.stream(stream)
            guest.run("stop")
        else:
            guest.run("stop")
            guest.stream(stream)
        text = guest.monitor("info registers -a").replace("\r", "")
        guest.run("pmemsave", val=0, size=size, filename=saved)
    finally:
        guest.end()
    done = subprocess.run([tell, stream, memory, str(size)], capture_output=True, text=True,
                          check=True, timeout=60)
    lines = done.stdout.splitlines()
    if not lines[0].endswith(" complete 1 gaps 0"):
        sys.exit(f"not complete: {lines[0]}")
    theirs, ours = registers(text), [told(line) for line in lines[1:]]
    if len(ours) != cpus or len(theirs) != cpus:
        sys.exit(f"{len(ours)} CPUs in the stream, {len(theirs)} of QEMU, {cpus} wanted")
    compared = 0
    for number, (their, our) in enumerate(zip(theirs, ours)):
        if method == "stop":
            for name, value in their.items():
                compared += 1
                if our.get(name) != value:
                    sys.exit(f"CPU {number}: {name} is {our.get(name, 0):x}, QEMU says {value:x}")
    pages, bad = compare_memory(memory, saved)
    if method == "snapshot":
        bad = [page for page in bad if page != 0]  # the firmware's clock went on
    if pages * PAGE != size or bad:
        sys.exit(f"{len(bad)} of {pages} pages differ: {bad[:10]}")
    if method == "stop" and compared < cpus * 60:
        sys.exit(f"only {compared} registers were compared")
    print(f"{pages} pages and {compared} registers of {cpus} CPUs agree")


main()
