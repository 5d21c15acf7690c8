/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long work tells how far it is and learns that it should stop.  Library code calls
 * dk_progress_tick() now and then; tool/ or service/ fills in the callback.
 */
#pragma once

#include <glib.h>

typedef struct DkProgress DkProgress;

struct DkProgress {
    /*
     * Called with the work done so far and in all, both in bytes; total is 0 when not known.  May
     * be NULL.  May be called from any thread, but never from two at once.
     */
    void (*report)(DkProgress *progress, guint64 done, guint64 total);
    /* Set to non-zero, from any thread or a signal handler, to make the work end. */
    volatile gint cancelled;
};

/*
 * Reports, then answers FALSE with DK_ERROR_CANCELLED when the work shall end.  progress may be
 * NULL: nothing is reported and nothing is ever cancelled.
 */
gboolean dk_progress_tick(DkProgress *progress, guint64 done, guint64 total,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
