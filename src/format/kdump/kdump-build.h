/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the kdump writer that put bytes together, without writing any. */
#pragma once

#include <glib.h>

#include "format/kdump/kdump-layout.h"
#include "mem/sink.h"

/* Where everything lies in the ordinary file, and what the headers say. */
typedef struct {
    guint64 block; /* bytes of a page and of a block */
    gboolean wide; /* for a 64-bit machine */
    guint32 status;
    guint dump_level;
    guint64 max_mapnr;
    guint64 sub_blocks;
    guint64 bitmap_size; /* bytes of one bitmap, whole blocks */
    GBytes *notes;
    guint64 notes_off;
    guint64 vmcoreinfo_off; /* 0: there is none */
    guint64 vmcoreinfo_size;
    guint64 result_off; /* of the text of our closing note; 0: there is none */
    guint64 bitmap_off; /* of bitmap 1; bitmap 2 follows it */
    guint64 desc_off;
    guint64 pages; /* descriptors that there is room for */
    guint64 data_off;
} DkKdumpPlan;

/*
 * Fills in plan for what dump has of subject; plan->dump_level and status are set before, and
 * with_result says whether there is a closing note.  DK_ERROR_LIMIT when there are too many pages.
 */
gboolean dk_kdump_plan_init(DkKdumpPlan *plan, const DkSubject *subject, const DkDumpPlan *dump,
                            gboolean with_result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_kdump_plan_clear(DkKdumpPlan *plan);

/* Block 0, without the zeros behind its fields. */
GByteArray *dk_kdump_build_header(const DkKdumpPlan *plan, const DkSubject *subject);

/* The sub header, its notes, and zeros up to the bitmaps. */
GByteArray *dk_kdump_build_sub(const DkKdumpPlan *plan, const DkSubject *subject);

void dk_kdump_put32(GByteArray *out, guint32 value);
void dk_kdump_put64(GByteArray *out, guint64 value);

/* Appends a page descriptor. */
void dk_kdump_put_descriptor(GByteArray *out, guint64 off, guint32 size, guint32 flags);
