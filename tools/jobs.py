# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the jobs of test suites side by side, each with a time limit and a log of its own.

A job speaks TAP (kind "tap") or is one test that its exit status decides (kind "status").  What
counts as failed: a "not ok" line, a plan that was not kept, "Bail out!", a job that printed no test
at all, an exit status other than 0 without a failed line, and a job that ran out of time.
"""
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

POINT = re.compile(r"(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$", re.IGNORECASE)
DIRECTIVE = re.compile(r"(.*?)\s*#\s*(skip|todo)\S*\s*(.*)$", re.IGNORECASE)
SHOWN_LINES = 400  # of one failing output; the log has all of it


@dataclass
class Result:
    passed: int = 0
    failures: list = field(default_factory=list)  # (test, output)
    skips: list = field(default_factory=list)  # (test, reason)


def read_tap(text):
    """The Result of a TAP document, without regard to how the program ended."""
    result = Result()
    plan = None
    points = 0
    segment = []  # lines since the last test point; diagnostics may stand before or behind it
    last_failure = None
    for line in text.splitlines():
        point = POINT.match(line)
        planned = PLAN.match(line)
        if planned:
            plan = int(planned.group(1))
            if plan == 0 and planned.group(2) is not None:
                result.skips.append(("all", planned.group(2)))
        elif line.startswith("Bail out!"):
            result.failures.append(("bail out", "\n".join(segment + [line])))
            segment = []
        elif point:
            points += 1
            name, directive, reason = point.group(3), "", ""
            found = DIRECTIVE.match(name)
            if found:
                name, directive, reason = found.group(1), found.group(2).lower(), found.group(3)
            if directive == "skip":
                result.skips.append((name, reason))
            elif point.group(1) and directive != "todo":
                last_failure = [name, segment + [line]]
                result.failures.append(last_failure)
                segment = []
                continue
            elif not point.group(1):
                result.passed += 1
            else:
                result.skips.append((name, "todo: " + reason))
            segment = []
            last_failure = None
        elif last_failure:
            last_failure[1].append(line)
        else:
            segment.append(line)
    result.failures = [(name, lines if isinstance(lines, str) else "\n".join(lines))
                       for name, lines in result.failures]
    if plan is None and points:
        result.failures.append(("plan", "the output ends without a plan (1..N)\n"
                                + "\n".join(segment)))
    elif plan is not None and plan != points:
        result.failures.append(("plan", f"{plan} tests were planned, {points} ran\n"
                                + "\n".join(segment)))
    return result


@dataclass
class Job:
    name: str
    command: list
    kind: str = "tap"
    limit: float = 300
    slots: int = 1  # cores it keeps busy
    exclusive: bool = False  # runs with nothing beside it
    env: dict = field(default_factory=dict)

    suite = None
    process = None
    started = 0.0
    timed_out = False

    def start(self, log_dir, env):
        os.makedirs(log_dir, exist_ok=True)
        stem = os.path.join(log_dir, re.sub(r"[^\w.-]", "_", self.name))
        self.out, self.err = stem + ".log", stem + ".err"
        self.started = time.monotonic()
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            try:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    env={**env, **self.env}, start_new_session=True)
            except OSError as error:
                err.write(f"cannot be started: {error}\n".encode())
                self.process = None

    def kill(self):
        if not self.process:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(timeout=5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.process.wait()

    def ended(self):
        if not self.process:
            return True
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.started > self.limit:
            self.timed_out = True
            self.kill()
            return True
        return False

    def result(self):
        def load(path):
            with open(path, errors="replace") as file:
                return file.read()

        text, errors = load(self.out), load(self.err)
        status = self.process.returncode if self.process else 127
        if self.kind == "status":
            result = Result(passed=1 if status == 0 else 0)
            if status != 0 and not self.timed_out:
                result.failures.append((self.name, text))
        else:
            result = read_tap(text)
            if not result.passed and not result.failures and not result.skips:
                result.failures.append((self.name, "it ran no test\n" + text))
            elif status != 0 and not result.failures and not self.timed_out:
                tail = "\n".join(text.splitlines()[-30:])
                result.failures.append((self.name, f"no test failed, but {ending(status)}\n{tail}"))
        if self.timed_out:
            tail = "\n".join(text.splitlines()[-30:])
            result.failures.append((self.name, f"ran out of time after {self.limit:g} s\n{tail}"))
        if result.failures and errors.strip():
            name, output = result.failures[-1]
            result.failures[-1] = (name, output + "\n[standard error]\n" + errors)
        return result


def ending(status):
    if status < 0:
        return f"it was killed by {signal.Signals(-status).name}"
    return f"its exit status is {status}"


@dataclass
class Suite:
    name: str
    jobs: list
    needs: tuple = ()  # names of suites that have to pass first

    def __post_init__(self):
        for job in self.jobs:
            job.suite = self
        self.waiting = list(self.jobs)
        self.total = Result()
        self.broken = None  # why it could not run
        self.first = None
        self.done = False

    def add(self, job, result):
        where = "" if len(self.jobs) == 1 else job.name + ": "
        self.total.passed += result.passed
        for name, output in result.failures:
            self.total.failures.append((where + name, output, job.out))
        for name, reason in result.skips:
            self.total.skips.append((where + name, reason))


def count(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


class Runner:
    def __init__(self, suites, log_dir, env, slots):
        self.suites = suites
        self.by_name = {suite.name: suite for suite in suites}
        self.log_dir = log_dir
        self.env = env
        self.slots = slots
        self.running = []

    def line(self, suite):
        seconds = time.monotonic() - suite.first if suite.first else 0.0
        text = count(suite.total.passed, len(suite.total.failures), len(suite.total.skips))
        print(f"{suite.name:<14} {text:<44} {seconds:7.1f} s", flush=True)

    def finish_suites(self):
        """Closes the suites that have nothing left to run; those that cannot run fail."""
        for suite in self.suites:
            if suite.done or any(job.suite is suite for job in self.running):
                continue
            needed = [self.by_name[name] for name in suite.needs]
            failed = [other.name for other in needed if other.done and other.total.failures]
            if failed:
                suite.waiting = []
                suite.total.failures.append(("all", f"not run: {failed[0]} failed", ""))
            elif suite.waiting:
                continue
            elif not suite.jobs:
                suite.total.failures.append(("all", "the suite found no test program", ""))
            suite.done = True
            self.line(suite)

    def startable(self):
        used = sum(job.slots for job in self.running)
        if any(job.exclusive for job in self.running):
            return None
        exclusive = None
        pending = False
        for suite in self.suites:
            if suite.done or not suite.waiting:
                continue
            ready = all(self.by_name[name].done for name in suite.needs)
            for job in suite.waiting:
                if job.exclusive:
                    exclusive = exclusive or (job if ready else None)
                    continue
                pending = True
                if ready and (used == 0 or used + job.slots <= self.slots):
                    return job
        # What must be alone waits until nothing else is left to start or to end.
        if exclusive and not self.running and not pending:
            return exclusive
        return None

    def step(self):
        self.finish_suites()
        while (job := self.startable()):
            job.suite.waiting.remove(job)
            if job.suite.first is None:
                job.suite.first = time.monotonic()
            job.start(os.path.join(self.log_dir, job.suite.name), self.env)
            self.running.append(job)
        for job in list(self.running):
            if job.ended():
                self.running.remove(job)
                job.suite.add(job, job.result())

    def run(self):
        """Runs all suites; the exit status."""
        def stop(number, frame):
            raise KeyboardInterrupt

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)
        try:
            while not all(suite.done for suite in self.suites):
                self.step()
                time.sleep(0.02)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        finally:
            for job in self.running:
                job.kill()
        return self.report()

    def report(self):
        for suite in self.suites:
            for name, output, log in suite.total.failures:
                lines = output.rstrip().splitlines()
                print(f"\n--- failed: {suite.name}: {name}")
                if len(lines) > SHOWN_LINES:
                    print(f"[{len(lines) - SHOWN_LINES} lines left out, all are in the log]")
                print("\n".join(lines[-SHOWN_LINES:]))
                if log:
                    print(f"[log: {log}]")
        reasons = {}
        for suite in self.suites:
            for name, reason in suite.total.skips:
                reasons.setdefault(reason or "no reason given", []).append(f"{suite.name}: {name}")
        if reasons:
            print("\nskipped:")
        for reason, tests in sorted(reasons.items()):
            more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
            print(f"  {reason}: {'; '.join(tests[:3])}{more}")
        passed = sum(suite.total.passed for suite in self.suites)
        failed = sum(len(suite.total.failures) for suite in self.suites)
        skipped = sum(len(suite.total.skips) for suite in self.suites)
        print()
        print(count(passed, failed, skipped), flush=True)
        return 1 if failed or not passed else 0
