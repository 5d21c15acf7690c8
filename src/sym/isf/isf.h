/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intermediate Symbol Files (JSON, also .xz; Volatility 3's documented schema 4 to 6) of Windows
 * kernels as symbol files: symbols and types.
 */
#pragma once

#include "sym/pdb-id.h"
#include "sym/symfile.h"

/* As dk_pdb_open(); the id is that of "metadata.windows.pdb". */
DkSymFile *dk_isf_open(const char *path, const DkPdbId *want,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The id, the name of the PDB (free with g_free(); pdb_name may be NULL). */
gboolean dk_isf_identify(const char *path, DkPdbId *id, char **pdb_name,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
