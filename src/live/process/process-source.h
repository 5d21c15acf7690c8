/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running Linux process as a source.  pause() makes the instant: all threads stand still, their
 * registers are saved, the copy-on-write child is made and the target runs on (method snapshot), or
 * stands until resume() (method stop).
 */
#pragma once

#include <glib.h>

#include "live/process/process-plan.h"
#include "mem/source.h"

/*
 * A source for the process that plan looked at.  options and plan are borrowed until close. Nothing
 * is touched before pause().
 */
DkSource *dk_process_source_new(const DkProcessOptions *options, const DkProcessPlan *plan);

/*
 * The method that was taken in the end: STOP also when a snapshot failed under way, which *why then
 * tells.  Meaningful after pause().
 */
DkMethod dk_process_source_method(const DkSource *source, const char **why);

/* How long the target stood still, in ns; -1 while it still does. */
gint64 dk_process_source_pause_ns(const DkSource *source);
