#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uses `debug` on a terminal: completion, history, Ctrl-C at the prompt and in a command, Ctrl-D.

usage: debug-pty.py DUMPKIT CORE
"""
import os
import pty
import re
import select
import signal
import sys
import termios
import time

PATIENCE = 60  # seconds, which no healthy machine takes
PROMPT = "0:000> "


class Terminal:
    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # libedit never frees the names that EL_ADDFN gave it.
            leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
            os.environ.update(TERM="xterm", NO_COLOR="1", HOME=os.getcwd(), ASAN_OPTIONS=leaks)
            os.execv(argv[0], argv)
        self.text = self.wanted = ""

    def read_some(self, end):
        """What comes next; False at the end of the program."""
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            os.kill(self.pid, signal.SIGKILL)
            sys.exit(f"waited in vain for {self.wanted!r}; the terminal shows:\n{self.text[-2000:]}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, pattern):
        """Reads until what came since the last wait matches, and returns it."""
        self.wanted = pattern
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text)):
            if not self.read_some(end):
                sys.exit(f"ended before {pattern!r}; the terminal shows:\n{self.text[-2000:]}")
        text, self.text = self.text[:found.end()], self.text[found.end():]
        return text

    def prompt(self):
        """Waits for the prompt; libedit shows it before it takes the terminal's own editing away."""
        text = self.wait_for(re.escape(PROMPT))
        end = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            if time.monotonic() > end:
                sys.exit("the terminal stays in canonical mode")
            time.sleep(0.01)
        return text

    def type(self, text):
        os.write(self.fd, text.encode())

    def status(self):
        self.wanted = "the end"
        end = time.monotonic() + PATIENCE
        while self.read_some(end):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def use_prompt(terminal):
    terminal.prompt()
    terminal.type("? 0n40+2\r")
    terminal.wait_for(r"= 00000000`0000002a\r\n")
    terminal.prompt()
    # One word fits: it is completed, with a blank.
    terminal.type(".forma\t0n65\r")
    terminal.wait_for(r"Hex: +00000000`00000041\r\n")
    terminal.prompt()
    # Several fit: what they share, then the list.
    terminal.type("dps sample!sample_\t\t")
    shown = terminal.wait_for(r"sample!sample_words[^>]*> ")
    for name in ("first", "inner", "pointers", "second", "text", "wide"):
        if f"sample!sample_{name}" not in shown:
            sys.exit(f"sample_{name} is not offered:\n{shown}")
    terminal.type("poi\t L1\r")
    terminal.wait_for(r"sample!sample_first")
    terminal.prompt()
    # History.
    terminal.type("\x1b[A\x1b[A\r")
    terminal.wait_for(r"Hex: +00000000`00000041\r\n")
    terminal.prompt()


def interrupt(terminal):
    # At the prompt it throws the line away.
    terminal.type("bogus")
    terminal.wait_for("bogus")
    terminal.type("\x03")
    terminal.prompt()
    terminal.type("? 5\r")
    shown = terminal.wait_for(r"= 00000000`00000005\r\n")
    if "error" in shown:
        sys.exit(f"the line that was thrown away ran:\n{shown}")
    terminal.prompt()
    # A command that would print for minutes ends, the session does not.
    terminal.type("db 0 L?10000000\r")
    terminal.wait_for(r"\?\? \?\?")
    terminal.type("\x03")
    terminal.wait_for(r"interrupted|cancelled")
    terminal.prompt()
    terminal.type("? 6\r")
    terminal.wait_for(r"= 00000000`00000006\r\n")
    terminal.prompt()


def main():
    argv = [os.path.abspath(sys.argv[1]), "debug", sys.argv[2]]
    terminal = Terminal(argv)
    use_prompt(terminal)
    interrupt(terminal)
    # A command that fails has no part in the status of a session at a terminal.
    terminal.type("bogus\r")
    terminal.wait_for("no command")
    terminal.prompt()
    terminal.type("q\r")
    if (status := terminal.status()) != 0:
        sys.exit(f"q: status {status}")
    terminal = Terminal(argv)
    terminal.prompt()
    terminal.type("\x04")
    if (status := terminal.status()) != 0:
        sys.exit(f"Ctrl-D: status {status}")


if __name__ == "__main__":
    main()
