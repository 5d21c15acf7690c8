/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An open minidump: the header, the directory, and bounded access to streams, strings and the
 * entries of lists.  The parts of the reader (minidump-lists.c, minidump-memory.c, ...) fill the
 * subject from it; what is wrong in a part becomes a gap of the subject, never the end of reading.
 */
#pragma once

#include "base/cursor.h"
#include "format/minidump/minidump-layout.h"
#include "io/input.h"
#include "mem/format.h"
#include "mem/source.h"

/* Limits on what is believed of a file. */
#define DK_MINIDUMP_STREAMS_MAX 65536u
#define DK_MINIDUMP_STREAM_MAX ((guint64)256 << 20) /* bytes of a stream that are read */
#define DK_MINIDUMP_THREADS_MAX 131072u
#define DK_MINIDUMP_MODULES_MAX 65536u
#define DK_MINIDUMP_RANGES_MAX 4194304u /* of memory */
#define DK_MINIDUMP_MAPPINGS_MAX 1048576u
#define DK_MINIDUMP_STRING_MAX 131072u         /* bytes of one string in UTF-16 */
#define DK_MINIDUMP_TEXT_MAX ((gsize)64 << 20) /* bytes of all strings together */
#define DK_MINIDUMP_GAPS_MAX 10000u            /* gaps that the reader adds */

/* A stretch of memory whose bytes are in the file. */
typedef struct {
    guint64 va;
    guint64 size; /* bytes, at least 1; va + size - 1 does not overflow */
    guint64 off;  /* of its first byte in the file */
} DkMinidumpRange;

typedef struct {
    DkSource base;
    DkInput *input; /* owned reference */
    guint64 size;   /* bytes of the file */
    MdmpHeader header;
    GArray *streams;  /* of MdmpDirectory, in the order of the directory */
    GPtrArray *notes; /* texts for the notes, one for each stream; NULL for none */
    gsize text_left;  /* what is left of DK_MINIDUMP_TEXT_MAX */
    /*
     * Of DkMinidumpRange: as the lists name them; then ascending, not overlapping, and only what
     * the file holds of them.
     */
    GArray *ranges;
    GArray *cut;       /* of DkMinidumpRange: what the lists name and the file does not hold */
    guint64 overlaps;  /* ranges that were cut since they overlap another */
    guint32 first_tid; /* the thread that asked for the dump; 0 when not known */
    gboolean has_own;  /* written by dumpkit */
    guint reader_gaps; /* gaps of the subject that reading found; those of our info follow */
} DkMinidump;

/* Whether source is a DkMinidump. */
gboolean dk_minidump_is(const DkSource *source);

/*
 * Reads header and directory into a fresh md; errors as DkFormat.open().
 */
gboolean dk_minidump_read_directory(DkMinidump *md, GError **error);

/* "ThreadList" and so on, or NULL for a type that has no name here. */
const char *dk_minidump_stream_name(guint32 type);

/* The index of the first stream of that type, or -1. */
gint dk_minidump_find(const DkMinidump *md, guint32 type);

/* Sets the text of the note of the stream at index. */
void dk_minidump_note(DkMinidump *md, gint index, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Adds a gap without addresses, up to DK_MINIDUMP_GAPS_MAX in all. */
void dk_minidump_gap(DkMinidump *md, const char *what, const char *format, ...) G_GNUC_PRINTF(3, 4);

/*
 * The bytes at off, as many of size as the file holds and limit allows; NULL for none.  Never an
 * error: what is missing shows in the length.
 */
GBytes *dk_minidump_bytes(DkMinidump *md, guint64 off, guint64 size, guint64 limit);

/*
 * The bytes of the first stream of that type, or NULL when there is none or nothing of it is in the
 * file.  A stream that is cut off gives what there is of it, and a gap.
 */
GBytes *dk_minidump_stream(DkMinidump *md, guint32 type);

/*
 * The MINIDUMP_STRING at off as UTF-8; NULL when it is not in the file, empty, or the strings
 * together are above DK_MINIDUMP_TEXT_MAX.  Unpaired surrogates become U+FFFD.
 */
char *dk_minidump_string(DkMinidump *md, guint64 off);

/* The entries of a list stream. */
typedef struct {
    GBytes *bytes;
    DkCursor cursor;
    gsize start;   /* of the first entry */
    gsize stride;  /* from entry to entry */
    guint64 count; /* entries that are there, at most the limit */
    guint64 at;    /* the next one */
    gint stream;   /* index in the directory */
} DkMinidumpList;

void dk_minidump_list_clear(DkMinidumpList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkMinidumpList, dk_minidump_list_clear)

/*
 * Opens a list that is a u32 count, maybe four bytes of padding, and entries of `stride` bytes.
 * FALSE when there is no such stream.  A count that the stream does not hold, or that is above
 * limit, is cut, with a gap.
 */
gboolean dk_minidump_list_open(DkMinidump *md, guint32 type, gsize stride, guint64 limit,
                               DkMinidumpList *list);

/* As above for a list that gives the sizes of its header and entries; an entry has at least
 * smallest bytes.  wide: the count is a u64 (MemoryInfoList). */
gboolean dk_minidump_list_open_sized(DkMinidump *md, guint32 type, gsize smallest, gboolean wide,
                                     guint64 limit, DkMinidumpList *list);

/* Copies the first len bytes of the next entry; FALSE behind the last. */
gboolean dk_minidump_list_next(DkMinidumpList *list, void *entry, gsize len);
