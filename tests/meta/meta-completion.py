#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion of bash, zsh and fish offers every verb and every option that --help prints."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from metalib import Sample, Skip, main

BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_dumpkit
printf '%s\n' "${COMPREPLY[@]}"
"""

# zsh completes only where a person types: in a pseudo-terminal of its own.
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PROMPT=; setopt noprompt_cr no_prompt_sp; unset zle_bracketed_paste; stty cols 400'
zpty -w z 'fpath=('${(q)1:h}' $fpath); autoload -U compinit; compinit -u -d '${(q)1:h}'/dump'
zpty -w z 'zstyle ":completion:*" list-prompt ""; zstyle ":completion:*" menu no; LISTMAX=10000'
zpty -w z 'comp-line() { compadd() { local -a found; if [[ $* == *-[AOD]* ]]; then
    builtin compadd "$@"; return; fi; builtin compadd -O found "$@"; print -rl -- M:${^found}; 
    builtin compadd "$@" }; _main_complete }; zle -C comp-line list-choices comp-line; bindkey "^T" comp-line'
zpty -w z 'print REA''DY'
local piece all quiet=0
while zpty -r z piece; do [[ $piece == *READY* ]] && break; done
zpty -w -n z "$2"$'\C-t'
repeat 300; do
    (( quiet++ ))
    while zpty -r -t z piece; do all+=$piece; quiet=0; done
    [[ $all == *M:* ]] && (( quiet > 15 )) && break
    sleep 0.02
done
zpty -d z
print -r -- $all
"""


def program(tree, *words):
    path = os.path.join(tree.build, "dumpkit")
    if not os.path.exists(path):
        path = tree.path("dumpkit")  # samples bring a script
    return subprocess.run([path, *words], capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL).stdout


def expected(tree):
    """{"": verbs, verb: its options as --help prints them}."""
    verbs = re.findall(r"^  ([a-z-]+) ", program(tree, "help"), re.MULTILINE)
    words = {"": verbs}
    for verb in verbs:
        lines = re.findall(r"^  (?:(-\w), )?(--[a-z][a-z0-9-]*)", program(tree, verb, "--help"),
                           re.MULTILINE)
        words[verb] = [word for pair in lines for word in pair if word]
    return words


def missing(tree, offered):
    """Complaints about what offered(words) does not offer; words end with the one to complete."""
    complaints = []
    for verb, due in expected(tree).items():
        for dashes in ("-", "--") if verb else ("",):
            wanted = [word for word in due
                      if not verb or word.startswith("--") == (dashes == "--")]
            got = offered(["dumpkit", verb, dashes] if verb else ["dumpkit", ""])
            complaints += [f"dumpkit {verb}: {word} is not offered" for word in wanted
                           if word not in got]
    return complaints


def with_script(tree, shell, name, offered):
    if not shutil.which(shell):
        raise Skip(f"{shell} is not installed")
    with tempfile.TemporaryDirectory(prefix="dumpkit-meta-") as folder:
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(program(tree, "completion", shell))
        return missing(tree, lambda words: offered(path, words))


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


def bash_offers_everything(tree):
    def offered(path, words):
        done = run(["bash", "-c", BASH, "bash", path, *words])
        return done.stdout.split() if not done.stderr.strip() else []
    return with_script(tree, "bash", "dumpkit", offered)


def fish_offers_everything(tree):
    def offered(path, words):
        line = " ".join(words)
        done = run(["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"])
        return [line.split("\t")[0] for line in done.stdout.splitlines()]
    return with_script(tree, "fish", "dumpkit.fish", offered)


def zsh_offers_everything(tree):
    def offered(path, words):
        done = run(["zsh", "-f", "-c", ZSH, "zsh", path, " ".join(words)])
        return set(re.findall(r"(?:^|[\s:])(-{0,2}[a-z][\w-]*)", done.stdout))
    return with_script(tree, "zsh", "_dumpkit", offered)


SCRIPT = r"""#!/bin/sh
case $* in
help) printf '  one   text\n' ;;
"one --help") printf '  -a, --all   text\n' ;;
"completion bash") cat <<'END'
_dumpkit() { COMPREPLY=($(compgen -W 'one BASH' -- "${COMP_WORDS[COMP_CWORD]}")); }
END
;;
"completion fish") cat <<'END'
complete -c dumpkit -f -n __fish_use_subcommand -a one
complete -c dumpkit -n '__fish_seen_subcommand_from one' FISH
END
;;
"completion zsh") cat <<'END'
#compdef dumpkit
_dumpkit() { if (( CURRENT == 2 )); then compadd one; else compadd -- ZSH; fi }
_dumpkit "$@"
END
esac
"""
CHECKS = [bash_offers_everything, fish_offers_everything, zsh_offers_everything]
SAMPLES = []
for check, word, full, lacking in (
        (bash_offers_everything, "BASH", "-a --all", "-a"),
        (fish_offers_everything, "FISH", "-s a -l all", "-s a"),
        (zsh_offers_everything, "ZSH", "-a --all", "-a")):
    SAMPLES += [
        Sample(check, {"dumpkit": SCRIPT.replace(word, full)}),
        Sample(check, {"dumpkit": SCRIPT.replace(word, lacking)}, "one: --all is not offered"),
    ]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
