#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# make install: what it puts where, and that it runs from there.
# check: limit=900

setup_file() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export root stage=$BATS_FILE_TMPDIR/stage
    build=${DUMPKIT_BUILD:-$root/build}
    DESTDIR=$stage meson install -C "$build" --no-rebuild --quiet
    prefix=$(meson introspect --buildoptions "$build" | python3 -c '
import json, sys
print(next(row["value"] for row in json.load(sys.stdin) if row["name"] == "prefix"))')
    export prefix
}

@test "the program runs from its place and finds its manual" {
    run -0 "$stage$prefix/bin/dumpkit" version
    run -0 "$stage$prefix/bin/dumpkit" help version
    [[ $output == *"dumpkit-version - print the version"* ]]
}

@test "every page and completion script is installed, and nothing else" {
    cd "$stage$prefix"
    for page in "$root"/man/*.pod; do
        name=$(basename "$page" .pod)
        [ -s "share/man/man1/$name.1" ] || [ -s "share/man/man1/$name.1.gz" ]
        [ -s "share/dumpkit/help/$name.txt" ]
    done
    bash -n share/bash-completion/completions/dumpkit
    [ -s share/zsh/site-functions/_dumpkit ]
    [ -s share/fish/vendor_completions.d/dumpkit.fish ]
    run -0 find . -type f ! -path './bin/dumpkit' ! -path './share/man/man1/dumpkit*' \
        ! -path './share/dumpkit/help/*' ! -path '*completion*' ! -path './share/zsh/*'
    [ -z "$output" ]
}

@test "the manual's pages have no fault that man would warn of" {
    command -v man >/dev/null || skip "man is not installed"
    for page in "$stage$prefix"/share/man/man1/*; do
        run -0 env LC_ALL=C.UTF-8 MANWIDTH=100 man -P cat --warnings -E UTF-8 -l "$page"
        [[ $output != *"warning:"* ]]
    done
}
