/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/minidump/minidump-parts.h"

extern const DkFormat dk_format_minidump;

static const char *const extensions[] = {"dmp", "mdmp", NULL};

const DkFormat dk_format_minidump = {
    .name = "minidump",
    .summary = "MDMP: Windows, Breakpad, Crashpad, lldb, WinDbg",
    .open = dk_minidump_open,
    .sink_new = dk_minidump_sink_new,
    .writes = 1 << DK_SUBJECT_PROCESS,
    .extensions = extensions,
    .verify = dk_minidump_verify,
};
