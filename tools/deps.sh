#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what tools/deps.list names for the given kind (build, check, bench; each includes build).
# Does nothing when all of it is there.
set -eu
here=$(dirname "$0")
kind=${1:-build}
wanted=$(awk -v kind="$kind" '$1 == "build" || $1 == kind || (kind == "bench" && $1 == "check") {print $2}' "$here/deps.list")
missing=
for package in $wanted; do
    case $package in
    *\?*)
        if command -v "${package#*\?}" >/dev/null 2>&1; then continue; fi
        package=${package%%\?*}
        ;;
    esac
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing
