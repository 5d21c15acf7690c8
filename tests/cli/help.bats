#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# help, version, --help, and what is said to wrong words.
# shellcheck disable=SC2154 # run sets stderr

setup() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    dumpkit=${DUMPKIT:-$root/build/dumpkit}
}

@test "help lists the verbs and hides the hidden ones" {
    run -0 "$dumpkit" help
    [[ $output == *"usage: dumpkit VERB"* ]]
    [[ $output == *$'\n  help '* ]]
    [[ $output == *$'\n  version '* ]]
    [[ $output != *completion* ]]
    [[ $output != *tracer* ]]
    run -0 "$dumpkit" --help
    [[ $output == *$'\n  help '* ]]
    run -0 "$dumpkit" -h
    [[ $output == *$'\n  help '* ]]
}

@test "help --json is JSON with the verbs" {
    "$dumpkit" help --json | python3 -c '
import json, sys
verbs = {row["name"]: row["summary"] for row in json.load(sys.stdin)["verbs"]}
assert verbs["version"] == "print the version", verbs
assert "completion" not in verbs'
}

@test "help VERB prints the manual as text where standard output is no terminal" {
    run -0 "$dumpkit" help version
    [[ ${lines[0]} == NAME ]]
    [[ $output == *"dumpkit-version - print the version"* ]]
    run -0 "$dumpkit" help dumpkit
    [[ $output == *"EXIT STATUS"* ]]
}

@test "help VERB runs man on the page of this program on a terminal, else prints the text" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\necho "man was called: $*"\n' >"$BATS_TEST_TMPDIR/bin/man"
    chmod +x "$BATS_TEST_TMPDIR/bin/man"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 \
        script -qec "'$dumpkit' help version" /dev/null </dev/null
    [[ $output == *"man was called: -l "*"/man/dumpkit-version.1"* ]]
    page=${output#*-l }
    [ -f "${page%%[[:space:]]*}" ]
    ln -s "$(command -v script)" "$(command -v sh)" "$BATS_TEST_TMPDIR/"
    PATH=$BATS_TEST_TMPDIR run -0 script -qec "'$dumpkit' help version" /dev/null </dev/null
    [[ $output == *"dumpkit-version - print the version"* ]]
}

@test "help finds the page of an installed program beside it" {
    place=$BATS_TEST_TMPDIR/prefix
    mkdir -p "$place/bin" "$place/share/dumpkit/help"
    cp -L "$dumpkit" "$place/bin/dumpkit"
    run -1 "$place/bin/dumpkit" help version
    [[ $output == *"not installed beside the program"* ]]
    echo "the page" >"$place/share/dumpkit/help/dumpkit-version.txt"
    run -0 "$place/bin/dumpkit" help version
    [ "$output" = "the page" ]
}

@test "version in all its spellings" {
    for words in version --version -V; do
        run -0 "$dumpkit" $words
        [[ $output =~ ^dumpkit\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    done
    run -0 "$dumpkit" version --json
    [[ $output == *'"version" : "'* ]]
}

@test "VERB --help and -h print the options" {
    for option in --help -h; do
        run -0 "$dumpkit" version $option
        [[ $output == *"dumpkit version [OPTION"* ]]
        [[ $output == *"--no-progress"* ]]
    done
}

@test "wrong usage exits 2 and says on standard error what is wrong" {
    run -2 --separate-stderr "$dumpkit"
    [ -z "$output" ]
    [[ $stderr == *"usage: dumpkit VERB"* ]]
    run -2 --separate-stderr "$dumpkit" version --no-such-option
    [ -z "$output" ]
    [[ $stderr == *"--no-such-option"*"dumpkit version --help"* ]]
    run -2 "$dumpkit" version more
    run -2 "$dumpkit" help version more
    run -2 "$dumpkit" --json
    [[ $output == *"the verb comes first"* ]]
    run -2 "$dumpkit" ""
    run -2 "$dumpkit" completion tcsh
}

@test "an unknown verb is answered with the nearest one" {
    run -2 "$dumpkit" versoin
    [[ $output == *'no verb "versoin"; is "version" meant?'* ]]
    run -2 "$dumpkit" vers
    [[ $output == *'is "version" meant?'* ]]
    run -2 "$dumpkit" help hlep
    [[ $output == *'is "help" meant?'* ]]
    run -2 "$dumpkit" quite-another-thing
    [[ $output == *'"dumpkit help" lists them'* ]]
    run -2 "$dumpkit" completio
    [[ $output != *'meant'* ]]
    run -2 "$dumpkit" $'bad\033[31mname'
    [[ $output != *$'\033'* ]]
}

@test "a full standard output is a failure" {
    [ -w /dev/full ] || skip "no /dev/full"
    run -1 bash -c "'$dumpkit' version >/dev/full"
    [[ $output == *"standard output"*"No space left"* ]]
}

@test "the helper processes end at once when they are run by hand" {
    run -2 timeout -s KILL 10 bash -c "'$dumpkit' tracer 3>&-"
    run -2 timeout -s KILL 10 bash -c "'$dumpkit' tracer 3</dev/null"
    run -2 timeout -s KILL 10 bash -c "'$dumpkit' guardian qmp:/nowhere 3>&-"
}
