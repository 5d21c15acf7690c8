/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AVML files of version 2: the RAM of a machine as records of at most 16 MiB, each packed as a
 * snappy framed stream with its length behind it.  docs/formats/avml.md describes the format.
 */
#pragma once

#include "mem/format.h"

/* Where a chunk begins, for reads at any place: every 1 MiB of memory or so. */
typedef struct {
    guint64 content; /* bytes of the record's memory before it */
    guint64 off;     /* of the chunk in the file */
} DkAvmlMark;

typedef struct {
    guint64 first; /* physical addresses, both inside, as far as chunks are there */
    guint64 last;
    guint32 mark; /* index of its first mark; it has at least one */
    guint32 nmarks;
} DkAvmlPart;

/* What the walk over a file found. */
typedef struct {
    GArray *parts;  /* of DkAvmlPart, in file order, none without memory */
    GArray *marks;  /* of DkAvmlMark */
    GArray *ranges; /* of DkPiece: what each record says it holds, in file order */
    guint records;
    guint unsorted;
    guint bad_trailers;
    guint64 bad_trailer_off; /* of the first of them */
    char *damage;            /* why the walk ended before the file did; NULL: it did not */
} DkAvmlIndex;

/*
 * Walks over all chunks of input, looking at their heads only.  What is cut off is added to the
 * gaps of subject as "data".  Errors as of dk_lime_record_read(), for the first record.
 */
DkAvmlIndex *dk_avml_index_new(DkInput *input, DkSubject *subject,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_avml_index_free(DkAvmlIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkAvmlIndex, dk_avml_index_free)

/*
 * A space over index and pieces, which it takes over: pieces ascend and do not overlap; they are of
 * kind ZERO, or DATA with the index of a part in off, all of which they cover.
 */
DkSpace *dk_avml_space_new(DkInput *input, DkAvmlIndex *index, GArray *pieces);

/* The slots of DkFormat. */
DkSource *dk_avml_open(DkInput *input, GError **error);
gboolean dk_avml_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
DkSink *dk_avml_sink_new(DkOutput *output, const DkSinkOptions *options);
