/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Symbol stores as `_NT_SYMBOL_PATH` names them: `srv*cache*url`, `cache*dir`, plain folders,
 * two-tier stores, CAB-compressed files, file.ptr (Microsoft Learn: "Symbol path for Windows
 * debuggers", "Advanced SymSrv use").
 */
#pragma once

#include <glib.h>

/*
 * The file called name ("ntkrnlmp.pdb") of key (GUID and age, or timestamp and size; see
 * dk_pdb_id_key(), dk_pe_key()) as a path on this machine, through the elements of symbol_path in
 * their order; a file from a server is put into its caches first.  A plain folder also has it as
 * DIR/name, DIR/symbols/..., so the caller checks what it gets, and may call again with *from (0 at
 * first; set to the element to go on with).  No network unless an element names a server.
 * DK_ERROR_NOT_FOUND that lists each place and why it had nothing.  Free with g_free().
 */
char *dk_store_find(const char *symbol_path, const char *name, const char *key, guint *from,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
