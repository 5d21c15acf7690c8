#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what `debug --json` says of a dump of debug-sample.c with what gdb says of it.

usage: debug-compare.py TOPIC DUMPKIT PROGRAM CORE [DUMP]

gdb reads CORE, once for all topics: what it said stands in CORE.gdb.  dumpkit reads DUMP, or CORE.
"""
import json
import os
import re
import subprocess
import sys

GDB = {
    "threads": "thread apply all bt",
    "registers": "thread apply all info registers",
    "memory": "x/8xg &sample_words",
    "bytes": "x/19xb &sample_text",
    "text": "x/s &sample_text",
    "symbol": "info symbol (char *)&sample_inner + 7",
    "code": "disassemble /r sample_thread",
    "type": "ptype /o struct sample",
    "libraries": "info sharedlibrary",
}
NAMES = ["sample_first", "sample_second", "sample_words", "sample_text", "sample_wide",
         "sample_pointers", "sample_inner", "sample_thread", "main"]
# As gdb names them, which has no name for the number of the system call in a core.
FLAGS = {"eflags": "efl"}


def ask_gdb(program, core):
    told = core + ".gdb"
    if not os.path.exists(told):
        command = ["gdb", "-nx", "-batch", "-ex", "set print frame-arguments none",
                   "-ex", "set width 0"]
        for topic, text in GDB.items():
            command += ["-ex", f"echo === {topic}\\n", "-ex", text]
        command += ["-ex", "echo === names\\n"]
        for name in NAMES:
            command += ["-ex", f'printf "{name} %#lx\\n", (unsigned long)&{name}']
        done = subprocess.run(command + [program, core], capture_output=True, text=True, check=False,
                              env={**os.environ, "DEBUGINFOD_URLS": ""})
        with open(told, "w", encoding="utf-8") as file:
            file.write(done.stdout)
    with open(told, encoding="utf-8") as file:
        parts = re.split(r"^=== (\w+)\n", file.read(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def by_thread(text):
    """LWP -> what gdb said of it."""
    parts = re.split(r"^Thread \d+ \((?:Thread 0x\w+ )?\(?LWP (\d+)\)+:?.*\n", text, flags=re.M)
    return {int(tid): body for tid, body in zip(parts[1::2], parts[2::2])}


class Run:
    def __init__(self, dumpkit, program, core, dump):
        self.dumpkit, self.dump = dumpkit, dump
        self.gdb = ask_gdb(program, core)
        self.names = {name: int(value, 16) for name, value in
                      re.findall(r"^(\w+) (0x[0-9a-f]+)$", self.gdb["names"], flags=re.M)}
        check("gdb knows the names", sorted(self.names), sorted(NAMES))

    def ask(self, *commands):
        """The results of commands, one each."""
        args = [arg for command in commands for arg in ("-c", command)]
        done = subprocess.run([self.dumpkit, "debug", "--json", self.dump] + args,
                              capture_output=True, text=True, check=True)
        results = json.loads(done.stdout)["results"]
        check("as many results", len(results), len(commands))
        return results


def check(what, ours, theirs):
    if ours != theirs:
        sys.exit(f"{what}:\n  dumpkit: {ours}\n  gdb:     {theirs}")


def number(text):
    return int(text, 16)


def registers(run):
    told = by_thread(run.gdb["registers"])
    threads = run.ask("~")[0]["threads"]
    check("threads", sorted(thread["tid"] for thread in threads), sorted(told))
    for thread in threads:
        ours = run.ask(f"~{thread['thread']}s", "r")[1]["registers"]
        theirs = re.findall(r"^(\w+)\s+(0x[0-9a-f]+)\s", told[thread["tid"]], flags=re.M)
        compared = 0
        for name, value in theirs:
            name = FLAGS.get(name, name)
            if name in ours:
                check(f"{name} of {thread['tid']}", number(ours[name]), number(value))
                compared += 1
        check("registers were compared", compared >= 16, True)


def gdb_frames(text):
    """(pc or None, function, file name or None, line or None)"""
    frame = re.compile(r"^#\d+\s+(?:0x([0-9a-f]+) in )?(\S+) \(.*?\)(?: at (\S+):(\d+))?", re.M)
    return [(pc and number(pc), name, path and os.path.basename(path), line and int(line))
            for pc, name, path, line in frame.findall(text)]


def stacks(run):
    told = by_thread(run.gdb["threads"])
    threads = run.ask("~*k")[0]["threads"]
    check("threads", sorted(thread["tid"] for thread in threads), sorted(told))
    for thread in threads:
        ours = thread["results"][0]["frames"]
        theirs = gdb_frames(told[thread["tid"]])
        pcs = [frame[0] for frame in theirs if frame[0]]
        # gdb ends at main.
        check("pcs", [number(frame["pc"]) for frame in ours if not frame["inline"]][:len(pcs)], pcs)
        wanted = [frame for frame in theirs if re.match("sample_|main$", frame[1])]
        check("frames of the sample", [
            (frame["symbol"], os.path.basename(frame["file"]), frame["line"])
            for frame in ours if re.match("sample_|main$", frame["symbol"] or "")],
            [frame[1:] for frame in wanted])
        check("enough of them", len(wanted) >= 4, True)
        # Of a library: as gdb shows it, and not joined with a relative folder.
        for frame in ours:
            if frame["symbol"] == "start_thread" and "file" in frame:
                check("path in libc", f" at {frame['file']}:{frame['line']}\n" in told[thread["tid"]],
                      True)


def memory(run):
    words = [number(value) for line in run.gdb["memory"].splitlines()
             for value in re.findall(r"\t0x([0-9a-f]+)", line)]
    data = [number(value) for line in run.gdb["bytes"].splitlines()
            for value in re.findall(r"\t0x([0-9a-f]+)", line)]
    check("gdb shows it", (len(words), len(data)), (8, 19))
    quads, dwords, narrow, shorts, points, symbols, chars, text, wide, found = run.ask(
        "dq sample_words L8", "dd sample_words L2", "db sample_text L13", "dw sample_words L4",
        "dp sample_words L2", "dps sample_pointers L4", "dc sample_text L4", "da sample_text",
        "du sample_wide", 's -a sample_second L?200 "to be found"')

    def values(result):
        return [number(value) for row in result["rows"] for value in row["values"]]
    check("dq", values(quads), words)
    check("dp", values(points), words[:2])
    check("dd", values(dwords), [words[0] & 0xffffffff, words[0] >> 32])
    check("dw", values(shorts), [words[0] >> at & 0xffff for at in (0, 16, 32, 48)])
    check("db", values(narrow), data)
    check("dc", b"".join(value.to_bytes(4, "little") for value in values(chars)), bytes(data[:16]))
    check("da", f'"{text["text"]}"' in run.gdb["text"], True)
    check("du", wide["text"], "wide")
    check("dps", [(number(row["value"]), row["symbol"].split("!")[1]) for row in symbols["rows"]],
          [(run.names[name], name) for name in
           ("sample_first", "sample_words", "sample_text", "sample_inner")])
    check("s", [number(match) for match in found["matches"]],
          [run.names["sample_text"] + bytes(data).index(b"to be found")])


def symbols_of(run):
    near, all_of, value, half, deep = run.ask(
        "ln sample_inner+7", "x sample!*", "? sample_words+0n16", "? dwo(sample_words)",
        "? poi(sample_words+0x20) - 'a'")
    check("ln", f"{near['below']['symbol']} + {number(near['displacement'])} in section .text",
          run.gdb["symbol"].split(" of ")[0].strip())
    found = {item["symbol"]: number(item["address"]) for item in all_of["symbols"]}
    check("x", {name: found.get(name) for name in NAMES}, run.names)
    check("? with a symbol", number(value["value"]), run.names["sample_words"] + 16)
    check("? dwo()", number(half["value"]), 0x89abcdef)
    check("? poi()", number(deep["value"]), 0xfedcba9876543210 - ord("a"))


def code(run):
    theirs = [(number(at), "".join(data.split())) for at, data in
              re.findall(r"0x([0-9a-f]+) <\+\d+>:\t((?:[0-9a-f]{2} )+)", run.gdb["code"])]
    check("gdb shows it", len(theirs) > 5, True)
    ours, whole, before = run.ask(f"u sample_thread L0n{len(theirs)}", "uf sample_thread",
                                  f"ub {theirs[5][0]:x} L2")

    def shown(result):
        return [(number(insn["address"]), insn["bytes"]) for insn in result["instructions"]]
    check("u", shown(ours), theirs)
    check("uf", shown(whole), theirs)
    check("ub", shown(before), theirs[3:5])
    calls = [insn for insn in ours["instructions"] if insn["mnemonic"] == "call"]
    check("the call", [number(insn["target"]) for insn in calls], [run.names["sample_inner"]])
    stub = [insn.get("symbol") for insn in run.ask("uf sample_inner")[0]["instructions"]
            if insn["mnemonic"] == "call"]
    check("calls", stub, ["sample!sample_inner", "sample!pause@plt"])


def types(run):
    """Lines of ptype /o: "/* offset[: bit] | size */ type name;"."""
    theirs, depth = [], 0
    for line in run.gdb["type"].splitlines():
        row = re.match(r"/\* +(\d+)(?:: (\d+))? +\| +(\d+) \*/ +(.*)", line)
        if row and depth == 0 and (name := re.search(r"(\w+)(?:\[\d+\])?(?: : \d+)?;$", row[4])):
            theirs.append((name[1], int(row[1]), row[2] and int(row[2])))
        elif row and row[4].endswith("{") and not row[4].startswith("type = "):
            depth, outer = depth + 1, int(row[1])
        elif (end := re.match(r" +} (\w+);$", line)):
            depth -= 1
            theirs.append((end[1], outer, None))
    check("gdb shows it", len(theirs), 10)
    plain, valued, opened, colours, size = run.ask(
        "dt sample", "dt sample_first", "dt -r1 sample sample_first", "dt colour", "dt samp*")
    check("dt", [(member["name"], number(member["offset"]), member.get("bit_offset"))
                 for member in plain["members"]], theirs)
    check("size", plain["size"],
          int(re.findall(r"total size \(bytes\): +(\d+)", run.gdb["type"])[-1]))
    values = {member["name"]: member.get("value") for member in valued["members"]}
    check("number", values["number"], "0n1234")
    check("colour", "GREEN" in values["colour"], True)
    check("ratio", float(values["ratio"]), 0.5)
    check("text", "first" in values["text"], True)
    check("next", number(values["next"].split()[0].replace("`", "")), run.names["sample_second"])
    pair = next(member for member in opened["members"] if member["name"] == "pair")["members"]
    check("opened", [(member["name"], member["value"].split()[0]) for member in pair],
          [("left", "0n-7"), ("right", f"0n{0x1122334455667788}")])
    check("enumerators", [(item["name"], item["value"]) for item in colours["enumerators"]],
          [("RED", 0), ("GREEN", 5), ("BLUE", 6)])
    check("dt with a pattern", [(item["name"], item["size"]) for item in size["types"]],
          [("sample", plain["size"])])


def modules(run):
    listed, one = run.ask("lm", "lma sample_inner")
    ours = {item["path"]: item for item in listed["modules"]}
    theirs = re.findall(r"^0x(\w+) +0x(\w+) +Yes(?: \(\*\))? +(\S+)$", run.gdb["libraries"], re.M)
    check("gdb shows them", len(theirs) >= 2, True)
    for first, last, path in theirs:
        name = path if path in ours else os.path.realpath(path)
        check(f"{path} is listed", name in ours, True)
        check(f"{path} holds its code",
              number(ours[name]["start"]) < number(first) < number(last) <= number(ours[name]["end"]),
              True)
    check("lma", [item["name"] for item in one["modules"]], ["sample"])


TOPICS = {"registers": registers, "stacks": stacks, "memory": memory, "symbols": symbols_of,
          "code": code, "types": types, "modules": modules}


def main():
    topic, dumpkit, program, core = sys.argv[1:5]
    run = Run(dumpkit, program, core, sys.argv[5] if len(sys.argv) > 5 else core)
    TOPICS[topic](run)


if __name__ == "__main__":
    main()
