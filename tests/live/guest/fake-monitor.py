#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A monitor that answers as QEMU would in states that a test machine cannot be put into.

usage: fake-monitor.py SOCKET CASE

Serves one client after the other until it is killed; "ready" is printed when it listens.  CASES: see
below.
"""
import json
import socket
import sys

TREE = ("FlatView #0\r\n AS \"memory\", root: system\r\n"
        "  0000000000000000-000000001fffffff (prio 0, ram): pc.ram\r\n")
COMMON = {
    "qmp_capabilities": {},
    "query-status": {"status": "running", "running": True},
    "query-name": {},
    "query-target": {"arch": "x86_64"},
    "query-cpus-fast": [{}],
    "query-migrate": {},
    "query-dump": {"status": "none"},
    "query-block-jobs": [],
    "query-jobs": [],
    "query-migrate-capabilities": [{"capability": "events", "state": False}],
    "query-dump-guest-memory-capability": {"formats": []},
    "info mtree -f": TREE,
}
CASES = {
    "old": {},
    "sev": {"query-sev": {"enabled": True}},
    "tdx": {"confidential-guest-support": "/objects/tdx0", "type": "tdx-guest"},
    "dumping": {"query-dump": {"status": "active", "total": 100, "completed": 1}},
    "postcopy": {"query-migrate": {"status": "postcopy-active"}},
    "incoming": {"query-status": {"status": "inmigrate", "running": False}},
    "blocked": {"query-migrate-capabilities": [{"capability": "background-snapshot",
                                                "state": False}],
                "query-migrate": {"blocked-reasons": ["VFIO device cannot be migrated"]}},
    "no-tree": {"info mtree -f": "unknown command: 'info mtree -f'\r\n"},
    "silent": {"query-jobs": None},
}


def answer(answers, request):
    arguments = request.get("arguments", {})
    name = request["execute"]
    if name == "human-monitor-command":
        name = arguments["command-line"]
    if name == "qom-get":
        name = arguments["property"]
    if name in answers:
        return None if answers[name] is None else {"return": answers[name]}
    return {"error": {"class": "CommandNotFound", "desc": f"The command {name} has not been found"}}


def serve(client, answers):
    greeting = {"QMP": {"version": {"qemu": {"major": 5, "minor": 2, "micro": 0}}}}
    client.sendall(json.dumps(greeting).encode() + b"\r\n")
    for line in client.makefile("rb"):
        request = json.loads(line)
        reply = answer(answers, request)
        if reply:
            client.sendall(json.dumps({**reply, "id": request["id"]}).encode() + b"\r\n")


def main(argv):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(argv[1])
    listener.listen(1)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        with client:
            try:
                serve(client, {**COMMON, **CASES[argv[2]]})
            except OSError:
                pass


if __name__ == "__main__":
    main(sys.argv)
