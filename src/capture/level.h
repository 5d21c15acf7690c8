/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Levels: which parts of a process go into its dump.
 */
#pragma once

#include <glib.h>

#include "mem/sink.h"
#include "mem/source.h"

typedef enum {
    DK_LEVEL_FULL,     /* everything */
    DK_LEVEL_MINIPLUS, /* private writable memory; areas above 512 MiB left out */
    DK_LEVEL_MINI,     /* stacks, module headers, what registers and stacks point to */
    DK_LEVEL_TRIAGE,   /* stacks, with everything blanked that is no pointer */
    DK_LEVEL_FILTER,   /* what /proc/PID/coredump_filter bits say, see core(5) */
} DkLevelKind;

typedef struct {
    DkLevelKind kind;
    guint filter;              /* bits of FILTER */
    gboolean include_dontdump; /* MADV_DONTDUMP is not honoured */
} DkLevel;

/* From "full", "mini", "miniplus", "triage", "filter:0x33"; DK_ERROR_USAGE otherwise. */
gboolean dk_level_parse(const char *text, DkLevel *level, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The word that dk_level_parse() takes; free with g_free(). */
char *dk_level_name(const DkLevel *level);

/*
 * What of the instant of source goes into the dump.  Each part that is left out is added to the
 * gaps of its subject as "excluded", with the reason.
 */
DkDumpPlan *dk_level_plan(const DkLevel *level, DkSource *source);
