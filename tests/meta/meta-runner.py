#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test runner does not call passed what did not pass (tools/jobs.py)."""
import contextlib
import io
import os
import sys
import tempfile

from metalib import TOOLS, Sample, main

sys.path.insert(0, TOOLS)
from jobs import Job, Runner, Suite  # noqa: E402


def run_script(text, **options):
    """What the runner prints for a job that runs the shell script, and its exit status."""
    with tempfile.TemporaryDirectory(prefix="dumpkit-meta-") as logs:
        jobs = [Job("job", ["sh", "-c", text], **options)] if text is not None else []
        suites = [Suite("first", jobs), Suite("second", [Job("b", ["sh", "-c", "echo 1..1; echo ok"])],
                                              needs=("first",))]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = Runner(suites, logs, dict(os.environ), 2).run()
    return status, out.getvalue()


def the_runner_counts_rightly(tree):
    """Each case: a script, options, the last line that is due, and a text that has to appear."""
    cases = eval(tree.read("cases")) if tree.has("cases") else CASES
    complaints = []
    for script, options, last, text in cases:
        status, output = run_script(script, **options)
        got = output.splitlines()[-1]
        if got != last or text not in output or (status == 0) != (" 0 failed" in last):
            complaints.append(f"{script!r}: exit status {status}, due \"{last}\" with \"{text}\", "
                              f"got:\n{output}")
    return complaints


CASES = [
    ("echo 1..2; echo ok 1 - a; echo ok 2 - b", {}, "3 passed, 0 failed", ""),
    ("echo ok 1 - a; echo ok 2 - b; echo 1..2", {}, "3 passed, 0 failed", ""),
    ("echo 1..1; echo 'ok 1 a # SKIP no gdb'", {}, "1 passed, 0 failed, 1 skipped", "no gdb: first"),
    ("echo 1..1; echo 'ok 1 a # skip no gdb'", {}, "1 passed, 0 failed, 1 skipped", "no gdb: first"),
    ("echo '1..0 # SKIP no bats'", {}, "1 passed, 0 failed, 1 skipped", "no bats"),
    ("echo 1..2; echo ok 1; echo 'not ok 2 - b'; echo '# why'", {}, "1 passed, 2 failed", "# why"),
    ("echo 1..2; echo '# before'; echo 'not ok 1 - b'; echo ok 2", {}, "1 passed, 2 failed",
     "# before"),
    ("echo 1..1; echo 'not ok 1 - b # todo later'", {}, "1 passed, 0 failed, 1 skipped", "later"),
    ("true", {}, "0 passed, 2 failed", "ran no test"),
    ("echo 1..0", {}, "0 passed, 2 failed", "ran no test"),
    ("echo hello", {}, "0 passed, 2 failed", "ran no test"),
    ("echo 1..3; echo ok 1; echo ok 2", {}, "2 passed, 2 failed", "3 tests were planned, 2 ran"),
    ("echo ok 1", {}, "1 passed, 2 failed", "without a plan"),
    ("echo 1..1; echo ok 1; exit 4", {}, "1 passed, 2 failed", "exit status is 4"),
    ("echo 1..1; echo ok 1; kill -SEGV $$", {}, "1 passed, 2 failed", "SIGSEGV"),
    ("echo 1..2; echo ok 1; echo 'Bail out! gone'", {}, "1 passed, 3 failed", "gone"),
    ("echo 1..1; echo ok 1; sleep 30", {"limit": 0.3}, "1 passed, 2 failed", "ran out of time"),
    ("echo oops >&2; false", {"kind": "status"}, "0 passed, 2 failed", "oops"),
    ("true", {"kind": "status"}, "2 passed, 0 failed", ""),
    ("false", {"kind": "status"}, "0 passed, 2 failed", "not run: first failed"),
    (None, {}, "0 passed, 2 failed", "found no test program"),
]
SAMPLES = [
    Sample(the_runner_counts_rightly, {"cases": repr(CASES[:1])}),
    Sample(the_runner_counts_rightly, {"cases": repr([("true", {}, "1 passed, 0 failed", "")])},
           "due \"1 passed, 0 failed\""),
]
CHECKS = [the_runner_counts_rightly]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
