#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the README's tour true: runs its commands on demo/hang and puts in what they print.

usage: tools/tour.py             writes the tour in README.md anew
       tools/tour.py --check     fails when it no longer says what the commands print; numbers,
                                 addresses and the C library's own frames may differ
       tools/tour.py --picture   makes docs/img/demo.svg from the output of `make demo`

To be run as root.  HANG names the example program where it is not build/demo/hang.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
DUMPKIT = os.environ.get("DUMPKIT", os.path.join(BUILD, "dumpkit"))
HANG = os.environ.get("HANG", os.path.join(BUILD, "demo", "hang"))
README = os.path.join(ROOT, "README.md")
PICTURE = os.path.join(ROOT, "docs", "img", "demo.svg")
BEGIN, END = "<!-- tour: made by tools/tour.py -->\n", "<!-- end of the tour -->\n"

TOUR = (
    ("Before anything is touched: what would a dump take, and cost?",
     "dumpkit capture pid:{pid} -o orders.core.zst --plan"),
    ("The dump, compressed. The process stands still for the pause and runs on; the file is read "
     "in place by every verb, and `zstd -d` undoes it.",
     "dumpkit capture pid:{pid} -o orders.core.zst"),
    ("What is in it?",
     "dumpkit info orders.core.zst | head -n 27"),
    ("Is it whole? `--deep` compares every byte with the checksums that the file carries.",
     "dumpkit check orders.core.zst --deep"),
    ("Where does the transfer wait? The commands are those of WinDbg.",
     "dumpkit debug -q orders.core.zst -c '~2s; k'"),
    ("For which lock, and who holds it? Thread number {audit}, `audit`, which in turn waits for "
     "`savings`: a deadlock.",
     "dumpkit debug -q orders.core.zst -c 'dt hang!Account hang!trading; ? dwo(hang!trading+8)'"),
)


class Example:
    """The program that hangs, in a folder of its own; leaves neither behind."""
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="dumpkit-tour.")
        bin_folder = os.path.join(self.folder.name, "bin")
        os.mkdir(bin_folder)
        os.symlink(DUMPKIT, os.path.join(bin_folder, "dumpkit"))
        self.environment = dict(os.environ, PATH=bin_folder + ":" + os.environ["PATH"],
                                LC_ALL="C.UTF-8", NO_COLOR="1")
        self.environment.pop("DEBUGINFOD_URLS", None)
        self.process = subprocess.Popen([HANG], stdout=subprocess.PIPE, text=True)
        if "hangs" not in self.process.stdout.readline():
            self.__exit__()
            sys.exit(f"tour: {HANG} did not start")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def tid(self, name):
        folder = f"/proc/{self.process.pid}/task"
        for tid in os.listdir(folder):
            with open(f"{folder}/{tid}/comm", encoding="utf-8") as file:
                if file.read().strip() == name:
                    return int(tid)
        sys.exit(f"tour: no thread {name}")

    def run(self, command):
        done = subprocess.run(["sh", "-c", command], cwd=self.folder.name, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if done.returncode != 0:
            sys.exit(f"tour: status {done.returncode}: {command}\n{done.stdout}")
        return done.stdout.replace(HANG, "/srv/hang")


def make_tour():
    parts = []
    with Example() as example:
        names = {"pid": example.process.pid, "audit": example.tid("audit")}
        for text, command in TOUR:
            command = command.format(**names)
            said = "\n".join(line.rstrip() for line in example.run(command).splitlines())
            text = textwrap.fill(text.format(**names), 120, break_on_hyphens=False)
            parts.append(f"{text}\n\n```\n$ {command}\n{said}\n```\n")
    return "\n".join(parts)


def comparable(tour):
    """The lines, paragraphs joined, without what differs from machine to machine and from run to run."""
    lines = []
    blocks = tour.split("```")
    blocks[::2] = [" ".join(block.split()) for block in blocks[::2]]
    for line in "\n".join(blocks).splitlines():
        if re.search(r"\blibc[!+]|^ *system ", line):
            continue
        line = re.sub(r"[0-9a-f]{8}`[0-9a-f]{8}|\b0x[0-9a-f`]+|\b0n\d+", "N", line)
        line = re.sub(r"\b[0-9a-f]{16,}\b|\b[0-9a-f]+\.[0-9a-f]+\b", "N", line)
        line = re.sub(r"\b\d[\d.:TZ-]*", "N", line)
        line = re.sub(r"\bN ([KMG]iB|s|ms|µs|us)\b", "N", line)
        lines.append(" ".join(line.split()))
    return lines


def split_readme():
    with open(README, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"tour: {README} has no place for the tour")
    head, rest = text.split(BEGIN)
    old, tail = rest.split(END)
    return head, old, tail


def make_picture():
    text = subprocess.run(["script", "-qec", os.path.join(ROOT, "tools", "demo.sh"), "/dev/null"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=True,
                          env=dict(os.environ, TERM="xterm-256color")).stdout.decode()
    svg = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "terminal-picture.py"),
                          "--title", "make demo"], input=text, capture_output=True, text=True,
                         check=True).stdout
    with open(PICTURE, "w", encoding="utf-8") as file:
        file.write(svg)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--picture", action="store_true")
    args = parser.parse_args()
    if args.picture:
        make_picture()
        return 0
    head, old, tail = split_readme()
    new = "\n" + make_tour() + "\n"
    if not args.check:
        with open(README, "w", encoding="utf-8") as file:
            file.write(head + BEGIN + new + END + tail)
        return 0
    changes = list(difflib.unified_diff(comparable(old), comparable(new), "README.md",
                                        "what is printed now", lineterm="", n=1))
    print("\n".join(changes))
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
