/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Windows machine dump that is open: its header, where its memory stands in the file, and what
 * was found wrong on the way.  Shared by the files of this folder only.
 */
#pragma once

#include <glib.h>

#include "format/windmp/windmp-layout.h"
#include "io/input.h"
#include "mem/format.h"

/* Limits of what is read. */
#define DK_WINDMP_BITS_MAX ((guint64)1 << 34) /* of a bitmap: 64 TiB of memory, 2 GiB of bits */
#define DK_WINDMP_RANGES_MAX (16u << 20)      /* of a live dump */
#define DK_WINDMP_BLOCKS_MAX (1u << 20)       /* of a triage dump */
#define DK_WINDMP_DRIVERS_MAX 8192u
#define DK_WINDMP_UNLOADED_MAX 4096u
#define DK_WINDMP_NAME_MAX 1024u /* UTF-16 units of a driver's name */
#define DK_WINDMP_KDBG_MAX 65536u
#define DK_WINDMP_CPUS_MAX 4096u
#define DK_WINDMP_PFN_MAX ((guint64)1 << 40) /* 52 bits of physical address */
#define DK_WINDMP_RAM_MAX 65536u             /* ranges made of pages, where no header has them */
#define DK_WINDMP_TOLD_MAX 32u               /* gaps and complaints of one kind */

/* Memory that stands in one piece in the file. */
typedef struct {
    guint64 first; /* addresses, both inside */
    guint64 last;
    guint64 off;  /* of first, in the file */
    gboolean cut; /* is behind the end of the file */
} DkWindmpPiece;

/* Which memory stands where.  Physical pieces are whole pages. */
typedef struct DkWindmpIndex DkWindmpIndex;
struct DkWindmpIndex {
    /*
     * The first piece that ends at or above from; FALSE when there is none.  What is above upto
     * need not be looked at: a piece may end at any byte from upto on, and none may be found.
     */
    gboolean (*find)(const DkWindmpIndex *index, guint64 from, guint64 upto, DkWindmpPiece *piece);
    void (*free)(DkWindmpIndex *index);
};

/* The header, of either width; fields that are filling are 0. */
typedef struct {
    gboolean wide;
    guint32 size; /* bytes: 0x2000 or 0x1000 */
    guint32 type;
    guint32 machine;
    guint32 cpus;
    gboolean has_runs; /* runs and pages are not filling */
    guint32 nruns;
    guint64 pages;
    guint64 required_space;
    guint32 attributes;
    guint32 writer_status;
    guint64 context_off;
    guint64 exception_off;
    guint64 comment_off;
    guint64 runs_off;
} DkWindmpHeader;

typedef struct {
    DkSource base;
    DkInput *input;
    guint64 size; /* of the file */
    DkWindmpHeader header;
    gboolean opaque;   /* memory of a kind that nobody has described */
    gboolean cut;      /* the file ends before its memory does */
    guint64 data_end;  /* where memory ends in a file that is whole; 0: not known */
    guint64 npages;    /* that the tables promise */
    guint64 prcb_off;  /* of the KPRCB of a triage dump; 0: none */
    GArray *notes;     /* of DkNote, in file order once open */
    GPtrArray *damage; /* of char *: what is wrong */
    guint more_damage; /* complaints that were not kept */
} DkWindmp;

gboolean dk_windmp_is(const DkSource *source);
DkSource *dk_windmp_open(DkInput *input, GError **error);
gboolean dk_windmp_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
DkSink *dk_windmp_sink_new(DkOutput *output, const DkSinkOptions *options);

/* "full", "triage", ...; never NULL. */
const char *dk_windmp_type_name(guint32 type);

/* Keeps a complaint for verify. */
void dk_windmp_damage(DkWindmp *dump, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Adds a note. */
void dk_windmp_note(DkWindmp *dump, const char *name, guint64 off, guint64 size, const char *format,
                    ...) G_GNUC_PRINTF(5, 6);

/* Adds the gap "data" over first..last of the memory (first > last: none) and marks the dump cut.
 */
void dk_windmp_cut(DkWindmp *dump, guint64 first, guint64 last, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* size bytes at off, or as many of them as the file has (NULL: none); never more than limit. */
GBytes *dk_windmp_bytes(DkWindmp *dump, guint64 off, guint64 size, guint64 limit);

/* All of size bytes at off into raw; FALSE when the file ends before. */
gboolean dk_windmp_raw(DkWindmp *dump, guint64 off, void *raw, gsize size);

/*
 * Reads the header into dump->header and the subject, registers included.  DK_ERROR_NOT_MINE, or
 * DK_ERROR_DAMAGED when the file ends in the header.
 */
gboolean dk_windmp_read_header(DkWindmp *dump, GError **error);

/*
 * Takes the registers of cpu from the size bytes of a CONTEXT; FALSE, and cpu as it was, when that
 * is none.
 */
gboolean dk_windmp_context(const DkWindmp *dump, const guint8 *context, gsize size, DkCpu *cpu,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Of a triage dump whose space is there: the registers with which the CPU stopped, to which its
 * KPRCB leads, in place of those of the header, which are the exception's.
 */
void dk_windmp_triage_registers(DkWindmp *dump);

/*
 * The runs of the header, ascending and not overlapping, as pieces whose off is where the run
 * stands in a full dump: GArray of DkWindmpPiece.  NULL when the header has none.  What is wrong
 * with them becomes damage, and is left out.
 */
GArray *dk_windmp_runs(DkWindmp *dump);

/*
 * Each makes the index of one layout and describes it by notes; NULL when nothing can be read,
 * which then stands in damage or gaps.
 */
DkWindmpIndex *dk_windmp_index_full(DkWindmp *dump);
DkWindmpIndex *dk_windmp_index_bitmap(DkWindmp *dump);
DkWindmpIndex *dk_windmp_index_live(DkWindmp *dump);
DkWindmpIndex *dk_windmp_index_triage(DkWindmp *dump);

/*
 * An index over pieces (GArray of DkWindmpPiece, taken over), in any order; where they overlap the
 * one that begins lower is read, and *overlaps (may be NULL) counts the others.  Parts behind
 * the end of the file are marked as cut, whole pages of them when paged; the gaps are added.
 */
DkWindmpIndex *dk_windmp_index_pieces(DkWindmp *dump, GArray *pieces, gboolean paged,
                                      guint *overlaps);

/*
 * The space over an index (taken over; NULL for an empty one).  ram, which may be NULL, is a GArray
 * of DkRamRange, of which the space takes a copy: what it has and the index has not was left out on
 * purpose.
 */
DkSpace *dk_windmp_space_new(DkInput *input, DkWindmpIndex *index, const GArray *ram);

/* The size bytes at off of the file as addresses 0 to size - 1. */
DkSpace *dk_windmp_slice_new(DkInput *input, guint64 off, guint64 size);
