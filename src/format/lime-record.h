/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The header of a record in LiME and AVML files, which differ in magic and version only:
 *
 *   0  u32  magic
 *   4  u32  version
 *   8  u64  first physical address of the record
 *  16  u64  last one, inside
 *  24  u64  reserved, 0
 *
 * All little-endian.  Sources: LiME, doc/README.md ("LiME Memory Range Header Version 1
 * Specification"); AVML, src/image.rs (MIT) for the values of version 2.
 */
#pragma once

#include <glib.h>

#include "mem/sink.h"

typedef struct DkInput DkInput;

#define DK_LIME_HEADER_SIZE 32u
#define DK_LIME_MAGIC 0x4c694d45u /* "EMiL" in the file */
#define DK_LIME_VERSION 1u
#define DK_AVML_MAGIC 0x4c4d5641u /* "AVML" in the file */
#define DK_AVML_VERSION 2u
/* No machine has physical addresses of more bits. */
#define DK_LIME_PA_MAX (((guint64)1 << 52) - 1)
/* Records of one file; 16 TiB in blocks of 16 MiB. */
#define DK_LIME_RECORDS_MAX (1u << 20)
/* Bytes of memory in a record of AVML, at most. */
#define DK_AVML_BLOCK ((guint64)16 << 20)

typedef struct {
    guint64 first; /* physical addresses, both inside */
    guint64 last;
} DkLimeRecord;

/*
 * Reads the header at off.  DK_ERROR_NOT_MINE for another magic, UNSUPPORTED for another version,
 * DAMAGED for a header that is cut off, a range that runs backwards or beyond DK_LIME_PA_MAX, and a
 * reserved field that is not zero.
 */
gboolean dk_lime_record_read(DkInput *input, guint64 off, guint32 magic, guint32 version,
                             DkLimeRecord *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The bytes of a header. */
void dk_lime_record_write(guint8 header[DK_LIME_HEADER_SIZE], guint32 magic, guint32 version,
                          guint64 first, guint64 last);

/* For a writer: the extents around pa, which is in the plan, that touch, as one range. */
DkLimeRecord dk_lime_range_at(const DkDumpPlan *plan, guint64 pa);

/*
 * For a writer of blocks: the block of plan that pa, which is in the plan, lies in.  Blocks of
 * DK_AVML_BLOCK count from the start of an extent, as AVML counts them from the start of a range;
 * a whole one that ends its extent is cut in two before its last page.  So a file says where
 * extents end: see dk_pieces_fill_avml().  Extents that touch
 * count as one.  *edge: the block is at an end of its extent.
 */
DkLimeRecord dk_lime_block_at(const DkDumpPlan *plan, guint64 pa, gboolean *edge);
