#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills a capture of a guest, or its guardian, at random moments, and looks what became of the guest.

usage: guest-kills.py [--file FILE DUMPKIT] dumpkit|guardian KILLS FOLDER COMMAND...

FOLDER is that of the guest (guest.py), which must send beats; COMMAND captures it.  {METHOD} in a word
becomes one method after the other.  After each kill, within some seconds, the guest runs, its beats
come, no migration or dump is under way, the capabilities are as before, and no guardian is left.  A
capture that was done before its kill does not count.  With --file, COMMAND writes FILE, which must
not be there after a kill, or be complete to DUMPKIT's check.  Prints what was found; exit status 1 when
something was not put back.
"""
import os
import random
import signal
import subprocess
import sys
import time

import guest as guests

METHODS = ["snapshot", "stop", "dump"]
PATIENCE_S = 20
IDLE = (None, "none", "completed", "failed", "cancelled")


def guardians(folder):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"guardian"] and folder.encode() in words[2]:
            found.append(int(name))
    return found


def capabilities(monitor):
    return {entry["capability"]: entry["state"]
            for entry in monitor.run("query-migrate-capabilities")}


def complaint(guest, monitor, before, beats):
    if guardians(guest.folder):
        return "a guardian is left"
    status = monitor.run("query-status")
    if not status["running"]:
        return f"the guest does not run: {status['status']}"
    if monitor.run("query-migrate").get("status") not in IDLE:
        return "a migration is under way"
    if monitor.run("query-dump").get("status") not in IDLE:
        return "a dump is under way"
    if capabilities(monitor) != before:
        return "capabilities are not as before"
    if len(beats.times) < 3:
        return "no beats come"
    return None


def settled(guest, monitor, before):
    """The last complaint, or None as soon as there is none."""
    beats = guest.beats()
    end = time.monotonic() + PATIENCE_S
    try:
        while True:
            found = complaint(guest, monitor, before, beats)
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.01)
    finally:
        beats.stop()


def child_of(process):
    while process.poll() is None:
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            pids = file.read().split()
        if pids:
            return int(pids[0])
    return 0


def start(command, method):
    words = [word.replace("{METHOD}", method) for word in command]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def one_kill(victim, command, method, life):
    """True when the kill came before the end."""
    process = start(command, method)
    hit = process.pid
    began = time.monotonic()
    if victim == "guardian":
        hit = child_of(process)
    time.sleep(max(random.random() * life - (time.monotonic() - began), 0))
    early = False
    try:
        if hit and process.poll() is None:
            os.kill(hit, signal.SIGKILL)
            early = True
    except ProcessLookupError:
        pass
    process.wait()
    return early


def half_file(check):
    """A complaint about the file that is there under its name."""
    if not check or not os.path.exists(check[0]):
        return None
    done = subprocess.run([check[1], "check", "-q", check[0]], check=False)
    os.unlink(check[0])
    return "a file that is not whole has its name" if done.returncode else None


def main(argv):
    check = None
    if argv[1] == "--file":
        check = argv[2:4]
        del argv[1:4]
    victim, kills, folder, command = argv[1], int(argv[2]), argv[3], argv[4:]
    guest = guests.Guest(folder).attach()
    monitor = guest.monitor()
    before = capabilities(monitor)
    lives = {}
    for method in METHODS:
        began = time.monotonic()
        if start(command, method).wait() != 0:
            print(f"method {method} fails without a kill")
            return 1
        lives[method] = time.monotonic() - began
    done = 0
    for turn in range(kills * 4):
        method = METHODS[turn % len(METHODS)]
        if check and os.path.exists(check[0]):
            os.unlink(check[0])
        if not one_kill(victim, command, method, lives[method]):
            continue
        done += 1
        found = settled(guest, monitor, before) or half_file(check)
        if found:
            print(f"kill {done} of {victim}, method {method}: {found}")
            return 1
        if done == kills:
            break
    for method in METHODS:
        if start(command, method).wait() != 0:
            print(f"method {method} fails after the kills")
            return 1
    print(f"{done} kills of {victim}, and the guest as before each time")
    return 0 if done >= kills else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
