/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a QEMU stream in a file has the pages of the machine: runs of pages that are neighbours in
 * physical memory and lie at a fixed distance from each other in the file, and runs that are filled
 * with one byte.  A page that comes again takes the place of the earlier one.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"

typedef struct DkInput DkInput;
typedef struct DkQevmIndex DkQevmIndex;

/* Runs in one file; 24 bytes each. */
#define DK_QEVM_RUNS_MAX (1u << 24)

/* Page i of a run stands at the run's offset + i * stride in the file. */
DkQevmIndex *dk_qevm_index_new(guint page_size, guint stride);
void dk_qevm_index_free(DkQevmIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQevmIndex, dk_qevm_index_free)

/* count pages from page (physical address / page size) on; the first is at off in the file.
 * DK_ERROR_LIMIT when there are too many runs. */
gboolean dk_qevm_index_add(DkQevmIndex *index, guint64 page, guint64 count, guint64 off,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same for pages all bytes of which are fill. */
gboolean dk_qevm_index_add_fill(DkQevmIndex *index, guint64 page, guint64 count, guint8 fill,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Called once after the last page: sorts, and lets later pages take the place of earlier ones.
 * Returns how many pages came that were there before.
 */
guint64 dk_qevm_index_done(DkQevmIndex *index);

/* Pages in first..last (page numbers, both inside) that are there, with data or filled. */
guint64 dk_qevm_index_count(const DkQevmIndex *index, guint64 first, guint64 last);

/* The index as physical memory, which it becomes the owner of; takes its own reference to input. */
DkSpace *dk_qevm_space_new(DkQevmIndex *index, DkInput *input);
