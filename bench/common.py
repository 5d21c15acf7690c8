# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bench/run.py and bench/machine.py share: measuring, and the table of figures."""
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
DUMPKIT = os.path.join(BUILD, "dumpkit")
LIMIT = 120         # seconds, for one command
BEGUN = time.monotonic()
LINE = "{:<58}{:>16}{:>12}{:>7}  {:<9} {}"


class Run:
    """What one command took."""
    def __init__(self, wall, cpu, output):
        self.wall, self.cpu, self.output = wall, cpu, output
        self.gap = self.size = self.pause = self.rss = None


def measure(command, output=None):
    """Runs a command: wall time, and the processor time of it and its children."""
    environment = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
    subprocess.run(["sync"], check=True)
    before = os.times()
    begun = time.monotonic()
    with tempfile.TemporaryFile() as spool:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output or spool,
                                   stderr=subprocess.STDOUT, env=environment)
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        after = os.times()
        spool.seek(0)
        text = spool.read().decode(errors="replace")
    if process.returncode not in (0, 3):
        sys.exit(f"bench: status {process.returncode}: {' '.join(command)}\n{text}")
    cpu = after.children_user + after.children_system - before.children_user - \
        before.children_system
    run = Run(wall, cpu, text)
    run.rss = usage.ru_maxrss   # KiB; of it and the children it waited for
    return run


class Table:
    """Rows of figures, printed as they come and written as Markdown."""
    def __init__(self):
        self.rows, self.missed = [], 0

    def add(self, what, ours, theirs="", ratio=None, goal=None, met=None):
        if ratio is not None and goal is not None and met is None:
            met = ratio <= goal
        said = "" if met is None else "yes" if met else "no"
        self.missed += said == "no"
        goal = "" if goal is None else f"≤ {goal:.3g}" if isinstance(goal, float) else goal
        row = (what, ours, theirs, "" if ratio is None else f"{ratio:.3f}", goal, said)
        self.rows.append(row)
        print(LINE.format(*row), flush=True)

    def compare(self, what, unit, ours, theirs, goal=None):
        digits = {"s": 2, "ms": 1, "MiB": 0}[unit]
        self.add(what, f"{ours:.{digits}f} {unit}", f"{theirs:.{digits}f} {unit}", ours / theirs,
                 goal)

    def markdown(self):
        lines = ["| figure | dumpkit | peer | ratio | goal | met |", "|---|--:|--:|--:|---|---|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])


def median(runs, name):
    return statistics.median(getattr(run, name) for run in runs)


def least(runs, name):
    return min(getattr(run, name) for run in runs)


def worst(runs):
    return max(run.gap for run in runs)


def repeated(count, kinds, budget):
    """Each kind once a round, so that all of them see the same machine.  After budget seconds of
    the program's life no further round is begun."""
    results = {name: [] for name in kinds}
    for number in range(count):
        if number > 0 and time.monotonic() - BEGUN > budget:
            print(f"bench: {budget} s are over, {number} repetitions instead of {count}")
            break
        for name, run in kinds.items():
            results[name].append(run())
    return results
