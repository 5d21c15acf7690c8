/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/windmp/windmp-file.h"

static const DkFormatVariant variants[] = {
    {"dmp-full", "each page of the memory runs (DumpType 1); at most 42 runs"},
    {"dmp-bitmap", "any set of pages, with a bitmap (DumpType 5, or 6 if some are left out)"},
    {NULL, NULL},
};

static const char *const extensions[] = {"dmp", NULL};

extern const DkFormat dk_format_windmp;

const DkFormat dk_format_windmp = {
    .name = "dmp",
    .summary = "machine dumps of Windows: full, bitmap, triage, live",
    .open = dk_windmp_open,
    .sink_new = dk_windmp_sink_new,
    .writes = 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .variants = variants,
    .verify = dk_windmp_verify,
};
