#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts a libvirtd of its own, and in it the guest of guest.py.

All of both lies in a folder: configuration, state and socket (the daemon is one for a session, led
there by XDG variables), so nothing of the machine's own libvirt is touched.  As root, the daemon and
its guests run as "nobody", since a daemon of root is that of the system.

usage: libvirt-guest.py check                  exit status 1 and a reason when it cannot be had
       libvirt-guest.py start FOLDER NAME [--paused] [--memory MIB] [--pattern MIB]
       libvirt-guest.py wait FOLDER [TEXT]     until the console says TEXT (default: ready)
       libvirt-guest.py uri FOLDER
       libvirt-guest.py restart FOLDER         ends the daemon and starts it again; the guest runs on
       libvirt-guest.py stop FOLDER
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import guest

NOBODY = 65534
DAEMON = "/usr/sbin/libvirtd"


class LibvirtGuest:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def uri(self):
        return f"qemu+unix:///session?socket={self.path('run/libvirt/libvirt-sock')}"

    def virsh(self, *words):
        return subprocess.run(["virsh", "-q", "-c", self.uri(), *words], check=True, text=True,
                              capture_output=True, timeout=60).stdout

    def start_daemon(self):
        env = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "LC_ALL": "C.UTF-8",
               "XDG_RUNTIME_DIR": self.path("run"), "XDG_CONFIG_HOME": self.path("config"),
               "XDG_CACHE_HOME": self.path("cache"), "XDG_DATA_HOME": self.path("data")}
        owner = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self.path("libvirtd.log"), "ab") as log:
            daemon = subprocess.Popen([DAEMON, "--timeout=1800"], env=env, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log, start_new_session=True,
                                      cwd=self.folder, **owner)
        with open(self.path("daemon.json"), "w") as file:
            json.dump(daemon.pid, file)
        end = time.monotonic() + 30
        while True:
            try:
                return self.virsh("list")
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                if time.monotonic() > end or daemon.poll() is not None:
                    with open(self.path("libvirtd.log")) as log:
                        raise guest.GuestError(f"libvirtd: {log.read()}{error.stderr}") from error
            time.sleep(0.05)

    def end_daemon(self, number=signal.SIGTERM):
        with open(self.path("daemon.json")) as file:
            pid = json.load(file)
        try:
            os.kill(pid, number)
            while self.folder.encode() in open(f"/proc/{pid}/environ", "rb").read():
                time.sleep(0.02)
        except OSError:
            pass

    def domain(self, name, memory, pattern):
        words = (f"console=ttyS0,115200 quiet loglevel=4 panic=0 mitigations=off "
                 f"unknown_nmi_panic=1 pattern={pattern} churn=0 beat=0")
        return f"""<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{guest.kernel()}</kernel><initrd>{self.path('initramfs')}</initrd>
    <cmdline>{words}</cmdline></os>
  <features><acpi/></features>
  <on_crash>preserve</on_crash>
  <devices>
    <emulator>{shutil.which(guest.QEMU)}</emulator>
    <serial type='file'><source path='{self.path('console.log')}'/></serial>
    <memballoon model='none'/><controller type='usb' model='none'/>
  </devices>
</domain>
"""

    def start(self, name, memory, pattern, paused):
        for part in ("home", "run", "config/libvirt", "cache", "data"):
            os.makedirs(self.path(part), exist_ok=True)
        shutil.copy(guest.initramfs(), self.path("initramfs"))
        # Without virtlogd, which would be one more daemon.
        with open(self.path("config/libvirt/qemu.conf"), "w") as file:
            file.write('stdio_handler = "file"\n')
        with open(self.path("config/libvirt/libvirtd.conf"), "w") as file:
            file.write('log_outputs = "3:stderr"\n')
        with open(self.path("domain.xml"), "w") as file:
            file.write(self.domain(name, memory, pattern))
        if os.geteuid() == 0:
            for folder, _, files in os.walk(self.folder):
                for item in [folder] + [os.path.join(folder, each) for each in files]:
                    os.chown(item, NOBODY, NOBODY)
        self.start_daemon()
        self.virsh("create", self.path("domain.xml"), *(["--paused"] if paused else []))

    def wait(self, text="guest: ready", timeout=180):
        end = time.monotonic() + timeout
        while True:
            try:
                with open(self.path("console.log"), errors="replace") as file:
                    said = file.read()
            except FileNotFoundError:
                said = ""
            if text in said:
                return
            if time.monotonic() > end or "guest: FAILED" in said:
                raise guest.GuestError(f"the guest does not say {text!r}: {said[-500:]}")
            time.sleep(0.05)

    def stop(self):
        try:
            for name in self.virsh("list", "--name").split():
                self.virsh("destroy", name)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"libvirt-guest.py: {error}", file=sys.stderr)
        self.end_daemon()
        # Of a daemon that hung or died.
        self.end_daemon(signal.SIGKILL)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if b"qemu-system" in words and os.fsencode(self.path("initramfs")) in words:
                os.kill(int(pid), signal.SIGKILL)


def check():
    guest.check()
    for program in (DAEMON, "virsh"):
        if not shutil.which(program):
            raise guest.GuestError(f"no {program}")
    if not os.path.exists("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"):
        raise guest.GuestError("no libvirt_driver_qemu.so")


def main(argv):
    if argv[1:] == ["check"]:
        check()
        return 0
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    verb, here, rest = argv[1], LibvirtGuest(argv[2]), argv[3:]
    if verb == "start":
        parser = argparse.ArgumentParser(prog="libvirt-guest.py start FOLDER")
        parser.add_argument("name")
        parser.add_argument("--paused", action="store_true")
        parser.add_argument("--memory", type=int, default=192)
        parser.add_argument("--pattern", type=int, default=32)
        check()
        here.start(**vars(parser.parse_args(rest)))
    elif verb == "wait":
        here.wait(*rest[:1])
    elif verb == "uri":
        print(here.uri())
    elif verb == "restart":
        here.end_daemon()
        here.start_daemon()
    elif verb == "stop":
        here.stop()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except (guest.GuestError, subprocess.CalledProcessError) as error:
        print(f"libvirt-guest.py: {error}{getattr(error, 'stderr', None) or ''}", file=sys.stderr)
        sys.exit(1)
