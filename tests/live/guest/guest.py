#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts small Linux guests in QEMU (TCG) for live tests, make bench and make demo.

Guest is the library, the commands below the same for scripts.  A guest lives in a folder of its
own, which holds its sockets (qmp.sock for dumpkit, watch.sock for the test), console.log and
guest.json.  The kernel is Debian's cloud kernel from /boot (DUMPKIT_GUEST_KERNEL: another one),
the initramfs holds guest-init.c, which says what can be asked of it, and a few modules; it is made
once and kept in the build tree (DUMPKIT_BUILD).

usage: guest.py check                    exit status 1 and a reason when no guest can be started
       guest.py start FOLDER [options]   --help shows them
       guest.py wait FOLDER [TEXT]       until the console says TEXT (default: ready)
       guest.py type FOLDER LINE         types a line at the console
       guest.py qmp FOLDER COMMAND [ARGUMENTS]    over watch.sock; prints what it returns as JSON
       guest.py beats FOLDER -- COMMAND...        runs a command; prints the beats' longest gap as JSON
       guest.py stop FOLDER
"""
import argparse
import glob
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("DUMPKIT_BUILD", os.path.join(HERE, "..", "..", "..", "build"))
QEMU = "qemu-system-x86_64"
MODULES = ["qemu_fw_cfg", "pvpanic", "pvpanic-mmio", "pvpanic-pci"]
CPU_LIMIT_S = 1800  # of a guest that a killed test has left behind


class GuestError(Exception):
    pass


def kernel():
    """Path of the newest cloud kernel."""
    given = os.environ.get("DUMPKIT_GUEST_KERNEL")
    found = [given] if given else sorted(
        glob.glob("/boot/vmlinuz-*cloud-amd64"),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path)])
    if not found or not os.access(found[-1], os.R_OK):
        raise GuestError("no /boot/vmlinuz-*cloud-amd64 (package linux-image-cloud-amd64)")
    return found[-1]


def cpio_entry(name, mode, data):
    """An entry of a "newc" archive, see cpio(5)."""
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


def initramfs():
    """Path of the initramfs, made when it is not there or older than what is in it."""
    init = os.path.join(BUILD, "tests", "live", "guest", "guest-init")
    if not os.path.exists(init):
        raise GuestError(f"no {init}: build first")
    version = os.path.basename(kernel()).partition("-")[2]
    path = os.path.join(os.path.dirname(init), f"initramfs-{version}")
    if os.path.exists(path) and os.path.getmtime(path) >= os.path.getmtime(init):
        return path
    archive = cpio_entry("modules", 0o40755, b"")
    archive += cpio_entry("dev", 0o40755, b"")
    for name in MODULES:
        for module in glob.glob(f"/lib/modules/{version}/kernel/drivers/**/{name}.ko",
                                recursive=True):
            with open(module, "rb") as file:
                archive += cpio_entry(f"modules/{name}.ko", 0o100644, file.read())
    with open(init, "rb") as file:
        archive += cpio_entry("init", 0o100755, file.read())
    archive += cpio_entry("TRAILER!!!", 0, b"")
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(archive)
    os.rename(temporary, path)
    return path


def check():
    """Raises GuestError when no guest can be started here."""
    if not shutil.which(QEMU):
        raise GuestError(f"no {QEMU}")
    kernel()


class Monitor:
    """A QMP client for tests, which shares nothing with dumpkit's."""

    def __init__(self, path, timeout=10):
        self.events = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self._read()
        self.run("qmp_capabilities")

    def close(self):
        self.file.close()
        self.socket.close()

    def _read(self):
        line = self.file.readline()
        if not line:
            raise GuestError("the monitor has closed its socket")
        return json.loads(line)

    def run(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value
                                    for name, value in arguments.items()}
        self.socket.sendall(json.dumps(request).encode())
        while True:
            answer = self._read()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise GuestError(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def wait_event(self, name, timeout=30):
        """The next event of that name, also one that came before."""
        end = time.monotonic() + timeout
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    del self.events[:i + 1]
                    return event
            self.events.clear()
            self.socket.settimeout(max(end - time.monotonic(), 0.01))
            answer = self._read()
            if "event" in answer:
                self.events.append(answer)


class Beats:
    """Notes when each beat arrives, on the host's clock, from its making until stop()."""

    def __init__(self, path):
        self.times = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                data = self.socket.recv(4096)
            except OSError:
                return
            if not data:
                return
            now = time.monotonic()
            self.times += [now] * data.count(b"\n")

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.socket.close()

    def longest_gap(self):
        """Seconds; and how many beats came."""
        gaps = [later - sooner for sooner, later in zip(self.times, self.times[1:])]
        return max(gaps, default=float("inf")), len(self.times)


class Guest:
    """A guest in folder; start() starts it, attach() finds one that another process started."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.pid = 0
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, memory=512, cpus=1, cpu="max", machine="pc", vmcoreinfo=False, pattern=64,
              churn=0, beat=0, append="", memfd=False, paused=False, extra=()):
        """memory and pattern in MiB, churn in pages, beat in ms; extra: more words for QEMU."""
        check()
        os.makedirs(self.folder, exist_ok=True)
        words = (f"console=ttyS0,115200 quiet loglevel=4 panic=0 mitigations=off "
                 f"pattern={pattern} churn={churn} beat={beat} {append}")
        machine_words = machine
        command = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
                   "-m", f"{memory}M", "-smp", str(cpus), "-cpu", cpu,
                   "-kernel", kernel(), "-initrd", initramfs(), "-append", words,
                   "-chardev", f"socket,id=con,path={self.path('console.sock')},server=on,"
                               f"wait=off,logfile={self.path('console.log')}",
                   "-serial", "chardev:con"]
        if beat:
            command += ["-chardev", f"socket,id=beat,path={self.path('beat.sock')},server=on,"
                                    "wait=off", "-serial", "chardev:beat"]
        for name in ("qmp.sock", "watch.sock"):
            command += ["-qmp", f"unix:{self.path(name)},server=on,wait=off"]
        if memfd:
            command += ["-object", f"memory-backend-memfd,id=ram0,size={memory}M"]
            machine_words += ",memory-backend=ram0"
        command += ["-machine", machine_words]
        if vmcoreinfo:
            command += ["-device", "vmcoreinfo"]
        if paused:
            command.append("-S")
        command += extra
        with open(self.path("qemu.log"), "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU,
                                                      (CPU_LIMIT_S, CPU_LIMIT_S)))
        self.pid = self.process.pid
        with open(self.path("guest.json"), "w") as file:
            json.dump({"pid": self.pid}, file)
        end = time.monotonic() + 30
        while not os.path.exists(self.path("watch.sock")):
            if self.process.poll() is not None:
                with open(self.path("qemu.log")) as log:
                    raise GuestError("QEMU ended: " + log.read().strip())
            if time.monotonic() > end:
                raise GuestError("QEMU does not open its monitor")
            time.sleep(0.02)
        return self

    def attach(self):
        with open(self.path("guest.json")) as file:
            self.pid = json.load(file)["pid"]
        return self

    def is_running(self):
        if self.process:
            return self.process.poll() is None
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return self.folder.encode() in file.read()
        except OSError:
            return False

    def console(self):
        try:
            with open(self.path("console.log"), "rb") as file:
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wait(self, text="guest: ready", timeout=180):
        """The console up to now, once it has said text."""
        end = time.monotonic() + timeout
        while True:
            said = self.console()
            if text in said:
                return said
            if "guest: FAILED" in said or not self.is_running():
                raise GuestError(f"the guest failed: {said[-500:]}")
            if time.monotonic() > end:
                raise GuestError(f"the guest does not say {text!r}: {said[-500:]}")
            time.sleep(0.05)

    def type(self, line):
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(self.path("console.sock"))
            console.sendall(line.encode() + b"\n")
            time.sleep(0.3)

    def monitor(self, name="watch.sock"):
        return Monitor(self.path(name))

    def beats(self):
        return Beats(self.path("beat.sock"))

    def stop(self):
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        else:
            while self.is_running():
                time.sleep(0.01)


def run_with_beats(guest, command):
    beats = guest.beats()
    time.sleep(0.5)
    began = time.monotonic()
    status = subprocess.call(command, stdout=sys.stderr)
    took = time.monotonic() - began
    time.sleep(0.5)
    beats.stop()
    gap, count = beats.longest_gap()
    print(json.dumps({"longest_gap_ms": round(gap * 1000, 3), "beats": count,
                      "seconds": round(took, 3), "status": status}))
    return status


def parse_start(words):
    parser = argparse.ArgumentParser(prog="guest.py start FOLDER")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--cpu", default="max", help="such as max,la57=off")
    parser.add_argument("--machine", default="pc", help="such as q35")
    parser.add_argument("--vmcoreinfo", action="store_true", help="with -device vmcoreinfo")
    parser.add_argument("--pattern", type=int, default=64, help="MiB to fill")
    parser.add_argument("--churn", type=int, default=0, help="pages that change all the time")
    parser.add_argument("--beat", type=int, default=0, help="ms between beats; 0: none")
    parser.add_argument("--append", default="", help="more words for the kernel")
    parser.add_argument("--memfd", action="store_true", help="RAM in a shared memfd")
    parser.add_argument("--paused", action="store_true", help="do not run yet")
    parser.add_argument("extra", nargs="*", help="after --: more words for QEMU")
    return vars(parser.parse_args(words))


def main(argv):
    if argv[1:] == ["check"]:
        check()
        return 0
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    verb, guest, rest = argv[1], Guest(argv[2]), argv[3:]
    if verb == "start":
        guest.start(**parse_start(rest))
        return 0
    guest.attach()
    if verb == "wait":
        guest.wait(*rest[:1])
    elif verb == "type":
        guest.type(rest[0])
    elif verb == "qmp":
        print(json.dumps(guest.monitor().run(rest[0], **json.loads(rest[1] if rest[1:] else "{}"))))
    elif verb == "beats":
        return run_with_beats(guest, rest[1:])
    elif verb == "stop":
        guest.stop()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except GuestError as error:
        print(f"guest.py: {error}", file=sys.stderr)
        sys.exit(1)
