#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of `make bench` about machines: a guest of 2 GiB against QEMU, makedumpfile, libkdumpfile.

usage: bench/machine.py [--repeat N] [--dir DIR] [--guest FOLDER]    this part alone, writes nothing

--guest takes a guest that runs already (tests/live/guest/guest.py start, as start_guest() does).
"""
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from common import (BUILD, DUMPKIT, LINE, ROOT, Run, Table, least, measure, median, repeated,
                    worst)

sys.path.insert(0, os.path.join(ROOT, "tests", "live", "guest"))
os.environ.setdefault("DUMPKIT_BUILD", BUILD)
import guest as guests  # noqa: E402

MIB = 2048
LOAD = 560          # MiB of mixed content, beside the kernel and 16 MiB of pattern
BEAT = 2            # ms
BOOT = 300          # seconds that the guest may take to fill its memory
PAGES = 10000
BUDGET = 660        # seconds of the whole bench, after which no further round is begun
READER = os.path.join(BUILD, "bench", "bench-kdump-read")
PEER = os.path.join(BUILD, "bench", "peer-libkdumpfile")
MEMORY_GOAL = 96    # MiB

NOTES = """\
Machines: a guest of 2 GiB (QEMU's TCG, 2 CPUs), of which about 600 MiB are in use: of 16 pages 5 are
pointers and numbers as kernel objects have them, 4 text, 3 machine code, 2 random bytes, 2 zero; the
rest it never touched. Its peer is QEMU's own dump-guest-memory. The guest sends a beat every 2 ms
over a serial line; the longest time between two beats on the host's clock is its *standstill*,
medians of the repetitions; the worst ones, and the times of QEMU's own events STOP and RESUME,
stand beside them. Other times are the least of the repetitions, which take turns. Captures bring
their file to the disk (fsync), those of QEMU and makedumpfile do not. For the conversions
makedumpfile and dumpkit both leave zero pages out (-d 1, --filter zero). For the random pages the
file's pages are dropped from the page cache before each run, and the sums of all bytes read have to
be the same. Peak memory is ru_maxrss."""


def start_guest(folder):
    guest = guests.Guest(folder)
    guest.start(memory=MIB, cpus=2, vmcoreinfo=True, pattern=16, beat=BEAT, append=f"load={LOAD}")
    guest.wait(timeout=BOOT)
    return guest


@contextlib.contextmanager
def beating(guest):
    """Yields a list that gets the longest gap, in ms."""
    result = []
    beats = guest.beats()
    try:
        time.sleep(0.3)
        yield result
        time.sleep(0.3)
    finally:
        beats.stop()
    gap, count = beats.longest_gap()
    if count < 50:
        sys.exit(f"bench: only {count} beats of the guest")
    result.append(gap * 1000)


def event_ms(event):
    return event["timestamp"]["seconds"] * 1e3 + event["timestamp"]["microseconds"] / 1e3


def qemu_dump(guest, path, form):
    """dump-guest-memory, which QEMU answers when all is written."""
    subprocess.run(["sync"], check=True)
    monitor = guests.Monitor(guest.path("watch.sock"), BOOT)
    with beating(guest) as gap:
        begun = time.monotonic()
        monitor.run("dump-guest-memory", paging=False, format=form, protocol=f"file:{path}")
        run = Run(time.monotonic() - begun, 0, "")
    monitor.run("query-status")
    times = {event["event"]: event_ms(event) for event in monitor.events}
    monitor.close()
    run.gap, run.pause = gap[0], times["RESUME"] - times["STOP"]
    run.size, run.disk = os.stat(path).st_size, os.stat(path).st_blocks * 512
    os.unlink(path)
    return run


def capture(guest, path, *options, keep=False):
    with beating(guest) as gap:
        run = measure([DUMPKIT, "capture", f"qmp:{guest.path('qmp.sock')}", "-o", path, "-f",
                       "--json", "--no-progress", *options])
    said = json.loads(run.output)
    if not said["complete"]:
        sys.exit(f"bench: the dump is not complete: {run.output}")
    run.gap, run.pause, run.method = gap[0], said["pause_ns"] / 1e6, said["method"]
    run.size, run.disk = os.stat(path).st_size, os.stat(path).st_blocks * 512
    if not keep:
        os.unlink(path)
    return run


def written(path, command):
    if os.path.exists(path):
        os.unlink(path)
    run = measure(command)
    run.size = os.stat(path).st_size
    return run


def bench_capture(table, guest, folder, count):
    with beating(guest) as idle:
        time.sleep(1)
    table.add("guest of 2 GiB: longest gap of beats in a second without a dump",
              f"{idle[0]:.3g} ms")
    path = os.path.join(folder, "guest.dump")
    runs = repeated(count, {
        "qemu elf": lambda: qemu_dump(guest, path, "elf"),
        "elf": lambda: capture(guest, path),
        "qemu kdump": lambda: qemu_dump(guest, path, "kdump-zlib"),
        "kdump": lambda: capture(guest, path, "--format", "kdump-zstd"),
        "zstd": lambda: capture(guest, path + ".zst", "--zstd"),
        "stop": lambda: capture(guest, path, "--method", "stop"),
        "stop kdump": lambda: capture(guest, path, "--method", "stop", "--format", "kdump-zstd"),
    }, BUDGET)
    if {run.method for run in runs["elf"] + runs["kdump"]} != {"snapshot"}:
        sys.exit("bench: captures were no background snapshots")
    elf, kdump = runs["qemu elf"], runs["qemu kdump"]
    for kind, peer, what in (("elf", elf, "ELF"), ("kdump", kdump, "kdump-zstd : kdump-zlib")):
        table.compare(f"guest, {what}: standstill by its beats (median)", "ms",
                      median(runs[kind], "gap"), median(peer, "gap"), 1 / 50)
        table.compare(f"guest, {what}: standstill by its beats (worst)", "ms", worst(runs[kind]),
                      worst(peer))
        table.compare(f"guest, {what}: standstill by QEMU's events (median)", "ms",
                      median(runs[kind], "pause"), median(peer, "pause"), 1 / 50)
    table.compare("guest, kdump-zstd : kdump-zlib: wall time", "s", least(runs["kdump"], "wall"),
                  least(kdump, "wall"), 0.7)
    table.compare("guest, kdump-zstd : kdump-zlib: size", "MiB", runs["kdump"][0].size / 2**20,
                  kdump[0].size / 2**20, 1.0)
    table.compare("guest, --zstd : kdump-zlib: wall time", "s", least(runs["zstd"], "wall"),
                  least(kdump, "wall"))
    table.compare("guest, --zstd : kdump-zlib: size", "MiB", runs["zstd"][0].size / 2**20,
                  kdump[0].size / 2**20)
    table.compare("guest, ELF, --method stop: wall time", "s", least(runs["stop"], "wall"),
                  least(elf, "wall"), 0.5)
    table.compare("guest, ELF, --method stop: standstill by its beats (median)", "ms",
                  median(runs["stop"], "gap"), median(elf, "gap"))
    table.compare("guest, ELF: wall time", "s", least(runs["elf"], "wall"), least(elf, "wall"))
    table.compare("guest, kdump-zstd, --method stop : kdump-zlib: wall time", "s",
                  least(runs["stop kdump"], "wall"), least(kdump, "wall"))
    return [run for kind in ("elf", "kdump", "zstd", "stop", "stop kdump") for run in runs[kind]]


def bench_convert(table, source, folder, count):
    ours, theirs = os.path.join(folder, "ours.kdump"), os.path.join(folder, "theirs.kdump")

    def convert(form):
        return written(ours, [DUMPKIT, "convert", source, "-o", ours, "-q", "--filter", "zero",
                              "--format", form])

    def makedumpfile(flag):
        return written(theirs, ["makedumpfile", flag, "-d", "1", source, theirs])
    runs = repeated(count, {
        "-l": lambda: makedumpfile("-l"),
        "fast": lambda: convert("kdump-zstd:-1"),
        "zstd": lambda: convert("kdump-zstd"),
        "-c": lambda: makedumpfile("-c"),
    }, BUDGET)
    for kind, peer, what, goal in (("zstd", "-c", "kdump-zstd : makedumpfile -c", 0.5),
                                   ("fast", "-l", "kdump-zstd:-1 : makedumpfile -l", 1.0)):
        table.compare(f"convert, {what}: wall time", "s", least(runs[kind], "wall"),
                      least(runs[peer], "wall"), goal)
        table.compare(f"convert, {what}: size", "MiB", runs[kind][0].size / 2**20,
                      runs[peer][0].size / 2**20, 1.0)
    return runs["zstd"] + runs["fast"], theirs


def cold(path):
    """Drops the file from the page cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def bench_random(table, path, count):
    def read(program):
        cold(path)
        run = measure([program, path, str(PAGES), "1", str(MIB << 20)])
        run.sum = run.output.split()[:2]
        run.wall = float(run.output.split()[2]) / 1e3
        return run
    runs = repeated(count, {"peer": lambda: read(PEER), "ours": lambda: read(READER)}, BUDGET)
    sums = {tuple(run.sum) for kind in runs.values() for run in kind}
    if len(sums) != 1:
        sys.exit(f"bench: the random pages differ: {sums}")
    table.compare(f"{PAGES} random pages of makedumpfile's kdump-zlib, cold", "s",
                  least(runs["ours"], "wall"), least(runs["peer"], "wall"), 0.5)
    return runs["ours"]


def lacking():
    """Why it cannot be done here; None when it can."""
    try:
        guests.check()
    except guests.GuestError as error:
        return str(error)
    if os.geteuid() != 0:
        return "not root"
    if not shutil.which("makedumpfile"):
        return "no makedumpfile"
    return None if os.path.exists(PEER) else f"no {PEER} (libkdumpfile-dev)"


def bench(table, folder, count, guest=None):
    why = lacking()
    if why:
        print(f"bench: no guests: {why}")
        return
    own = None if guest else guests.Guest(os.path.join(folder, "guest"))
    try:
        guest = guest or start_guest(own.folder)
        ours = bench_capture(table, guest, folder, count)
        source = os.path.join(folder, "source.elf")
        capture(guest, source, "--method", "stop", keep=True)
    finally:
        if own:
            own.attach().stop()
    converted, theirs = bench_convert(table, source, folder, count)
    ours += converted + bench_random(table, theirs, count)
    os.unlink(source)
    peak = max(run.rss for run in ours) / 1024
    table.add("guest, convert, random pages: peak memory of dumpkit", f"{peak:.3g} MiB",
              goal=f"≤ {MEMORY_GOAL} MiB", met=peak <= MEMORY_GOAL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dir", default=BUILD)
    parser.add_argument("--guest")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-out.", dir=args.dir)
    table = Table()
    print(f"load average {os.getloadavg()[0]:.2f}")
    print(LINE.format("figure", "dumpkit", "peer", "ratio", "goal", "met"))
    try:
        bench(table, folder, args.repeat,
              guests.Guest(args.guest).attach() if args.guest else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{table.missed} goals missed; load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
