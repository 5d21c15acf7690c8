/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The capture pipeline: threads read memory, and pack it for the sinks that want it; it is handed
 * on in plan order, and one thread for each sink writes it, over a fixed pool of buffers; memory
 * used does not grow with the dump.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "mem/sink.h"
#include "mem/source.h"

/* Changes bytes on their way, such as blanking; va is where they stand.  May be NULL. */
typedef void (*DkPageFilter)(const DkSubject *subject, guint64 va, guint8 *bytes, gsize len);

typedef struct {
    DkSource *source;
    const DkDumpPlan *plan;
    DkSink **sinks; /* begun already */
    guint nsinks;
    DkPageFilter filter;
    DkProgress *progress; /* counts bytes read, of plan->present */
} DkPipeline;

/*
 * Carries every extent of the plan from the source to all sinks.  The source's space is read by
 * several threads at the same time, and so are the filter and the sinks' pack().  Pages that cannot
 * be read are written as holes and added to gaps (of DkGap) as "pages".  Fails when a sink does,
 * when the source is gone, or when progress says so; the sinks must then be dropped.
 */
gboolean dk_pipeline_run(const DkPipeline *pipeline, GPtrArray *gaps,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
