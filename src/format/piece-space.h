/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The physical memory of a machine as pieces of a file: each range of addresses stands in the file
 * as it is, or is known to be zero.  What readers of plain formats have in common.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

typedef struct DkInput DkInput;

typedef struct {
    guint64 first; /* physical addresses, both inside */
    guint64 last;
    guint64 off;    /* where first stands in the file; for DK_RUN_DATA */
    DkRunKind kind; /* DATA or ZERO */
} DkPiece;

GArray *dk_pieces_new(void);

/*
 * Sorts pieces by address and cuts off or drops what a piece before covers already.  Returns how
 * many were cut or dropped; *first_pa (may be NULL) gets the lowest address that was covered twice.
 */
guint dk_pieces_untangle(GArray *pieces, guint64 *first_pa);

/* Adds untangled pieces to the RAM of machine, which has none yet. */
void dk_pieces_add_ram(const GArray *pieces, DkMachine *machine);

/*
 * What AVML left out.  It splits each range of RAM into blocks of 16 MiB from the start of the
 * range, and writes none that is all zero.  So a hole behind a block of exactly 16 MiB whose length
 * is a multiple of 16 MiB is inside of a range; it becomes a piece of kind ZERO.  Any other hole
 * may have zero blocks at its ends, or none, which nothing in the file tells.  pieces are
 * untangled, of kind DATA, and one to a block.
 */
void dk_pieces_fill_avml(GArray *pieces);

/*
 * A space over untangled pieces, which it takes over, and input, which it refers to.  Pieces must
 * lie inside the file.  sparse: holes of the file itself (dk_input_stretch()) are DK_RUN_ZERO too.
 */
DkSpace *dk_piece_space_new(DkInput *input, GArray *pieces, gboolean sparse);
