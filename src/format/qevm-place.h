/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the RAM blocks of a QEMU machine lie in its physical memory.  A migration stream gives
 * pages by block and offset; the place of a block is a matter of the machine type.  Source: the
 * documentation of QEMU's machine types and `info mtree` of running ones (docs/formats/qevm.md).
 */
#pragma once

#include <glib.h>

typedef enum {
    DK_QEVM_PLACE_RAM,     /* the machine's memory, placed */
    DK_QEVM_PLACE_ROM,     /* firmware, placed */
    DK_QEVM_PLACE_OTHER,   /* not memory of the machine, or its place is set by the guest: video
                              memory, tables for the firmware, ROMs of cards */
    DK_QEVM_PLACE_UNKNOWN, /* memory of the machine, all or a part of it without a known place */
} DkQevmPlaceKind;

typedef struct {
    const char *id;       /* as in DkQevmBlock; lent */
    guint64 size;         /* bytes */
    DkQevmPlaceKind kind; /* set by dk_qevm_place() */
} DkQevmPlaceBlock;

/* len bytes at offset of a block (by its index) stand at pa. */
typedef struct {
    guint block;
    guint64 offset;
    guint64 len;
    guint64 pa;
} DkQevmPlace;

/*
 * Fills places (GArray of DkQevmPlace; cleared first) for all blocks of a machine: ascending by pa,
 * not overlapping, and sets the kind of each block.  machine is its type as the stream gives it, or
 * NULL when it is not known; then memory has a place only where all PCs agree.  For a type that is
 * no PC it has the kind UNKNOWN. below_4g is the value of the machine's property max-ram-below-4g,
 * or 0 for its default: a stream does not tell it, QEMU's monitor does (qom-get).
 */
void dk_qevm_place(const char *machine, DkQevmPlaceBlock *blocks, guint nblocks, guint64 below_4g,
                   GArray *places);

/*
 * Cuts len bytes at offset of a block into parts that have a place.  Start with *next 0 and call
 * until it returns FALSE; each time *part gets the offset, length and address of a part.  A byte
 * may have no place, or (firmware that is seen twice) more than one.
 */
gboolean dk_qevm_place_next(const GArray *places, guint *next, guint block, guint64 offset,
                            guint64 len, DkQevmPlace *part);
