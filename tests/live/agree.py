#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does a dump of zoo.c hold what zoo says of itself?  Asks a reader that is not ours.

usage: agree.py READER LAYOUT DUMP LEVEL [with-dontdump]

READER is bytes (a plain reader of the formats, dumpfile.py), gdb, lldb, readelf, stackwalk or
minidump-dump.  Prints each difference; exit status 1 when there is one.
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

from dumpfile import Dump

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.environ.get("DUMPKIT_PEERS", ""), "minidump/bin/linux-x64")
STEP = 0x9e3779b97f4a7c15
WORD = (1 << 64) - 1
# Which kinds of memory a level takes; "pointed" is anonymous memory that a register points to.
PRIVATE = {"anon", "own", "pointed", "file-rw", "relro"}
HELD = {
    "full": PRIVATE | {"file-ro", "shared-nameless", "shared-file", "large"},
    "miniplus": PRIVATE,
    "mini": {"pointed"},
    "triage": set(),
    "filter:0x33": PRIVATE | {"shared-nameless", "large"},
}
COMPLAINTS = []


def complain(text):
    COMPLAINTS.append(text)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=240,
                          stdin=subprocess.DEVNULL).stdout


def content(layout, area):
    """The bytes that the area has."""
    if area["kind"] == "relro":
        return struct.pack("<4Q", *layout["relro"])
    if not area["seed"]:
        return bytes(area["len"])
    words = area["len"] // 8
    return struct.pack(f"<{words}Q", *((area["seed"] + i * STEP) & WORD for i in range(words)))


def wanted_areas(layout, level, dontdump):
    """(area, how many bytes of it are due from its start on); 0: none may be there."""
    held = HELD[level] | ({"dontdump"} if dontdump and level in ("full", "miniplus") else set())
    for area in layout["areas"]:
        due = area["len"] if area["kind"] in held else 0
        if area["kind"] == "anon-empty":
            # The kernel's filter leaves out what was never written to.
            due = area["len"] if "anon" in held and not level.startswith("filter") else 0
        if level == "mini" and due:
            due = 4096
        yield area, due


def same(what, got, due):
    if got != due:
        show = [f"{value:#x}" if isinstance(value, int) else str(value)[:80] for value in (got, due)]
        complain(f"{what}: {show[0]}, not {show[1]}")


def registers(thread, regs, level, who):
    for name, due in thread["regs"].items():
        got = regs.get(name)
        if name == "rip" and got is not None:
            if not due <= got <= thread["rip_last"]:
                complain(f"{who}: rip {got:#x} is not in {due:#x}-{thread['rip_last']:#x}")
        elif level == "triage" and due and not 1 << 32 < due < 1 << 47:
            # No address of anything.
            if got == due:
                complain(f"{who}: {name} is not blanked")
        else:
            same(f"{who}: {name}", got, due)


def check_threads(layout, told, level, tids=True):
    if len(told) != len(layout["threads"]):
        complain(f"{len(told)} threads, not {len(layout['threads'])}")
    for thread in layout["threads"]:
        who = thread["name"]
        entry = told.get(thread["tid"])
        if not entry:
            complain(f"{who}: no thread {thread['tid']}")
            continue
        registers(thread, entry["regs"], level, who)
        if "vector" in entry and level != "triage":
            due = thread["vector"]
            wide = len(entry["vector"][0]) if entry["vector"] else 0
            same(f"{who}: vector registers", entry["vector"], [text[:wide] for text in due])
        if "chain" in entry:
            same(f"{who}: stack", entry["chain"][:len(thread["chain"])], thread["chain"])


def check_marks(thread, got, level):
    """The words on the innermost frame; the last one is a pointer."""
    who = thread["name"] + ": words on the stack"
    if got is None:
        complain(who + " are missing")
        return
    words = list(struct.unpack("<8Q", got))
    if level != "triage":
        same(who, words, thread["marks"])
        return
    same(who + ", pointer", words[-1], thread["marks"][-1])
    if any(word == due for word, due in zip(words[:-1], thread["marks"])):
        complain(who + " are not blanked")


def reader_bytes(layout, path, level, dontdump):
    dump = Dump(path)
    for area, due in wanted_areas(layout, level, dontdump):
        name = f"{area['name']} at {area['va']:#x}"
        if due:
            got = dump.read(area["va"], due)
            if got is None:
                complain(f"{name} is not in the dump")
            elif got != content(layout, area)[:due]:
                complain(f"{name} has other content")
        elif level in ("mini", "triage") and area["kind"] == "relro":
            continue
        elif level == "miniplus" and area["kind"] == "file-ro":
            # The first page may be a module's header.
            if area["len"] > 4096 and dump.holds(area["va"] + 4096, area["len"] - 4096):
                complain(f"{name} is in the dump behind its first page")
        elif dump.holds(area["va"], area["len"]):
            complain(f"{name} is in the dump")
    for thread in layout["threads"]:
        check_marks(thread, dump.read(thread["marks_va"], 64), level)
    check_secrets(dump, layout, level, dontdump)
    check_vectors(dump, layout, level)
    if dump.kind == "elf":
        check_notes(dump, layout, level)


def check_secrets(dump, layout, level, dontdump):
    """Texts of the program that a level takes or does not take, looked for in the whole file."""
    small = level in ("mini", "triage")
    dont = next(area for area in layout["areas"] if area["name"] == "dontdump")
    due = {
        b"DKENVSECRET": not small,
        b"DKHEAPSECRET": not small,
        b"DKSTACKSECRET": level != "triage",
        content(layout, dont)[8:40]: dontdump,
    }
    for text, there in due.items():
        if dump.kind == "minidump" and text == b"DKENVSECRET" and 0x47670007 in dump.streams:
            complain("the environment stands in a stream")
        if (dump.bytes.find(text) >= 0) != there:
            complain(f"{text[:16]!r} is {'not ' if there else ''}in the file")


def check_vectors(dump, layout, level):
    """ymm of XSAVE areas (Intel SDM 13.4, standard format), xmm of minidump contexts."""
    told = {}
    if dump.kind == "elf":
        tid = None
        for name, kind, text in dump.notes:
            if (name, kind) == ("CORE", 1):
                tid = struct.unpack_from("<I", text, 32)[0]
            if (name, kind) == ("LINUX", 0x202):
                told[tid] = [text[160 + 16 * i:][:16] + text[576 + 16 * i:][:16] for i in range(16)]
    else:
        text = dump.streams[3]
        for i in range(struct.unpack_from("<I", text)[0]):
            tid = struct.unpack_from("<I", text, 4 + 48 * i)[0]
            rva = struct.unpack_from("<I", text, 4 + 48 * i + 44)[0]
            context = dump.bytes[rva:rva + 0x300]
            # CONTEXT_FLOATING_POINT says that FltSave is there.
            if struct.unpack_from("<I", context, 0x30)[0] & 8:
                told[tid] = [context[0x100 + 160 + 16 * i:][:16] for i in range(16)]
    if level == "triage":
        for tid in told:
            complain(f"thread {tid}: vector registers in a triage dump")
        return
    for thread in layout["threads"]:
        wide = 32 if dump.kind == "elf" and thread["avx"] else 16
        got = [value[:wide].hex() for value in told.get(thread["tid"], [])]
        same(f"{thread['name']}: vector registers", got, [text[:2 * wide] for text in thread["vector"]])


def check_notes(dump, layout, level):
    count = len(layout["threads"])
    kinds = [(name, kind) for name, kind, _ in dump.notes]
    for note, due in ((("CORE", 1), count), (("CORE", 3), 1), (("CORE", 6), 1),
                      (("CORE", 0x46494c45), 1),
                      (("CORE", 2), 0 if level == "triage" else count),
                      (("LINUX", 0x202), 0 if level == "triage" else count)):
        same(f"notes {note}", kinds.count(note), due)


def probes(layout, level, dontdump):
    """Pieces of areas to ask a reader for: [(va, length, bytes or None when it is not there)]."""
    for area, due in wanted_areas(layout, level, dontdump):
        text = content(layout, area)
        if due:
            yield area["va"], 64 if due > 64 else due, text[:64]
            if due > 64:
                yield area["va"] + due - 64, 64, text[due - 64:due]
        elif not area["kind"].startswith(("file", "shared-file", "relro")):
            # What is of a file may be taken from there by a debugger.
            yield area["va"], 64, None


def check_probes(layout, level, dontdump, read):
    for va, length, due in probes(layout, level, dontdump):
        got = read(va, length)
        if got != due:
            complain(f"memory at {va:#x}: {got and got[:16].hex()}, not {due and due[:16].hex()}")
    for thread in layout["threads"]:
        check_marks(thread, read(thread["marks_va"], 64), level)


def reader_gdb(layout, path, level, dontdump):
    areas = [(va, length) for va, length, _ in probes(layout, level, dontdump)]
    areas += [(thread["marks_va"], 64) for thread in layout["threads"]]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"areas": areas}, file)
        file.flush()
        out = run("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex",
                  f"python WANTED = {file.name!r}", "-ex", f"source {HERE}/gdb-tell.py",
                  layout["exe"], path)
    told = next((line[5:] for line in out.splitlines() if line.startswith("TOLD ")), None)
    if not told:
        complain("gdb says nothing:\n" + out)
        return
    told = json.loads(told)
    check_threads(layout, {int(tid): entry for tid, entry in told["threads"].items()}, level)
    check_probes(layout, level, dontdump,
                 lambda va, length: told["areas"][str(va)] and bytes.fromhex(told["areas"][str(va)]))
    if level != "triage" and not any("libc.so" in name for name in told["modules"]):
        complain(f"gdb does not find the C library: {told['modules']}")


def lldb_vector(line):
    return "".join(f"{int(byte, 16):02x}" for byte in re.findall(r"0x[0-9a-f]{2}\b", line))


def reader_lldb(layout, path, level, dontdump):
    count = len(layout["threads"])
    commands = ["settings set symbols.enable-external-lookup false", "thread list", "image list -u -f"]
    for i in range(count):
        commands += [f"thread select {i + 1}", "register read --all", "thread backtrace"]
    with tempfile.TemporaryDirectory() as folder:
        spots = {va: length for va, length, _ in probes(layout, level, dontdump)}
        spots |= {thread["marks_va"]: 64 for thread in layout["threads"]}
        for va, length in spots.items():
            commands.append(f"memory read --force --binary --outfile {folder}/{va:x} "
                            f"--count {length} {va:#x}")
        script = os.path.join(folder, "script")
        with open(script, "w") as file:
            file.write("\n".join(commands) + "\n")
        # The script goes on behind a command that fails, as a read of absent memory must.
        out = run("lldb-14", "--no-lldbinit", "--no-use-colors", "--batch", "-O",
                  "settings set interpreter.stop-command-source-on-error false", "-c", path,
                  *([] if path.endswith(".dmp") else [layout["exe"]]), "-s", script)

        def read(va, _length):
            try:
                with open(f"{folder}/{va:x}", "rb") as file:
                    return file.read() or None
            except OSError:
                return None

        told = {}
        sections = re.split(r"^\(lldb\) ", out, flags=re.MULTILINE)
        tids = {}
        current = None
        for section in sections:
            if section.startswith("thread list"):
                for number, tid in re.findall(r"thread #(\d+): tid = (0x[0-9a-f]+|\d+)", section):
                    tids[int(number)] = int(tid, 0)
            elif section.startswith("thread select"):
                current = told.setdefault(tids.get(int(section.split()[2])), {})
            elif section.startswith("register read"):
                current["regs"] = {name: int(value, 16) for name, value in re.findall(
                    r"^\s+(r\w\w?) = (0x[0-9a-f]+)", section, re.MULTILINE)}
                lines = dict(re.findall(r"^\s+((?:xmm)\d+) = (.*)$", section, re.MULTILINE))
                if "xmm15" in lines:
                    current["vector"] = [lldb_vector(lines[f"xmm{i}"]) for i in range(16)]
            elif section.startswith("thread backtrace"):
                # A line about the stop may stand among them once more.
                frames = dict(re.findall(r"frame #(\d+): 0x\w+ [^`\n]+`(\w+)", section))
                current["chain"] = [frames[number] for number in sorted(frames, key=int)]
        if not tids:
            complain("lldb says nothing:\n" + out)
        check_threads(layout, told, level)
        # lldb 14 reads vector registers of cores, not of minidumps.
        if level != "triage" and not all("vector" in entry or path.endswith(".dmp")
                                         for entry in told.values()):
            complain("lldb shows no vector registers")
        check_probes(layout, level, dontdump, read)
        ids = dict(build_ids(layout))
        listed = "\n".join(part for part in sections if part.startswith("image list"))
        if level == "triage" and path.endswith(".core"):
            # Without the loader's list a core names the program only.
            del ids[layout["libc"]]
        for name, identity in ids.items():
            if identity[:16].upper() not in listed.replace("-", ""):
                complain(f"lldb does not list {name} with its build-id {identity}:\n{listed}")


def build_ids(layout):
    """The program and the libraries it has, by their own notes."""
    for path in (layout["exe"], layout["libc"]):
        found = re.search(r"Build ID: ([0-9a-f]+)", run("eu-readelf", "-n", path))
        yield path, found.group(1)


def reader_readelf(layout, path, level, _dontdump):
    out = run("eu-readelf", "-n", path)
    told = {}
    for block in re.split(r"^\s+CORE\s+\d+\s+PRSTATUS", out, flags=re.MULTILINE)[1:]:
        pid = re.search(r"\bpid: (\d+)", block)
        regs = {name: int(value, 0) & WORD
                for name, value in re.findall(r"\b(r[a-z0-9]{1,2}):\s+(-?\w+)", block)}
        if pid:
            told[int(pid.group(1))] = {"regs": regs}
    check_threads(layout, told, level)
    listed = run("eu-unstrip", "-n", f"--core={path}")
    for name, identity in build_ids(layout):
        if identity not in listed:
            complain(f"eu-unstrip does not find {name} with its build-id {identity}:\n{listed}")


def reader_stackwalk(layout, path, level, _dontdump):
    with tempfile.TemporaryDirectory() as folder:
        symbols = run(os.path.join(PEERS, "dump_syms"), layout["exe"])
        identity, name = symbols.split("\n")[0].split()[3:5]
        os.makedirs(f"{folder}/{name}/{identity}")
        with open(f"{folder}/{name}/{identity}/{name}.sym", "w") as file:
            file.write(symbols)
        out = run(os.path.join(PEERS, "minidump_stackwalk"), path, folder)
    blocks = re.split(r"^Thread \d+.*$", out.split("Loaded modules:")[0], flags=re.MULTILINE)[1:]
    told = {}
    for block in blocks:
        frame = block.strip().split("\n 1 ")[0]
        regs = {name: int(value, 16) for name, value in re.findall(r"\b(r\w\w?) = (0x\w+)", frame)}
        owner = next((thread for thread in layout["threads"]
                      if thread["regs"]["rsp"] == regs.get("rsp")), {"tid": 0})
        chain = re.findall(r"^\s*\d+\s+\S+?!(\w+)", block, re.MULTILINE)
        told[owner["tid"]] = {"regs": regs, "chain": chain}
    if not blocks:
        complain("minidump_stackwalk says nothing:\n" + out)
    check_threads(layout, told, level)


def reader_minidump_dump(layout, path, level, _dontdump):
    out = run(os.path.join(PEERS, "minidump_dump"), path)
    told = {}
    for block in re.split(r"^thread\[\d+\]$", out.split("MinidumpModuleList")[0], flags=re.MULTILINE)[1:]:
        tid = int(re.search(r"thread_id\s+= (0x\w+)", block).group(1), 16)
        told[tid] = {"regs": {name: int(value, 16) for name, value in
                              re.findall(r"^\s+(r\w\w?)\s+= (0x\w+)", block, re.MULTILINE)}}
    check_threads(layout, told, level)
    for name, identity in build_ids(layout):
        if not re.search(rf'\(code_file\)\s+= "{re.escape(name)}"', out):
            complain(f"minidump_dump does not list {name}")
        if identity.lower() not in out.lower():
            complain(f"minidump_dump does not show the build-id {identity} of {name}")


def main():
    reader, layout_path, path, level = sys.argv[1:5]
    with open(layout_path) as file:
        layout = json.load(file)
    table = {"bytes": reader_bytes, "gdb": reader_gdb, "lldb": reader_lldb,
             "readelf": reader_readelf, "stackwalk": reader_stackwalk,
             "minidump-dump": reader_minidump_dump}
    table[reader](layout, path, level, "with-dontdump" in sys.argv[5:])
    for text in COMPLAINTS:
        print(f"{reader}, {os.path.basename(path)}, level {level}: {text}")
    return 1 if COMPLAINTS else 0


if __name__ == "__main__":
    sys.exit(main())
