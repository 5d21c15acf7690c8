#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills dumpkit or its tracer at random moments of captures, and looks what became of the target.

usage: kills.py dumpkit|tracer KILLS DUMPKIT GUARD FOLDER

Each worker has a target of its own (guard.c, which checks itself) and captures it over and over
into FOLDER.  One kill: start, a random moment, SIGKILL.  Then, within some seconds, nobody traces
the target, none of its threads is stopped, all of them go on and are content with what they see,
it has no child, no process carries our mark any more, and FOLDER has neither a dump nor a
temporary file of it.  A capture that was done before the
kill does not count.  Prints what was found; exit status 1 when a target was harmed.
"""
import json
import mmap
import multiprocessing
import os
import random
import signal
import struct
import subprocess
import sys
import time

WORKERS = 4
PATIENCE_S = 8  # on a busy machine; what is wrong stays wrong
METHODS = [[], ["--method", "stop"], ["--level", "mini"], ["--format", "minidump", "--zstd"]]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def status_of(path):
    return dict(line.split(":\t", 1) for line in read(path + "/status").decode().splitlines()
                if ":\t" in line)


def stat_of(pid):
    """State and parent of a process."""
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (fields[0].decode(), int(fields[1])) if fields else ("", 0)


def children_of(pid):
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and
            stat_of(name)[1] == pid]


def marked(mark, but):
    """Processes whose environment has our mark: a copy of the target has its environment, too."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in but and mark in read(f"/proc/{name}/environ"):
            found.append(int(name))
    return found


def wait_for(condition):
    """The last answer of condition, which is a complaint or None, when it is None or time is up."""
    end = time.monotonic() + PATIENCE_S
    while True:
        complaint = condition()
        if not complaint or time.monotonic() > end:
            return complaint
        time.sleep(0.005)


class Target:
    def __init__(self, guard, folder, number):
        self.folder = os.path.join(folder, f"worker-{number}")
        os.makedirs(self.folder, exist_ok=True)
        self.beats = os.path.join(folder, f"beats-{number}")
        self.mark = f"live-kills-{os.getpid()}-{number}".encode()
        self.env = {**os.environ, "DUMPKIT_LIVE_MARK": self.mark.decode()}
        self.process = subprocess.Popen([guard, self.beats], stdout=subprocess.PIPE, env=self.env,
                                        stderr=open(self.beats + ".err", "wb"))
        json.loads(self.process.stdout.readline())
        with open(self.beats, "rb") as file:
            self.counters = mmap.mmap(file.fileno(), 32, prot=mmap.PROT_READ)

    def close(self):
        self.process.kill()
        self.process.wait()

    def counts(self):
        return struct.unpack("4Q", self.counters[:32])

    def complaint(self, before):
        pid = self.process.pid
        if self.process.poll() is not None:
            return (f"the target ended with {self.process.returncode}: " +
                    read(self.beats + ".err").decode().strip())
        for task in os.listdir(f"/proc/{pid}/task"):
            status = status_of(f"/proc/{pid}/task/{task}")
            if status.get("TracerPid", "0") != "0":
                return f"thread {task} is traced by {status['TracerPid']}"
            if status.get("State", "")[:1] in "tT":
                return f"thread {task} is stopped: {status['State']}"
        if any(now <= then for now, then in zip(self.counts(), before)):
            return f"a thread does not go on: {before} -> {self.counts()}"
        kids = children_of(pid)
        if kids:
            return f"the target has children: {[(kid, stat_of(kid)[0]) for kid in kids]}"
        left = marked(self.mark, {pid})
        if left:
            return f"of ours is left: {[(pid, stat_of(pid)[0]) for pid in left]}"
        files = os.listdir(self.folder)
        if files:
            return f"files are left: {files}"
        return None


def wait_tracer(pid, process):
    """The child of dumpkit, as soon as it is there."""
    while process.poll() is None:
        text = read(f"/proc/{pid}/task/{pid}/children").split()
        if text:
            return int(text[0])
    return 0


def spin_until(moment):
    while time.perf_counter() < moment:
        pass


def one_kill(target, victim, dumpkit, extra, life):
    """Captures and kills; True when the kill came before the end."""
    command = [dumpkit, "capture", f"pid:{target.process.pid}", "-q", "--no-progress", "-o",
               os.path.join(target.folder, "x.core"), *extra]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=target.env)
    hit = process.pid
    if victim == "tracer":
        hit = wait_tracer(process.pid, process)
    spin_until(time.perf_counter() + random.random() * life)
    early = False
    try:
        if hit and process.poll() is None:
            os.kill(hit, signal.SIGKILL)
            early = True
    except ProcessLookupError:
        pass
    process.wait()
    done = os.path.join(target.folder, "x.core")
    # The name stands for a whole file, when dumpkit was killed behind the link as well.
    whole = True
    if os.path.exists(done):
        if process.returncode not in (0, 3):
            whole = subprocess.run([dumpkit, "check", "-q", done],
                                   stdout=subprocess.DEVNULL).returncode == 0
        os.unlink(done)
    return early and process.returncode not in (0, 3), whole


def lifetime(target, victim, dumpkit, extra):
    """How long the victim lives, undisturbed: the longest of three."""
    longest = 0.0
    for _ in range(3):
        command = [dumpkit, "capture", f"pid:{target.process.pid}", "-q", "--no-progress", "-f", "-o",
                   os.path.join(target.folder, "x.core"), *extra]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=target.env)
        if victim == "tracer":
            wait_tracer(process.pid, process)
        start = time.perf_counter()
        if process.wait() not in (0, 3):
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        longest = max(longest, time.perf_counter() - start)
    os.unlink(os.path.join(target.folder, "x.core"))
    return longest


def work(number, victim, kills, dumpkit, guard, folder, queue):
    random.seed(number * 7919 + int(os.environ.get("DUMPKIT_SEED", "0")))
    target = Target(guard, folder, number)
    extra = METHODS[number % len(METHODS)] if victim == "dumpkit" else []
    harmed, early, tries = [], 0, 0
    try:
        life = lifetime(target, victim, dumpkit, extra)
        while early < kills and tries < 6 * kills:
            tries += 1
            before = target.counts()
            hit, whole = one_kill(target, victim, dumpkit, extra, life)
            early += hit
            complaint = wait_for(lambda: target.complaint(before))
            if not complaint and not whole:
                complaint = "a file has the final name and is not whole"
            if complaint:
                harmed.append(complaint)
                target.close()
                target = Target(guard, folder, number)
    except RuntimeError as error:
        harmed.append(str(error))
    finally:
        target.close()
        queue.put((early, tries, harmed))


def main():
    victim, kills, dumpkit, guard, folder = sys.argv[1:6]
    queue = multiprocessing.Queue()
    share = (int(kills) + WORKERS - 1) // WORKERS
    workers = [multiprocessing.Process(target=work, args=(i, victim, share, dumpkit, guard, folder,
                                                          queue)) for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    results = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    early = sum(hit for hit, _, _ in results)
    harmed = [text for _, _, texts in results for text in texts]
    print(f"{early} captures with {victim} killed in the middle, of {sum(n for _, n, _ in results)} "
          f"tried: {len(harmed)} targets harmed")
    for text in harmed:
        print("harmed:", text)
    if early < share * WORKERS / 2:
        print("too few kills came in time to mean anything")
        return 1
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
