/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of the human monitor's "info mtree -f", which shows what stands where in the guest's
 * physical memory as QEMU resolved it.  A view begins with "FlatView #N"; a line of it is
 * "  FIRST-LAST (prio P, KIND): NAME[ @OFFSET]...", addresses hexadecimal, both inside.
 */
#pragma once

#include <glib.h>

/* Ranges of one guest; more are refused. */
#define DK_MTREE_RANGES_MAX 65536u

/* A piece of the guest's physical memory that QEMU backs with memory. */
typedef struct {
    guint64 first; /* physical addresses, both inside */
    guint64 last;
    char *block;    /* the memory region, such as "pc.ram" */
    guint64 offset; /* of first in the block */
    gboolean rom;   /* the guest cannot write here */
    guint64 va;     /* of first in the QEMU process; 0 when not known */
} DkQemuRange;

/*
 * Appends the ranges of the address space "memory" that QEMU backs with memory (RAM and ROM, not
 * the RAM of devices passed through) to ranges, of DkQemuRange, ascending; neighbours that continue
 * each other in the block are joined.  DK_ERROR_PEER when there is no such view or none of its
 * lines makes sense, LIMIT for too many.
 */
gboolean dk_mtree_parse(const char *text, GPtrArray *ranges,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
