# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# guest.py for bats.  need_guest skips where no guest can be started.

guest_py=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/guest.py
export DUMPKIT_BUILD

need_guest() {
    local why
    why=$(python3 "$guest_py" check 2>&1) || skip "$why"
}

# guest_start FOLDER OPTIONS...: returns when QEMU runs; teardown must guest_stop FOLDER.
guest_start() {
    python3 "$guest_py" start "$@" 3>&-
}

# guest_wait FOLDER [TEXT]
guest_wait() {
    python3 "$guest_py" wait "$@"
}

guest_qmp() {
    python3 "$guest_py" qmp "$@"
}

guest_stop() {
    python3 "$guest_py" stop "$1"
}
