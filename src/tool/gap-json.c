/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/gap-json.h"

#include "base/size.h"
#include "capture/coverage.h"

void dk_gap_json(DkOut *out, const DkGap *gap)
{
    guint64 size = dk_size_of_range(gap->first, gap->last);
    dk_out_begin_object(out, NULL);
    dk_out_string(out, "what", gap->what);
    dk_out_bool(out, "failure", dk_gap_is_failure(gap));
    if (gap->first <= gap->last) {
        dk_out_hex(out, "first", gap->first);
        dk_out_hex(out, "last", gap->last);
    } else {
        dk_out_string(out, "first", NULL);
        dk_out_string(out, "last", NULL);
    }
    dk_out_int(out, "size", (gint64)MIN(size, (guint64)G_MAXINT64));
    if (gap->tid)
        dk_out_int(out, "tid", gap->tid);
    dk_out_string(out, "why", gap->why);
    dk_out_end(out);
}

void dk_gaps_json(DkOut *out, const GPtrArray *gaps)
{
    dk_out_begin_array(out, "gaps");
    for (guint i = 0; i < gaps->len; i++)
        dk_gap_json(out, g_ptr_array_index(gaps, i));
    dk_out_end(out);
}
