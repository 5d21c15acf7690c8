/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running QEMU guest as a source of physical memory and CPU registers.  pause() makes the
 * instant.  With SNAPSHOT and DUMP it carries the whole memory into a spool, and the guest runs
 * again when it returns (with SNAPSHOT it stood still for milliseconds of that); with STOP the
 * guest stands until resume(), and the space reads the QEMU process.
 */
#pragma once

#include <glib.h>

#include "live/qemu/qemu-plan.h"
#include "mem/source.h"

/*
 * A source for the guest that plan looked at.  options and plan are borrowed until close.  Nothing
 * is touched before pause().  A guest that was paused stays so, and what was changed in QEMU is put
 * back, whatever becomes of this process: see guardian.h.
 */
DkSource *dk_qemu_source_new(const DkQemuOptions *options, const DkQemuPlan *plan);

/*
 * The method that was taken in the end, and why when it is not the plan's (NULL otherwise).
 * Meaningful after pause().
 */
DkQemuMethod dk_qemu_source_method(const DkSource *source, const char **why);

/*
 * How long the guest stood still, in ns, by the times of QEMU's events STOP and RESUME; 0 for one
 * that was paused before; -1 while it still stands.
 */
gint64 dk_qemu_source_pause_ns(const DkSource *source);
