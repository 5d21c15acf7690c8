/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/minidump/minidump-parts.h"

extern const DkFormat dk_format_minidump;

const DkFormat dk_format_minidump = {
    .name = "minidump",
    .summary = "MDMP: Windows, Breakpad, Crashpad, lldb, WinDbg",
    .open = dk_minidump_open,
    .sink_new = dk_minidump_sink_new,
    .verify = dk_minidump_verify,
};
