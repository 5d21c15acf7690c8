/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of a range of memory a dump holds, and where its gaps are. */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

/* Bytes of a range; sums stop at G_MAXUINT64. */
typedef struct {
    guint64 size;    /* of the range */
    guint64 present; /* can be read: data, zeros and file content together */
    guint64 zero;    /* of them: known to be zero without a look at the file */
    guint64 runs;    /* pieces that the present bytes are in */
} DkCoverage;

/* What space holds of first..last, both inside; all zero when first > last. */
DkCoverage dk_coverage_of(DkSpace *space, guint64 first, guint64 last);

/* Addresses that gaps of a subject name, ascending and joined: GArray of DkRun, kind unused. */
GArray *dk_gap_ranges(const DkSubject *subject, gboolean failing_only) G_GNUC_WARN_UNUSED_RESULT;

/* Whether any of ranges, as above, has an address of first..last. */
gboolean dk_gap_ranges_touch(const GArray *ranges, guint64 first, guint64 last);

/* Whether a gap is a failure ("thread", "regset", "pages", "data", "cpu") and not meant to be so.
 */
gboolean dk_gap_is_failure(const DkGap *gap);
