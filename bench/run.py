#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench`: dumpkit against gcore, gdb, QEMU, makedumpfile and libkdumpfile, all in one run;
prints ratios, writes docs/BENCH.md.

usage: bench/run.py [--repeat N] [--quick] [--no-write] [--dir DIR]

--quick leaves the 4 GiB target and the information rows out and measures once.
"""
import argparse
import datetime
import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from common import BEGUN, BUILD, DUMPKIT, LIMIT, LINE, ROOT, Run, Table, measure, median, worst
import common
import machine as machines

TARGET = os.path.join(BUILD, "bench", "bench-target")
MEMORY = "/dev/shm"
REPORT = os.path.join(ROOT, "docs", "BENCH.md")
BUDGET = 300        # seconds, after which no further repetition is begun
FRAME = re.compile(r"\b(wait_for_work|serve_request|worker|beat|main)\b")


class Target:
    """The process that is captured; knows the longest gap between two of its beats."""
    def __init__(self, mib, pages="small", threads=0):
        self.process = subprocess.Popen([TARGET, str(mib), pages, str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"bench: the target of {mib} MiB did not start")
        self.pid = self.process.pid

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def capture(target, folder, *options, name="dump.core", keep=False):
    path = os.path.join(folder, name)
    target.ask("mark")
    run = measure([DUMPKIT, "capture", f"pid:{target.pid}", "-o", path, "--json", "--no-progress",
                   *options])
    run.gap = target.ask("gap")
    said = json.loads(run.output)
    if not said["complete"]:
        sys.exit(f"bench: the dump is not complete: {run.output}")
    run.pause = said["pause_ns"] / 1e6
    run.size = os.stat(path).st_size
    run.disk = os.stat(path).st_blocks * 512
    if not keep:
        os.unlink(path)
    return run


def gcore(target, folder):
    prefix = os.path.join(folder, "gcore")
    target.ask("mark")
    run = measure(["gcore", "-o", prefix, str(target.pid)])
    run.gap = target.ask("gap")
    path = f"{prefix}.{target.pid}"
    if not os.path.exists(path):
        sys.exit(f"bench: gcore wrote nothing:\n{run.output}")
    run.size = os.stat(path).st_size
    run.disk = os.stat(path).st_blocks * 512
    os.unlink(path)
    return run


def peak_memory(pid, stop, peaks):
    """Keeps the highest VmHWM, in KiB, of a process and of each of its descendants."""
    while not stop.wait(0.003):
        todo = [pid]
        while todo:
            one = todo.pop()
            try:
                with open(f"/proc/{one}/status", encoding="ascii", errors="replace") as file:
                    found = re.search(r"^VmHWM:\s+(\d+)", file.read(), re.MULTILINE)
                with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as file:
                    todo += [int(word) for word in file.read().split()]
            except OSError:
                continue
            if found:
                peaks[one] = max(peaks.get(one, 0), int(found.group(1)))


def disk_alone(folder, size):
    """Writes as many bytes past the page cache, and nothing else: no dump that is brought to this
    disk takes less.  None where the file system cannot do that."""
    piece = mmap.mmap(-1, 4 * 2**20)
    piece.write(os.urandom(len(piece)))
    path = os.path.join(folder, "alone")
    subprocess.run(["sync"], check=True)
    begun = time.monotonic()
    try:
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT, 0o600)
        os.posix_fallocate(file, 0, size)
        for offset in range(0, size, len(piece)):
            os.pwrite(file, piece, offset)
        os.fsync(file)
        os.close(file)
    except OSError:
        return None
    finally:
        if os.path.exists(path):
            os.unlink(path)
    return Run(time.monotonic() - begun, 0, "")


def memory_of_capture(target, folder, *options):
    """The peak of dumpkit and, apart, the highest of its helper processes; in MiB."""
    path = os.path.join(folder, "memory.core")
    stop, peaks = threading.Event(), {}
    process = subprocess.Popen([DUMPKIT, "capture", f"pid:{target.pid}", "-o", path, "-q",
                                *options], stdin=subprocess.DEVNULL)
    watcher = threading.Thread(target=peak_memory, args=(process.pid, stop, peaks))
    watcher.start()
    status = process.wait(timeout=LIMIT)
    stop.set()
    watcher.join()
    if status != 0:
        sys.exit(f"bench: capture of {target.pid}: status {status}")
    os.unlink(path)
    helpers = [kib for pid, kib in peaks.items() if pid != process.pid]
    if process.pid not in peaks or not helpers:
        sys.exit("bench: the memory of dumpkit and its tracer process was not seen")
    return peaks[process.pid] / 1024, max(helpers) / 1024


def repeated(count, kinds):
    return common.repeated(count, kinds, BUDGET)


def bench_capture(table, folder, count, quick):
    with Target(1024) as target:
        target.ask("mark")
        time.sleep(1)
        table.add("1 GiB: longest gap in a second in which nothing is done",
                  f"{target.ask('gap'):.3g} ms")
        kinds = {
            "gcore": lambda: gcore(target, folder),
            "elf": lambda: capture(target, folder),
            "zstd": lambda: capture(target, folder, "--zstd", name="dump.core.zst"),
        }
        if not quick:
            kinds["stop"] = lambda: capture(target, folder, "--method", "stop")
            kinds["minidump"] = lambda: capture(target, folder, name="dump.dmp")
        runs = repeated(count, kinds)
        peer = runs["gcore"]
        table.compare("1 GiB, ELF: longest gap (worst)", "ms", worst(runs["elf"]), worst(peer),
                      1 / 8)
        table.compare("1 GiB, ELF: wall time (median)", "s", median(runs["elf"], "wall"),
                      median(peer, "wall"), 0.7)
        table.compare("1 GiB, --zstd: wall time (median)", "s", median(runs["zstd"], "wall"),
                      median(peer, "wall"), 1.0)
        table.compare("1 GiB, --zstd: size of the file", "MiB", runs["zstd"][0].size / 2**20,
                      peer[0].size / 2**20, 0.4)
        table.compare("1 GiB, --zstd: longest gap (worst)", "ms", worst(runs["zstd"]), worst(peer))
        table.compare("1 GiB, ELF: processor time (median)", "s", median(runs["elf"], "cpu"),
                      median(peer, "cpu"))
        table.compare("1 GiB, --zstd: processor time (median)", "s", median(runs["zstd"], "cpu"),
                      median(peer, "cpu"))
        table.compare("1 GiB, ELF: size on disk", "MiB", runs["elf"][0].disk / 2**20,
                      peer[0].disk / 2**20)
        for kind, what in (("stop", "ELF, --method stop"), ("minidump", "minidump")):
            if kind in runs:
                table.compare(f"1 GiB, {what}: longest gap (worst)", "ms", worst(runs[kind]),
                              worst(peer))
                table.compare(f"1 GiB, {what}: wall time (median)", "s",
                              median(runs[kind], "wall"), median(peer, "wall"))
        if not quick:
            floor_rows(table, target, folder, count, runs)
        memory_rows(table, "1 GiB", target, folder)


def floor_rows(table, target, folder, count, runs):
    """What the disk takes for an ELF dump by itself; and dumps without a disk, in a tmpfs."""
    peer = median(runs["gcore"], "wall")
    floors = [disk_alone(folder, runs["elf"][0].disk // 2**22 * 2**22) for _ in range(count)]
    if all(floors):
        table.compare("1 GiB, ELF: its bytes to the disk and nothing else (median)", "s",
                      median(floors, "wall"), peer)
    if not os.path.isdir(MEMORY) or shutil.disk_usage(MEMORY).free < 4 * 2**30:
        return
    with tempfile.TemporaryDirectory(prefix="dumpkit-bench.", dir=MEMORY) as place:
        inside = repeated(count, {
            "gcore": lambda: gcore(target, place),
            "elf": lambda: capture(target, place),
            "zstd": lambda: capture(target, place, "--zstd", name="dump.core.zst"),
        })
    for kind, what in (("elf", "ELF"), ("zstd", "--zstd")):
        table.compare(f"1 GiB, {what}, in memory (tmpfs): wall time (median)", "s",
                      median(inside[kind], "wall"), median(inside["gcore"], "wall"))


def memory_rows(table, size, target, folder):
    for what, options in (("ELF", ()), ("--zstd", ("--zstd",))):
        ours, helper = memory_of_capture(target, folder, *options)
        table.add(f"{size}, {what}: peak memory of dumpkit, of its tracer",
                  f"{ours:.3g}, {helper:.2g} MiB", goal="≤ 64 MiB", met=max(ours, helper) <= 64)


def bench_huge_pages(table, folder, count):
    with Target(1024, "huge") as target:
        runs = repeated(count, {"gcore": lambda: gcore(target, folder),
                                "elf": lambda: capture(target, folder)})
    table.compare("1 GiB in 2 MiB pages, ELF: longest gap (worst)", "ms", worst(runs["elf"]),
                  worst(runs["gcore"]))
    table.compare("1 GiB in 2 MiB pages, ELF: wall time (median)", "s",
                  median(runs["elf"], "wall"), median(runs["gcore"], "wall"))


def stacks_of_gdb(text):
    stacks, thread = {}, None
    for line in text.splitlines():
        found = re.match(r"Thread \d+ \(.*LWP (\d+)", line)
        if found:
            thread = int(found.group(1))
            stacks[thread] = []
        elif thread and (found := re.match(r"#\d+ +(?:0x[0-9a-f]+ in )?([\w@.]+) ?\(", line)):
            stacks[thread].append(found.group(1))
    return stacks


def stacks_of_dumpkit(text):
    stacks, thread = {}, None
    for line in text.splitlines():
        found = re.search(r"\bTid: 0n(\d+)", line)
        if found:
            thread = int(found.group(1))
            stacks[thread] = []
        elif thread and (found := re.search(r" [\w.+-]+!([\w@.]+)(?:\+0x[0-9a-f]+)?(?: |$)", line)):
            stacks[thread].append(found.group(1))
    return stacks


def same_stacks(ours, theirs):
    """All threads of one are in the other, and the target's own frames have the same names."""
    def own(names):
        return [name for name in names if FRAME.match(name)]
    if ours.keys() != theirs.keys():
        sys.exit(f"bench: {len(ours)} threads by dumpkit, {len(theirs)} by gdb")
    for thread, names in ours.items():
        if own(names) != own(theirs[thread]) or not own(names):
            sys.exit(f"bench: thread {thread}: {names} by dumpkit, {theirs[thread]} by gdb")


def bench_open(table, folder, count):
    path = os.path.join(folder, "open.core")
    with Target(1024, "small", 498) as target:
        capture(target, folder, name="open.core", keep=True)
    runs = repeated(count, {
        "dumpkit": lambda: measure([DUMPKIT, "debug", path, "-c", "~*k"]),
        "gdb": lambda: measure(["gdb", "-nx", "-batch", "-ex", "thread apply all bt", TARGET,
                                path]),
    })
    os.unlink(path)
    ours = stacks_of_dumpkit(runs["dumpkit"][0].output)
    same_stacks(ours, stacks_of_gdb(runs["gdb"][0].output))
    table.compare(f"core of {len(ours)} threads, all stacks: wall time (median)", "s",
                  median(runs["dumpkit"], "wall"), median(runs["gdb"], "wall"), 0.5)
    table.compare(f"core of {len(ours)} threads, all stacks: processor time", "s", median(runs["dumpkit"], "cpu"),
                  median(runs["gdb"], "cpu"))


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def field(path, name):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return "?"


def machine(folder):
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    place = first_line("stat", "-f", "-c", "%T", folder)
    return [f"- machine: {field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, "
            f"{memory:.0f} GiB; files on {place}",
            f"- kernel: Linux {os.uname().release}; load average before: {os.getloadavg()[0]:.2f}",
            f"- versions: {first_line(DUMPKIT, '--version')}; {first_line('gdb', '--version')}",
            f"- date: {datetime.date.today().isoformat()}"]


NOTES = """\
The target holds its memory in pages of 4 KiB (but where 2 MiB is said): a quarter each zeros, one
byte value, text (lines of a log) and random bytes, all of it written to. A thread of it beats every 0.2 ms; the
longest time between two beats while a command ran is its *gap*, the worst of all repetitions.
Walls and processor times are medians. `sync` runs before each command, so that none pays for
another's unwritten pages; the kinds take turns. The peer of captures is `gcore`, of opening
`gdb -batch -ex 'thread apply all bt'` on the same file; that all threads, and the names of all of
the target's own frames, are the same in both outputs is checked in the run. dumpkit brings its
file to the disk (fsync) before it gives it its name, and checksums it; gcore does neither, so its
time ends with the file in memory. The row "its bytes to the disk and nothing else" has as many
random bytes as the ELF dump has on disk, written past the page cache (O_DIRECT), and beside it
gcore's wall time: no dump that is brought to this disk can have a smaller ratio. The rows "in
memory" have the files of both in a tmpfs, where there is no disk to wait for. Peak memory is the highest VmHWM of the process; the copy that
a snapshot makes of the target is the target's memory, not dumpkit's. Rows without a goal are
information."""


def write_report(table, facts, count):
    text = f"""# Benchmarks

Written by `make bench` (bench/run.py), which anyone can repeat; {count} repetitions.

{os.linesep.join(facts)}

{table.markdown()}

{NOTES}

{machines.NOTES}
"""
    with open(REPORT, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--dir", default=BUILD)
    args = parser.parse_args()
    count = 1 if args.quick else max(args.repeat, 1)
    folder = tempfile.mkdtemp(prefix="bench-out.", dir=args.dir)
    table = Table()
    try:
        facts = machine(folder)
        print("\n".join(facts) + "\n")
        print(LINE.format("figure", "dumpkit", "peer", "ratio", "goal", "met"))
        bench_capture(table, folder, count, args.quick)
        bench_open(table, folder, count)
        machines.bench(table, folder, count)
        if not args.quick:
            bench_huge_pages(table, folder, count)
            with Target(4096) as target:
                memory_rows(table, "4 GiB", target, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not args.no_write:
        write_report(table, facts, count)
    print(f"\n{table.missed} goals missed, {time.monotonic() - BEGUN:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
