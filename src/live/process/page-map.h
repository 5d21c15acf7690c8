/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages of a process are there, as its page tables said at one moment.  Read with the
 * PAGEMAP_SCAN ioctl of /proc/PID/pagemap (Linux 6.7) or, before that, from the file itself
 * (Documentation/admin-guide/mm/pagemap.rst).
 *
 * Memory is bounded: past a number of runs, small gaps between anonymous pages are taken as
 * present.
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"

typedef enum {
    DK_PAGES_ANON = 1, /* private pages of the process: written at some time, present or swapped */
    DK_PAGES_FILE = 2, /* pages of a file or of shared memory that are mapped */
} DkPageKind;

typedef struct {
    guint64 first; /* virtual addresses, both inside; page aligned */
    guint64 last;  /* with the kind in the low bits, see dk_page_run_kind() */
} DkPageRun;

/* last has all low 12 bits set by nature, so the kind is kept apart in the lowest bits of first. */
static inline guint64 dk_page_run_first(const DkPageRun *run)
{
    return run->first & ~(guint64)4095;
}

static inline DkPageKind dk_page_run_kind(const DkPageRun *run)
{
    return (DkPageKind)(run->first & 3);
}

typedef struct {
    GArray *runs;     /* of DkPageRun, ascending */
    guint64 anon;     /* bytes */
    guint64 merge;    /* gaps up to this many bytes were closed; 0: exact */
    gboolean scanned; /* by PAGEMAP_SCAN */
} DkPageMap;

/*
 * Reads the page map of the mappings of subject from pagemap_fd (/proc/PID/pagemap).
 * DK_ERROR_DENIED and SYSTEM as the kernel says.
 */
DkPageMap *dk_page_map_read(int pagemap_fd, const DkSubject *subject,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_page_map_free(DkPageMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkPageMap, dk_page_map_free)

/* The first run that ends at or above va; its index, or runs->len. */
guint dk_page_map_find(const DkPageMap *map, guint64 va);
