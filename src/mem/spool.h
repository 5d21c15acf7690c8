/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSpool: memory that comes in any order, kept in an unlinked temporary file until it can be read
 * in order.  The file is sparse, a page stands at its own address, and a bit or two for each page
 * say what is there: memory used grows with the RAM of the machine (64 MiB for 1 TiB), not with
 * what is in it.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"

typedef struct DkSpool DkSpool;

/*
 * A spool for addresses below size (bytes, a multiple of 4096) in a temporary file in dir.
 * DK_ERROR_LIMIT for a size above 16 TiB; SYSTEM, DENIED or NO_SPACE when the file cannot be made.
 */
DkSpool *dk_spool_new(const char *dir, guint64 size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_spool_free(DkSpool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSpool, dk_spool_free)

/*
 * Keeps len bytes (a multiple of 4096) at addr (a multiple of 4096), over what was there.
 * DK_ERROR_LIMIT beyond the spool's size, NO_SPACE and SYSTEM from the file.
 */
gboolean dk_spool_put(DkSpool *spool, guint64 addr, const void *buf, gsize len,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes that len bytes at addr are zero; same rules. */
gboolean dk_spool_put_zeros(DkSpool *spool, guint64 addr, guint64 len,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Bytes that were put as data, each address counted once. */
guint64 dk_spool_bytes(const DkSpool *spool);

/*
 * What was put, as a space that refers to the spool's file and notes: fresh, and alive after
 * dk_spool_free().  Pages never put are absent.  To be taken when all has been put.
 */
DkSpace *dk_spool_space(DkSpool *spool);
