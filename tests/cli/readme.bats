#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Variables come from lib.bash and bats, and a failing command ends a test.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154,SC2164
# The README: its tour says what is printed, its links lead somewhere, its picture is whole.

setup() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export DUMPKIT=${DUMPKIT:-$root/build/dumpkit}
}

@test "the tour of the README says what its commands print" {
    [ "$(id -u)" = 0 ] || skip "to be run as root"
    # Built here, since that of a sanitizer build has other frames and much more memory.
    cp -r "$root/demo" "$BATS_TEST_TMPDIR/demo"
    cd "$BATS_TEST_TMPDIR"
    gcc -D_GNU_SOURCE -g -O0 "-fdebug-prefix-map=$PWD=." -o hang demo/hang.c -pthread
    HANG=$PWD/hang run -0 "$root/tools/tour.py" --check
}

@test "a README that says something else is noticed" {
    [ "$(id -u)" = 0 ] || skip "to be run as root"
    mkdir "$BATS_TEST_TMPDIR/tools"
    cp "$root/tools/tour.py" "$BATS_TEST_TMPDIR/tools/"
    sed 's/Thread number/Process number/' "$root/README.md" >"$BATS_TEST_TMPDIR/README.md"
    gcc -D_GNU_SOURCE -g -O0 -o "$BATS_TEST_TMPDIR/hang" "$root/demo/hang.c" -pthread
    HANG=$BATS_TEST_TMPDIR/hang run -1 "$BATS_TEST_TMPDIR/tools/tour.py" --check
    [[ $output == *"-"*"Process number"* ]]
}

@test "the links of the README lead to files" {
    links=$(grep -oE '\]\([^)#]+\)' "$root/README.md" | tr -d ']()' | grep -v '^http')
    [ -n "$links" ]
    for link in $links; do
        [ -e "$root/$link" ] || {
            echo "$link is not there"
            return 1
        }
    done
}

@test "the picture of a terminal keeps text, columns and colours" {
    printf '\033[1mbold <&>\033[0m  \033[32mgreen\033[0m\n%s\n' "$(printf 'x%.0s' {1..12})" |
        "$root/tools/terminal-picture.py" --columns 10 >"$BATS_TEST_TMPDIR/picture.svg"
    python3 - "$BATS_TEST_TMPDIR/picture.svg" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree
texts = [(item.get("fill"), item.get("font-weight"), item.text)
         for item in tree.parse(sys.argv[1]).getroot().iter("{http://www.w3.org/2000/svg}text")]
assert (None, "bold", "bold <&>") in texts, texts
assert ("#a5d97a", None, "green") in texts, texts
assert (None, None, "x" * 10) in texts and (None, None, "xx") in texts, texts
PYTHON
    python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' \
        "$root/docs/img/demo.svg"
}

# shellcheck disable=SC2016 # the inner shell expands
@test "a reader that leaves early, such as head, causes no message" {
    run -0 sh -c '{ sleep 0.5; "$1" help; } 2>&1 >&3 3>&- | cat' sh "$DUMPKIT" 3> >(exec 0<&-)
    [ -z "$output" ]
    run -0 sh -c '"$1" help 2>&1 >/dev/full | cat' sh "$DUMPKIT"
    [[ $output == *"No space left on device"* ]]
}
