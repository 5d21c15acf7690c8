/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of `capture`, and its parts: one for each kind of target. */
#pragma once

#include "tool/output-options.h"
#include "tool/verb.h"

typedef struct {
    DkOutputOptions output; /* first */
    char *level;            /* of processes */
    char *method;
    char *filter; /* of machines */
    char *spool;
    char *connect;      /* of libvirt */
    gint64 max_stop_ms; /* -1: not given */
    gint thread_timeout_ms;
    gboolean plan;
    gboolean all;
    gboolean include_dontdump;
    GOptionEntry entries[13 + DK_OUTPUT_OPTIONS];
} DkCaptureWords;

/* Captures the processes that target means; an exit status. */
int dk_capture_processes(DkTool *tool, const DkCaptureWords *words, const char *target);

/* Captures the machine that target means. */
int dk_capture_guest(DkTool *tool, const DkCaptureWords *words, const char *target);

/* Captures the machine behind a GDB stub, "gdb:HOST:PORT". */
int dk_capture_gdb(DkTool *tool, const DkCaptureWords *words, const char *target);

/* Whether target is of a kind that dk_capture_guest() takes. */
gboolean dk_capture_is_guest(const char *target);

/* NAME.TIME.EXTENSION[.zst], for captures without -o; free with g_free(). */
char *dk_capture_default_name(const char *name, const DkFormat *format, gboolean zstd);
