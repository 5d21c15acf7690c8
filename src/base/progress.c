/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include "base/error.h"

gboolean dk_progress_tick(DkProgress *progress, guint64 done, guint64 total, GError **error)
{
    if (!progress)
        return TRUE;
    if (g_atomic_int_get(&progress->cancelled)) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_CANCELLED, "interrupted");
        return FALSE;
    }
    if (progress->report)
        progress->report(progress, done, total);
    return TRUE;
}
