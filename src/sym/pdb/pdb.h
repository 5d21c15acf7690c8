/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Program databases (MSF 7) as symbol files: publics, globals, types, source lines, OMAP.  Layouts:
 * Microsoft's microsoft-pdb (MIT) and LLVM's "The PDB File Format".
 */
#pragma once

#include "sym/pdb-id.h"
#include "sym/symfile.h"

/*
 * Opens the PDB at path, which may be CAB-compressed (`.pd_`).  Reads on demand: opening does not
 * touch the symbols.  With want, a PDB of another GUID or age is refused with DK_ERROR_NOT_FOUND
 * that names both.  DK_ERROR_NOT_MINE when it is no PDB, DK_ERROR_DAMAGED with the offset when it
 * is broken.  Addresses are RVAs of the image as it was shipped (OMAP applied).
 */
DkSymFile *dk_pdb_open(const char *path, const DkPdbId *want,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The GUID and age of the PDB at path. */
gboolean dk_pdb_identify(const char *path, DkPdbId *id, GError **error) G_GNUC_WARN_UNUSED_RESULT;
