/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The copy-on-write child.  A stopped thread T of the target is made to clone a helper that shares
 * its memory (no page is copied: microseconds); the helper, which we hold and which never runs the
 * target's code, then makes the copy with a plain fork.  So T's registers are borrowed only for
 * moments, however large the target is.  The helper is killed and reaped at once; the copy stays,
 * stopped, until dk_snapshot_end().
 *
 * Nothing may stay in the target.  When the helper dies, the copy is inherited by the reaper of the
 * target's descendants (init, a service manager), which takes its death note as it does of any
 * orphan. Where that one is the target itself or gives no sign of looking after orphans, the copy
 * is made a child of the target instead and reaped there by a second injected call (one thread
 * stands still for a fraction of a millisecond).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "live/process/inject.h"

typedef struct {
    pid_t target;
    pid_t copy;         /* as we see it; 0: none */
    long copy_inside;   /* its pid in the target's namespace */
    gboolean of_target; /* it is a child of the target */
} DkSnapshot;

/*
 * Makes the copy.  The other threads of the target are let go with resume_others() as soon as the
 * copy is there.  Returns 0, or an errno value with *stage set to a static text of what failed; the
 * target is as it was then, still stopped.
 */
int dk_snapshot_make(DkSnapshot *snapshot, DkBorrower *borrower, pid_t target, gboolean of_target,
                     void (*resume_others)(gpointer data), gpointer data, const char **stage);

/*
 * Gives the copy a file table of its own, an empty one: so that a socket or file that the target
 * closes while we still read is closed.  No file is closed by this; on kernels before 5.9 the copy
 * keeps sharing the table.
 */
void dk_snapshot_leave_files(const DkSnapshot *snapshot, const DkGadgets *gadgets);

/*
 * Kills the copy and sees to it that no zombie of it stays.  Returns 0, or an errno value when one
 * stays.
 */
int dk_snapshot_end(DkSnapshot *snapshot, const DkGadgets *gadgets);

/*
 * Takes the death notes of copies and helpers that a tracer, killed in the middle, has left as
 * zombies in the target: children without an exit signal that started at since (as DkProcStat has
 * it) or later.  Returns 0 or an errno value.
 */
int dk_snapshot_mop(pid_t target, guint64 since, const DkGadgets *gadgets);

/* TRUE when the copy of a target can be left to whoever inherits its orphans. */
gboolean dk_snapshot_reaper_is_fit(pid_t target);
