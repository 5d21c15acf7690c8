#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks every include of src/ against the two tables in docs/ARCHITECTURE.md.

usage: tools/check-layers.py [ROOT]

Prints "FILE:LINE: what is wrong" for each breach; exit status 1 when there is one, 2 when the tables
cannot be read.
"""
import os
import re
import sys

# Directories whose folders are backends of one interface and know nothing of each other.
SIBLINGS = ("format", "live", "proto", "sym")
ANYWHERE = ("glib", "gio/", "gmodule", "gobject/", "json-glib/")
# The C library and the kernel.
SYSTEM_FOLDERS = ("sys/", "linux/", "asm/", "asm-generic/", "net/", "netinet/", "arpa/", "bits/",
                  "gnu/")
SYSTEM = frozenset("""
    aio alloca assert byteswap complex cpuid crypt ctype dirent dlfcn elf endian err errno execinfo
    fcntl features fenv float fnmatch fts ftw getopt glob grp iconv ifaddrs immintrin inttypes
    iso646 langinfo libgen limits link linux locale malloc math mntent netdb poll pthread pty pwd
    regex sched search semaphore setjmp sgtty shadow signal spawn stdalign stdarg stdatomic stdbool
    stddef stdint stdio stdlib stdnoreturn string strings sysexits syslog tar termios tgmath threads
    time uchar ucontext unistd utime utmp utmpx wait wchar wctype wordexp x86intrin emmintrin
    """.split())
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class BadTable(Exception):
    pass


def words(cell):
    return [word.strip().strip("`").rstrip("/") for word in cell.split(",") if word.strip()]


def read_tables(path):
    """({directory: set of directories or None for all}, {header or folder/: directory})."""
    with open(path) as file:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in file if line.startswith("|")]
    layers, headers, current = {}, {}, None
    for row in rows:
        if len(row) != 2 or set(row[0]) <= set("-: "):
            continue
        if row[0] == "directory" and row[1].startswith("may include"):
            current = layers
        elif row == ["header", "directory"]:
            current = headers
        elif row[0] in ("folder", "directory", "header"):
            current = None
        elif current is layers:
            for name in words(row[0]):
                layers[name] = row[1]
        elif current is headers:
            for name in row[0].split(","):
                headers[name.strip()] = row[1]
    if not layers or not headers:
        raise BadTable(f"{path}: the tables of directories and of headers were not found")
    return {name: resolve(name, layers) for name in layers}, headers


def resolve(name, layers, depth=0):
    """The directories that name may include, from the words of its row."""
    text = layers[name]
    if depth > len(layers):
        raise BadTable(f"row {name}: it goes round in a circle")
    allowed = set()
    for word in words(text):
        if word == "nothing":
            continue
        if word == "all":
            allowed |= set(layers)
        elif word.startswith("all but "):
            allowed |= set(layers) - {word[len("all but "):]}
        elif word.endswith(" and all that it may include"):
            other = word.split(" ")[0]
            allowed |= {other} | resolve(other, layers, depth + 1)
        elif word in layers:
            allowed.add(word)
        else:
            raise BadTable(f"row {name}: \"{word}\" is no directory of the table")
    return allowed | {name, "base"}


def owner(header, headers):
    """The directory that a foreign header belongs to; "" for anywhere, None when not known."""
    for pattern, directory in headers.items():
        if header == pattern or (pattern.endswith("/") and header.startswith(pattern)):
            return directory
    if header.startswith(ANYWHERE) or header.startswith(SYSTEM_FOLDERS):
        return ""
    return "" if header[:-2] in SYSTEM and header.endswith(".h") else None


def check_quoted(place, included, layers, src, generated):
    parts, other = place.split("/"), included.split("/")
    if len(other) < 2:
        return f'"{included}" does not name its directory'
    if not os.path.exists(os.path.join(src, included)) and included not in generated:
        return f'"{included}" is no file of src/'
    if other[0] not in layers[parts[0]]:
        listed = ", ".join(sorted(layers[parts[0]] - {parts[0], "base"})) or "nothing more"
        return f"{parts[0]}/ may not include {other[0]}/ (only base and: {listed})"
    if parts[0] == other[0] and parts[0] in SIBLINGS and len(parts) > 2 and len(other) > 2 \
            and parts[1] != other[1]:
        return f"{parts[0]}/{parts[1]} may not include its sibling {other[0]}/{other[1]}"
    return None


def check_foreign(place, included, headers):
    directory = owner(included, headers)
    if directory is None:
        return f"<{included}> has no row in docs/ARCHITECTURE.md"
    if directory and place.split("/")[0] != directory:
        return f"<{included}> belongs to {directory}/ alone"
    return None


def generated_headers(src):
    """Headers that Meson writes: the `output:` words of the meson.build files."""
    found = set()
    for folder, _, names in os.walk(src):
        if "meson.build" in names:
            with open(os.path.join(folder, "meson.build")) as file:
                for name in re.findall(r"output\s*:\s*'([^']+\.h)'", file.read()):
                    found.add(os.path.normpath(os.path.join(os.path.relpath(folder, src), name)))
    return found


def check_tree(root):
    """The list of complaints about the tree at root."""
    layers, headers = read_tables(os.path.join(root, "docs", "ARCHITECTURE.md"))
    src = os.path.join(root, "src")
    generated = generated_headers(src)
    complaints = []
    for folder, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if not name.endswith((".c", ".h", ".S")):
                continue
            path = os.path.join(folder, name)
            place = os.path.relpath(path, src)
            shown = os.path.relpath(path, root)
            if place.split("/")[0] not in layers:
                complaints.append(f"{shown}: its directory has no row in docs/ARCHITECTURE.md")
                continue
            with open(path, errors="replace") as file:
                for number, line in enumerate(file, 1):
                    found = INCLUDE.match(line)
                    if not found:
                        continue
                    if found.group(1) == '"':
                        wrong = check_quoted(place, found.group(2), layers, src, generated)
                    else:
                        wrong = check_foreign(place, found.group(2), headers)
                    if wrong:
                        complaints.append(f"{shown}:{number}: {wrong}")
    return complaints


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else \
        os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        complaints = check_tree(root)
    except (BadTable, OSError) as error:
        print(f"check-layers: {error}", file=sys.stderr)
        return 2
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
