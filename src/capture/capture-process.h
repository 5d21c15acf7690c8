/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The capture of a process from beginning to end: plan, instant, files.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "capture/level.h"
#include "capture/outputs.h"
#include "live/process/process-plan.h"

typedef struct {
    DkProcessOptions process;
    DkLevel level;
    const DkCaptureOutput *outputs;
    guint noutputs;
    gboolean replace;
    const char *writer; /* "dumpkit 0.1.0" */
} DkCaptureOptions;

typedef struct {
    DkMethod method;
    char *why; /* of the method */
    gint64 pause_ns;
    gint64 duration_ns;
    guint64 bytes;   /* of memory in the dump */
    guint64 present; /* of them read; the others were never touched */
    guint threads;
    GPtrArray *gaps; /* of DkGap: everything that is missing, and what is so by intent */
    gboolean complete;
} DkCaptureResult;

void dk_capture_result_clear(DkCaptureResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkCaptureResult, dk_capture_result_clear)

/*
 * Captures the process that plan looked at into all outputs, in one read pass.  Errors are those of
 * the layers below, NO_SPACE and EXISTS before the target is touched where that can be known. After
 * an error no output is there, and the target runs on.
 */
gboolean dk_capture_process(const DkCaptureOptions *options, const DkProcessPlan *plan,
                            DkProgress *progress, DkCaptureResult *result,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How large a dump of this level will be at most, in bytes on disk, by what is known before. */
guint64 dk_capture_estimate(const DkLevel *level, const DkProcessPlan *plan);
