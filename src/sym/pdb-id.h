/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ties a Windows module to its symbols: the GUID and age that the linker put into the RSDS
 * CodeView record of the image and into stream 1 of the PDB (../shared/facts: kernel-debugger.md,
 * 2.8; Microsoft's "PE Format", debug directory).
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"

typedef struct {
    guint8 guid[16]; /* as the file has it: the first three members little-endian */
    guint32 age;
} DkPdbId;

/* Whether both are the same; an age of 0 in want stands for any. */
gboolean dk_pdb_id_matches(const DkPdbId *id, const DkPdbId *want);

/* Whether there is one at all (the GUID is not all zero). */
gboolean dk_pdb_id_valid(const DkPdbId *id);

/* The id that a module of a subject names; invalid when it names none. */
DkPdbId dk_pdb_id_of_module(const DkModule *module);

/* "C8C2329E0E9949E68B6F132BECA69E7E1": the folder of a symbol store.  Free with g_free(). */
char *dk_pdb_id_key(const DkPdbId *id);

/* "{C8C2329E-0E99-49E6-8B6F-132BECA69E7E}, age 1", for messages.  Free with g_free(). */
char *dk_pdb_id_text(const DkPdbId *id);
