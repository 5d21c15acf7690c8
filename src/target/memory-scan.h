/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Search for a byte string in all that a space holds. */
#pragma once

#include <glib.h>

#include "mem/space.h"

typedef struct DkProgress DkProgress;

/* A place where the string begins; TRUE to go on, FALSE to end the search. */
typedef gboolean (*DkScanHit)(guint64 addr, gpointer data);

typedef struct {
    const void *needle;
    gsize len; /* bytes: 1 to 4096 */
    guint64 first;
    guint64 last;      /* of the addresses that are looked at, both inside */
    guint64 max_bytes; /* of memory that is read; 0: all */
} DkScan;

/*
 * Calls hit for every place in ascending order; a place that lies across two runs that touch counts
 * too.  Memory known to be zero is not read.  FALSE with DK_ERROR_CANCELLED only; *whole (may be
 * NULL) says whether all was looked at.
 */
gboolean dk_scan_memory(DkSpace *space, const DkScan *scan, DkScanHit hit, gpointer data,
                        gboolean *whole, DkProgress *progress,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
