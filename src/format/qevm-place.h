/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the RAM blocks of a QEMU machine lie in its physical memory.  A migration stream gives
 * pages by block and offset; the place of a block is a matter of the machine type.  Source: the
 * documentation of QEMU's machine types and `info mtree` of running ones (docs/formats/qevm.md).
 */
#pragma once

#include <glib.h>

/* len bytes at offset of a block stand at pa. */
typedef struct {
    guint64 offset;
    guint64 len;
    guint64 pa;
} DkQevmPlace;

typedef enum {
    DK_QEVM_PLACE_RAM,   /* the machine's memory, placed */
    DK_QEVM_PLACE_ROM,   /* firmware or the like, placed */
    DK_QEVM_PLACE_OTHER, /* has no certain place: video memory, ACPI tables of the firmware, ... */
    DK_QEVM_PLACE_RAM_UNKNOWN, /* looks like the machine's memory, but its place is not known */
} DkQevmPlaceKind;

/*
 * Fills places (GArray of DkQevmPlace, ascending by offset; cleared first) for the block id of size
 * bytes of the machine type `machine` (NULL: not known).  below_4g is the value of the machine's
 * property max-ram-below-4g, or 0 for its default: a stream does not tell it, QEMU's monitor does.
 */
DkQevmPlaceKind dk_qevm_place(const char *machine, const char *id, guint64 size, guint64 below_4g,
                              GArray *places);
