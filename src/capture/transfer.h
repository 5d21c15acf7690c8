/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a source to files: what `convert` does with a dump and `capture` with a machine.  Plan,
 * instant, files, in this order; memory used does not grow with the dump.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "capture/outputs.h"
#include "mem/source.h"

/* Pages of a Linux machine to leave out: the bits of makedumpfile's dump level. */
typedef enum {
    DK_FILTER_ZERO = 1,
    DK_FILTER_CACHE = 2 | 4,
    DK_FILTER_USER = 8,
    DK_FILTER_FREE = 16,
} DkFilterBits;

/* From "zero,free,cache,user", any of them, or a dump level "0" to "31"; DK_ERROR_USAGE. */
gboolean dk_filter_parse(const char *text, guint *bits, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
    const DkCaptureOutput *outputs;
    guint noutputs;
    gboolean replace;
    guint filter;       /* DkFilterBits */
    guint64 expected;   /* bytes that may be needed on disk without compression; 0: from the plan */
    const char *writer; /* "dumpkit 0.1.0" */
    const char *comment; /* for subject->origin; NULL leaves what is there */
} DkTransferOptions;

typedef struct {
    gint64 pause_ns; /* -1 when the source was not stopped */
    gint64 duration_ns;
    guint64 bytes;   /* of memory in the dump */
    guint64 present; /* of them read; the others are known to be zero */
    GPtrArray *gaps; /* of DkGap: everything that is missing, and what is so by intent */
    gboolean complete;
    gboolean vmcoreinfo_found; /* in memory, since the source did not have it */
} DkTransferResult;

void dk_transfer_result_clear(DkTransferResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkTransferResult, dk_transfer_result_clear)

/*
 * Writes the dump of source to all outputs in one pass.  A source with a pause slot is paused once
 * the outputs are open, and resumed when all memory has been read.  DK_ERROR_UNSUPPORTED when a
 * format cannot express the subject, or the filter has nothing to go by; else the errors of the
 * layers below.  After an error no output is there.
 */
gboolean dk_transfer(DkSource *source, const DkTransferOptions *options, DkProgress *progress,
                     DkTransferResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
