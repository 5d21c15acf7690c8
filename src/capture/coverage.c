/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/coverage.h"

#include "base/bisect.h"
#include "base/size.h"

DkCoverage dk_coverage_of(DkSpace *space, guint64 first, guint64 last)
{
    DkCoverage coverage = {.size = dk_size_of_range(first, last)};
    guint64 next = 0; /* behind the last present piece; 0 when there was none */
    DkRun run;
    while (first <= last && dk_space_next_run(space, first, &run) && run.first <= last) {
        guint64 from = MAX(run.first, first);
        guint64 to = MIN(run.last, last);
        guint64 size = dk_size_of_range(from, to);
        if (run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO || run.kind == DK_RUN_FILE) {
            coverage.present = dk_size_add(coverage.present, size);
            if (run.kind == DK_RUN_ZERO)
                coverage.zero = dk_size_add(coverage.zero, size);
            coverage.runs += !next || from != next;
            next = to + 1;
        }
        if (to == last)
            break;
        first = to + 1;
    }
    return coverage;
}

gboolean dk_gap_is_failure(const DkGap *gap)
{
    static const char *const failures[] = {"thread", "regset", "pages", "data", "cpu", NULL};
    return g_strv_contains(failures, gap->what);
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const DkRun *left = a;
    const DkRun *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

GArray *dk_gap_ranges(const DkSubject *subject, gboolean failing_only)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(DkRun));
    for (guint i = 0; i < subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(subject->gaps, i);
        DkRun range = {gap->first, gap->last, DK_RUN_ABSENT};
        if (gap->first <= gap->last && (!failing_only || dk_gap_is_failure(gap)))
            g_array_append_val(ranges, range);
    }
    g_array_sort(ranges, compare_ranges);
    guint kept = 0;
    for (guint i = 0; i < ranges->len; i++) {
        DkRun range = g_array_index(ranges, DkRun, i);
        DkRun *before = kept ? &g_array_index(ranges, DkRun, kept - 1) : NULL;
        if (before && range.first <= before->last)
            before->last = MAX(before->last, range.last);
        else
            g_array_index(ranges, DkRun, kept++) = range;
    }
    g_array_set_size(ranges, kept);
    return ranges;
}

static gboolean range_before(gconstpointer data, gsize index, guint64 va)
{
    const GArray *ranges = data;
    return g_array_index(ranges, DkRun, index).last < va;
}

gboolean dk_gap_ranges_touch(const GArray *ranges, guint64 first, guint64 last)
{
    gsize low = dk_bisect(ranges->len, range_before, ranges, first);
    return low < ranges->len && g_array_index(ranges, DkRun, low).first <= last;
}
