#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what `debug --json` prints for every command with docs/schema/debug.md, both ways.

usage: debug-schema.py PAGE DOCUMENT...

The page has a table of the whole, one of what every result has, and one a command, whose heading
names its words.  What every row of them names has to be in one of the documents, unless its meaning
is about what they cannot have (RARE).
"""
import importlib.util
import json
import os
import re
import sys

sys.dont_write_bytecode = True
SPEC = importlib.util.spec_from_file_location(
    "schema_members", os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema-members.py"))
schema = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(schema)

# Of signal handlers, of dumps that lack a thread, and of code that may not be there.
RARE = re.compile(r"\.signal_frame$|^gaps\[\]\.tid$|^instructions\[\]\.memory$")


def read_page(path):
    """Section title -> the rows of its table."""
    sections, title = {}, ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                title = line[3:].strip()
            row = schema.ROW.match(line.rstrip("\n"))
            if row:
                sections.setdefault(title, {})[row.group(1)] = (
                    row.group(2).split(" or "), row.group(3).strip().startswith("Where"))
            else:
                sections.setdefault(title, {})
    return sections


def words_of(sections):
    return {word: title for title in sections for word in re.findall(r"`([^`]+)`", title)}


def section_of(command, words):
    fits = [word for word in words if command.startswith(word)]
    return words[max(fits, key=len)] if fits else None


def paths(value, path, found):
    if path:
        found.add(path)
    if isinstance(value, dict):
        for name, item in value.items():
            paths(item, f"{path}.{name}" if path else name, found)
    elif isinstance(value, list):
        for item in value:
            paths(item, path + "[]", found)


def take_nested(result):
    """Takes what is inside itself out of a result: the results of threads, members of members."""
    inner = []
    for thread in result.get("threads", []):
        inner += thread.get("results", [])
        if "results" in thread:
            thread["results"] = [{}]
    members = list(result.get("members", []))
    for member in members:
        members += member.get("members", [])
        if "members" in member:
            member["members"] = []
    if members:
        result["members"] = members
    return inner


def check_result(result, sections, words, seen):
    """Complaints about one result; what it has is added to seen."""
    title = section_of(result["command"], words)
    complaints = [text for inner in take_nested(result)
                  for text in check_result(inner, sections, words, seen)]
    rows = dict(sections["Every result"])
    if title:
        rows.update(sections[title])
    if "error" in result:
        rows = {name: (types, True if "." not in name else optional)
                for name, (types, optional) in rows.items()}
    if title == "`r`":
        for name, value in result.get("registers", {}).items():
            if not schema.fits(value, ["address"]):
                complaints.append(f"register {name} is {value!r}")
        if "registers" in result:
            result["registers"] = {}
    complaints += schema.compare(result, "", rows)
    found = set()
    paths(result, "", found)
    seen.setdefault(title, set()).update(found)
    seen.setdefault("Every result", set()).update(found & set(sections["Every result"]))
    return [f"{result['command']}: {text}" if ": " in text else text for text in complaints]


def main():
    sections = read_page(sys.argv[1])
    words = words_of({title: rows for title, rows in sections.items() if title.startswith("`")})
    seen, complaints = {}, []
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        for result in document["results"]:
            complaints += check_result(result, sections, words, seen)
        document["results"] = [{}]
        found = set()
        paths(document, "", found)
        seen.setdefault("", set()).update(found)
        complaints += schema.compare(document, "", sections[""])
    for title, rows in sections.items():
        if title not in seen:
            complaints.append(f"{title}: no document has such a result")
        complaints += [f"{title}: {row} is in no document" for row in rows
                       if row not in seen.get(title, ()) and not RARE.search(row)]
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
