#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares a JSON document with the table of members in its page of docs/schema.

usage: schema-members.py PAGE DOCUMENT

The page has rows "| `path` | type | meaning |".  A path is made of member names joined by dots;
"[]" behind a name stands for the elements of an array.  A type is a list of words joined by "or":
number, text, address ("0x..."), true/false, object, array, null.  A row whose meaning begins with
"Where" is of a member that may be left out.
"""
import json
import re
import sys

ROW = re.compile(r"^\| `([\w.\[\]]+)` \| ([^|]+?) \|(.*)\|$")


def read_page(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = ROW.match(line.rstrip("\n"))
            if row:
                rows[row.group(1)] = (row.group(2).split(" or "), row.group(3).strip().startswith("Where"))
    return rows


def fits(value, words):
    kinds = {
        "null": value is None,
        "true/false": isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "text": isinstance(value, str),
        "address": isinstance(value, str) and re.fullmatch(r"0x[0-9a-f]+", value) is not None,
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
    }
    return any(kinds[word] for word in words)


def compare(value, path, rows):
    """Complaints about value, which stands at path."""
    if path and path not in rows:
        return [f"{path}: the page does not name it"]
    if path and not fits(value, rows[path][0]):
        return [f"{path}: is {value!r}, the page says {' or '.join(rows[path][0])}"]
    if isinstance(value, list):
        return [text for item in value for text in compare(item, path + "[]", rows)]
    if not isinstance(value, dict):
        return []
    prefix = path + "." if path else ""
    complaints = [text for name, item in value.items() for text in compare(item, prefix + name, rows)]
    for row, (_, optional) in rows.items():
        name = row[len(prefix):]
        if row.startswith(prefix) and re.fullmatch(r"\w+", name) and name not in value and \
                not optional:
            complaints.append(f"{row}: is not there")
    return complaints


def main():
    rows = read_page(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        complaints = compare(json.load(file), "", rows)
    print("\n".join(complaints))
    return 1 if complaints or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
