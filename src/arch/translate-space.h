/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A DkSpace of virtual memory: a physical space seen through page tables.  It keeps a small cache
 * of tables and translations, so it is for one thread at a time, and for physical memory that does
 * not change under it.
 */
#pragma once

#include <glib.h>

#include "arch/paging.h"
#include "mem/space.h"

/*
 * The memory that tables map (copied) over phys, of which the space takes a reference.  Reads
 * answer with what phys holds; a page that phys lacks, and one whose tables it lacks, is absent.
 *
 * A run has the kind that phys gives to its pages; what no table maps is left out.  Neighbouring
 * pages of one kind are joined, but a run may end where no other kind begins: one call looks at a
 * bounded number of table entries, and answers with what it knows by then (with an ABSENT run, if
 * that is nothing).  Tables that map themselves, or each other in circles, are ordinary.
 */
DkSpace *dk_translate_space_new(DkSpace *phys, const DkPageTables *tables);

/* Lends the tables of a space that dk_translate_space_new() made. */
const DkPageTables *dk_translate_space_tables(const DkSpace *space);

/*
 * The physical address of va; FALSE when it is not mapped.  The walk goes through the cache of
 * space and fills *walk, which may be NULL.
 */
gboolean dk_translate_space_walk(DkSpace *space, guint64 va, DkWalk *walk, guint64 *pa);
