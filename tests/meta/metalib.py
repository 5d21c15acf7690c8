# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the meta tests share: the tree, samples that must be complained about, and TAP.

A meta test is a file meta-NAME.py with a list CHECKS of functions check(tree) that return complaints,
and a list SAMPLES of Sample: small trees, each made in a temporary folder and shown to one check.  A
check without a sample that it complains about fails, so that no check can be blind.
"""
import os
import re
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "tools")


class Skip(Exception):
    """The check cannot be made here; the text says what is missing."""


class Tree:
    """A source tree at root with a build folder."""

    def __init__(self, root, build):
        self.root = root
        self.build = build

    def path(self, name):
        return os.path.join(self.root, name)

    def has(self, name):
        return os.path.exists(self.path(name))

    def read(self, name):
        with open(self.path(name), errors="replace") as file:
            return file.read()

    def files(self, *extensions):
        """Names relative to the root, sorted: what git knows and would add, if git knows the root."""
        done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=self.root,
                              capture_output=True, text=True) \
            if os.path.exists(self.path(".git")) else None
        if done and done.returncode == 0:
            names = [name for name in done.stdout.splitlines() if self.has(name)]
        else:
            names = [os.path.relpath(os.path.join(folder, name), self.root)
                     for folder, _, found in os.walk(self.root) for name in found]
            names = [name for name in names if not name.startswith(("build", ".git/"))]
        return sorted(name for name in names if not extensions or name.endswith(extensions))

    def files_in(self, folder):
        return [name for name in self.files() if name.startswith(folder + "/")]

    def meson_list(self, name, variable):
        """The words of `variable = ['a', 'b']` in a meson.build file."""
        found = re.search(rf"^{variable}\s*=\s*\[(.*?)\]", self.read(name), re.MULTILINE | re.DOTALL)
        if not found:
            raise ValueError(f"{name}: no list {variable}")
        return re.findall(r"'([^']*)'", found.group(1))


@dataclass
class Sample:
    check: object
    files: dict  # name -> content
    complaint: str = ""  # a regular expression; "" for a tree without fault
    name: str = ""


def strip_c(text):
    """C text with comments, strings and character constants blanked; the lines stay."""
    def blank(found):
        token = found.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[0]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def run_sample(sample):
    with tempfile.TemporaryDirectory(prefix="dumpkit-meta-") as root:
        for name, content in sample.files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(content)
            if content.startswith("#!"):
                os.chmod(path, 0o755)
        complaints = sample.check(Tree(root, os.path.join(root, "build")))
    if not sample.complaint:
        return [f"it complained of a good tree: {line}" for line in complaints]
    if any(re.search(sample.complaint, line) for line in complaints):
        return []
    return [f"no complaint matches \"{sample.complaint}\"; complaints: {complaints}"]


def main(checks, samples):
    tree = Tree(ROOT, os.environ.get("DUMPKIT_BUILD", os.path.join(ROOT, "build")))
    points = []
    for check in checks:
        title = check.__name__.replace("_", " ")
        points.append((title, lambda check=check: check(tree)))
        own = [sample for sample in samples if sample.check is check]
        if not any(sample.complaint for sample in own):
            points.append((title + ": is shown to fail", lambda: ["no sample makes it complain"]))
        for sample in own:
            what = sample.name or sample.complaint or "good tree"
            verb = "complains of" if sample.complaint else "accepts"
            points.append((f"{title}: {verb} {what}", lambda sample=sample: run_sample(sample)))
    print(f"1..{len(points)}")
    failed = False
    for number, (title, run) in enumerate(points, 1):
        title = title.replace("#", "").replace("\n", " ")
        try:
            complaints = run()
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
            continue
        except Exception:  # a broken check is a failed test, not a lost run
            complaints = traceback.format_exc().splitlines()
        failed = failed or bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {number} - {title}")
        for line in complaints:
            print(f"#   {line}")
        sys.stdout.flush()
    return 1 if failed else 0
