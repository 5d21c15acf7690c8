#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb has a manual page that says what `dumpkit VERB --help` says, and every console command
stands in the manual of debug."""
import glob
import os
import re
import subprocess
import sys

from metalib import Sample, main


def strip_pod(text):
    """POD formatting codes taken off: B<x> and C<< x >> give x."""
    names = {"lt": "\1", "gt": "\2", "verbar": "|", "sol": "/"}
    text = re.sub(r"E<(\w+)>", lambda found: names.get(found.group(1), ""), text)
    last = None
    while text != last:
        last = text
        text = re.sub(r"[A-Z]<<+ (.*?) >>+", r"\1", text)
        text = re.sub(r"[A-Z]<([^<>]*)>", r"\1", text)
    return text.replace("\1", "<").replace("\2", ">")


def section(pod, title):
    found = re.search(rf"^=head1 {title}\n(.*?)(?=^=head1 |\Z)", pod, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else None


def page_options(pod):
    """{long name: (short name or "", argument or "")} of the items of OPTIONS."""
    found = {}
    for item in re.findall(r"^=item (.*)$", section(pod, "OPTIONS") or "", re.MULTILINE):
        item = strip_pod(item).strip()
        # --name[=ARGUMENT] may be given without its argument; --help shows no difference.
        item = re.sub(r"\[=(.*)\]$", r"=\1", item)
        words = re.match(r"(?:-(\w), )?--([a-z][a-z0-9-]*)(?:=(.*))?$", item)
        if words:
            found[words.group(2)] = (words.group(1) or "", words.group(3) or "")
        elif item.startswith("-"):
            found[item] = ("", "not of the form -x, --name=ARGUMENT")
    return found


def help_options(text):
    found = {}
    for line in text.splitlines():
        words = re.match(r"  (?:-(\w), )?--([a-z][a-z0-9-]*)(?:=(.+?))?(?:\s\s|$)", line)
        if words:
            found[words.group(2)] = (words.group(1) or "", words.group(3) or "")
    return found


def plain_words(text):
    return re.sub(r"\s+", " ", text.replace("…", "...")).strip()


def compare_page(name, pod, text, shared):
    """Complaints about the page of the verb called name whose --help prints text."""
    complaints = []
    for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"):
        if section(pod, title) is None:
            complaints.append(f"{name}: the page has no section {title}")
    usage = re.search(r"^Usage:\n\s+(.*)$", text, re.MULTILINE)
    if not usage:
        return complaints + [f"{name}: --help prints no usage"]
    synopsis = plain_words(strip_pod(section(pod, "SYNOPSIS") or ""))
    if plain_words(usage.group(1)) != synopsis:
        complaints.append(f"{name}: SYNOPSIS is \"{synopsis}\", "
                          f"--help says \"{plain_words(usage.group(1))}\"")
    said = {key: value for key, value in help_options(text).items() if key not in shared}
    written = {key: value for key, value in page_options(pod).items() if key not in shared}
    for key in sorted(said.keys() - written.keys()):
        complaints.append(f"{name}: OPTIONS lacks --{key}")
    for key in sorted(written.keys() - said.keys()):
        complaints.append(f"{name}: OPTIONS has {key}, which --help does not know")
    for key in sorted(said.keys() & written.keys()):
        if said[key] != written[key]:
            complaints.append(f"{name}: --{key} is {written[key]} in OPTIONS, {said[key]} in --help")
    return complaints


def run(tree, *words):
    program = os.path.join(tree.build, "dumpkit")
    if not os.path.exists(program):
        program = tree.path("dumpkit")  # samples bring a script
    return subprocess.run([program, *words], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


def listed_verbs(tree):
    hidden = set(tree.meson_list("src/tool/meson.build", "hidden_verbs"))
    return [verb for verb in tree.meson_list("src/tool/meson.build", "verbs") if verb not in hidden]


def manual_says_what_help_says(tree):
    complaints = []
    main_page = tree.read("man/dumpkit.pod")
    shared = page_options(main_page)
    items = strip_pod("\n".join(re.findall(r"^=item .*$", section(main_page, "VERBS") or "",
                                           re.MULTILINE)))
    printed = run(tree, "help")
    for verb in listed_verbs(tree):
        if not re.search(rf"^  {verb} ", printed, re.MULTILINE):
            complaints.append(f"{verb}: \"dumpkit help\" does not list it")
        if not re.search(rf"^=item {verb}\b", items, re.MULTILINE):
            complaints.append(f"{verb}: VERBS of dumpkit.pod does not list it")
        page = f"man/dumpkit-{verb}.pod"
        if not tree.has(page):
            complaints.append(f"{verb}: no {page}")
            continue
        text = run(tree, verb, "--help")
        complaints += compare_page(verb, tree.read(page), text, shared)
        options = help_options(text)
        complaints += [f"{verb}: --help lacks the shared --{name} of dumpkit.pod"
                       for name, value in shared.items() if options.get(name) != value]
        if not os.path.exists(f"{tree.build}/man/dumpkit-{verb}.txt"):
            complaints.append(f"{verb}: its page was not built")
    return complaints


def console_words(tree):
    """Names and aliases of the console's commands, from their table entries."""
    for path in sorted(glob.glob(tree.path("src/console/cmd-*.c"))):
        with open(path) as file:
            text = file.read()
        for entry in re.findall(r"const DkCommand dk_command_\w+ = \{(.*?)\n\};", text, re.DOTALL):
            words = re.findall(r"\.name = \"((?:\\.|[^\"\\])+)\"", entry)
            aliases = re.search(r"\.aliases = (\w+,|\(.*?\}|\w+\(.*?\))", entry, re.DOTALL)
            if aliases and aliases.group(1).endswith(","):
                table = re.search(rf"\b{aliases.group(1)[:-1]}\[\] = \{{(.*?)\}}", text, re.DOTALL)
                words += re.findall(r"\"([^\"]+)\"", table.group(1)) if table else []
            elif aliases:
                words += re.findall(r"\"([^\"]+)\"", aliases.group(1))
            for word in words:
                yield os.path.basename(path), word


def console_commands_are_in_the_manual(tree):
    words = list(console_words(tree))
    if not words:
        return ["no command found"] if glob.glob(tree.path("src/console/cmd-*.c")) else []
    # As built: the commands come from their table (man/meson.build).
    path = os.path.join(tree.build, "man", "dumpkit-debug.pod")
    if not os.path.exists(path):
        return [f"{path} was not built"]
    with open(path) as file:
        pod = file.read()
    items = " , ".join(strip_pod(item) for item in re.findall(r"^=item (.*)$", pod, re.MULTILINE))
    documented = set(re.split(r"[\s,]+", items))
    return [f"{name}: the command {word} is no item of the manual of debug"
            for name, word in words if word not in documented]


USAGE = ("Usage:\\n  dumpkit x [OPTION...] FILE\\n\\nOptions:\\n  -h, --help   Help\\n"
         "  -o, --output=FILE   Out\\n")
PAGE = ("=head1 NAME\n\nx\n\n=head1 SYNOPSIS\n\nB<dumpkit x> [I<OPTION>...] I<FILE>\n\n"
        "=head1 DESCRIPTION\n\nx\n\n=head1 OPTIONS\n\n=item B<-o>, B<--output>=I<FILE>\n\n"
        "=head1 EXIT STATUS\n\n0\n")
GOOD = {
    "src/tool/meson.build": "verbs = ['x', 'secret']\nhidden_verbs = ['secret']\n",
    "man/dumpkit.pod": "=head1 VERBS\n\n=item B<x>\n\n=head1 OPTIONS\n\n=item B<-h>, B<--help>\n",
    "man/dumpkit-x.pod": PAGE,
    "build/man/dumpkit-x.txt": "",
    "dumpkit": f"#!/bin/sh\n[ $1 = help ] && printf '  x   y\\n' || printf '{USAGE}'\n",
}


def changed(name, old, new, complaint):
    return Sample(manual_says_what_help_says, {**GOOD, name: GOOD[name].replace(old, new)},
                  complaint)


def without(name, complaint):
    return Sample(manual_says_what_help_says,
                  {key: text for key, text in GOOD.items() if key != name}, complaint)


COMMAND = ('static const char *const others[] = {"kb", NULL};\nconst DkCommand dk_command_k = {\n'
           '    .name = "k",\n    .aliases = others,\n};\n')
SAMPLES = [
    Sample(manual_says_what_help_says, GOOD),
    without("man/dumpkit-x.pod", "no man/dumpkit-x.pod"),
    without("build/man/dumpkit-x.txt", "was not built"),
    changed("man/dumpkit-x.pod", "I<FILE>\n\n=head1 DESC", "I<FILES>\n\n=head1 DESC", "SYNOPSIS is"),
    changed("man/dumpkit-x.pod", "=item B<-o>, B<--output>=I<FILE>\n", "", "lacks --output"),
    changed("man/dumpkit-x.pod", "B<-o>, ", "", "--output is"),
    changed("man/dumpkit-x.pod", "=I<FILE>\n", "=I<DIR>\n", "--output is"),
    changed("man/dumpkit-x.pod", "=head1 EXIT", "=item B<--more>\n\n=head1 EXIT", "has more, which"),
    changed("man/dumpkit-x.pod", "=head1 EXIT STATUS", "=head1 OTHER", "no section EXIT STATUS"),
    changed("man/dumpkit.pod", "=item B<x>\n", "", "VERBS of dumpkit.pod"),
    changed("man/dumpkit.pod", "--help>", "--helpme>", "lacks the shared --helpme"),
    changed("dumpkit", "  x   y", "  y   x", "does not list it"),
    Sample(console_commands_are_in_the_manual,
           {"src/console/cmd-k.c": COMMAND, "build/man/dumpkit-debug.pod": "=item B<k>, B<kb>\n"}),
    Sample(console_commands_are_in_the_manual,
           {"src/console/cmd-k.c": COMMAND, "build/man/dumpkit-debug.pod": "=item B<k>\n"}, "command kb"),
    Sample(console_commands_are_in_the_manual,
           {"src/console/cmd-k.c": COMMAND, "build/man/dumpkit-debug.pod": "k and kb\n"}, "command k is"),
    Sample(console_commands_are_in_the_manual, {"src/console/cmd-k.c": "int x;\n"}, "no command"),
]
CHECKS = [manual_says_what_help_says, console_commands_are_in_the_manual]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
