/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkPe: a PE image, from a file or as it lies in memory: headers, CodeView record, exports, and the
 * x64 unwind information of .pdata.  Layouts: Microsoft's "PE Format" and "x64 exception handling".
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "sym/pdb-id.h"
#include "sym/symfile.h"

typedef struct DkPe DkPe;

/* What the headers say. */
typedef struct {
    guint16 machine;    /* IMAGE_FILE_MACHINE_*: 0x8664, 0x14c, 0xaa64 */
    guint32 timestamp;  /* TimeDateStamp */
    guint32 image_size; /* SizeOfImage */
    guint32 checksum;
    guint64 preferred_va; /* ImageBase */
    guint32 entry_rva;
    DkPdbId pdb;    /* of the RSDS record; invalid when there is none or it is not to be read */
    char *pdb_name; /* file name in that record, with the folders it has; NULL as above */
} DkPeFacts;

/* The image at base_va in space (its own reference is taken), laid out as loaded. */
DkPe *dk_pe_open_memory(DkSpace *space, guint64 base_va, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The image in the file at path.  DK_ERROR_NOT_MINE when it is no PE. */
DkPe *dk_pe_open_file(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dk_pe_free(DkPe *pe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkPe, dk_pe_free)

const DkPeFacts *dk_pe_facts(const DkPe *pe);

/* Bytes of the image at rva, as loaded before relocation; returns how many are there. */
gsize dk_pe_read(DkPe *pe, guint64 rva, void *buf, gsize len);

/* The exported names, as DkSymFileOps.symbols; lent.  *why (may be NULL) says what is missing. */
const DkSymbol *dk_pe_exports(DkPe *pe, gsize *count, const char **why);

/* As DkSymFileOps.seh, from .pdata and .xdata. */
DkSehResult dk_pe_seh(DkPe *pe, guint64 rva, const DkSehRow **row);

/* TimeDateStamp and SizeOfImage as a symbol store names them: "62524D63e000".  g_free(). */
char *dk_pe_key(guint32 timestamp, guint32 image_size);

/* A symbol file of exports, seh and image alone; takes pe over. */
DkSymFile *dk_pe_symfile_new(DkPe *pe, const char *path);
