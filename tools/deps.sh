#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what tools/deps.list names for the given kind (build, check, bench; each includes build,
# and bench includes check).  Quick and silent when all of it is there.
set -eu
here=$(dirname "$0")
kind=${1:-build}

# An entry PACKAGE?COMMAND counts as there when the command is, wherever it came from.
wanted=
npm=
entries=$(awk -v kind="$kind" '/^#/ || NF == 0 {next}
    $1 == "build" || $1 == kind || (kind == "bench" && $1 == "check") {print $2}' \
    "$here/deps.list")
for entry in $entries; do
    case $entry in
    npm:*) npm="$npm ${entry#npm:}" ;;
    *\?*) command -v "${entry#*\?}" >/dev/null 2>&1 || wanted="$wanted ${entry%%\?*}" ;;
    *) wanted="$wanted $entry" ;;
    esac
done

quietly() {
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "deps: failed: $*" >&2
        exit 1
    fi
    rm -f "$log"
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: this is no Debian; the build needs the equivalents of:$wanted" >&2
else
    # shellcheck disable=SC2086 # a list of words
    there=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true)
    missing=$(for package in $wanted; do
        printf '%s\n' "$there" | grep -qx "installed $package" || printf ' %s' "$package"
    done)
    if [ -n "$missing" ]; then
        root=
        if [ "$(id -u)" != 0 ]; then
            root=sudo
            if ! command -v sudo >/dev/null 2>&1; then
                echo "deps: to be installed by root: apt-get install$missing" >&2
                exit 1
            fi
        fi
        echo "installing:$missing"
        quietly $root apt-get update -qq
        # shellcheck disable=SC2086 # a list of words
        quietly $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends -o Dpkg::Use-Pty=0 $missing
    fi
fi

# npm:NAME@VERSION goes to build-peers/node_modules/NAME.
for entry in $npm; do
    name=${entry%@*}
    version=${entry##*@}
    manifest=build-peers/node_modules/$name/package.json
    if ! grep -qs "\"version\": \"$version\"" "$here/../$manifest"; then
        echo "installing: $entry (npm)"
        quietly npm install --ignore-scripts --prefix "$here/../build-peers" --no-save --no-audit --no-fund "$entry"
    fi
done
