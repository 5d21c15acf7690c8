/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/progress.h"
#include "codec/snappy-frame.h"
#include "format/avml/avml.h"
#include "format/piece-space.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* Damaged chunks that are told one by one. */
#define TOLD_MAX 10u

typedef struct {
    DkSource source;
    DkInput *input;
    const DkAvmlIndex *index; /* the space's */
    guint overlapping;
} AvmlSource;

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const DkPiece *left = a;
    const DkPiece *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->off > right->off) - (left->off < right->off);
}

/* A piece for each part, ascending; one that overlaps another is left out whole. */
static GArray *make_pieces(AvmlSource *self)
{
    GArray *pieces = dk_pieces_new();
    for (guint i = 0; i < self->index->parts->len; i++) {
        const DkAvmlPart *part = &g_array_index(self->index->parts, DkAvmlPart, i);
        DkPiece piece = {part->first, part->last, i, DK_RUN_DATA};
        g_array_append_val(pieces, piece);
    }
    g_array_sort(pieces, compare_pieces);
    guint kept = 0;
    for (guint i = 0; i < pieces->len; i++) {
        DkPiece piece = g_array_index(pieces, DkPiece, i);
        if (kept && piece.first <= g_array_index(pieces, DkPiece, kept - 1).last) {
            self->overlapping++;
            dk_subject_add_gap(self->source.subject, "data", piece.first, piece.last, 0,
                               "its record overlaps another, and is not read");
            continue;
        }
        g_array_index(pieces, DkPiece, kept++) = piece;
    }
    g_array_set_size(pieces, kept);
    return pieces;
}

static void avml_close(DkSource *source)
{
    dk_input_unref(((AvmlSource *)source)->input);
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "avml",
    .caps = DK_SOURCE_PHYS,
    .close = avml_close,
};

DkSource *dk_avml_open(DkInput *input, GError **error)
{
    AvmlSource *self = g_new0(AvmlSource, 1);
    dk_source_init(&self->source, &source_ops, dk_input_name(input));
    g_autoptr(DkSource) source = &self->source;
    DkSubject *subject = source->subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    self->input = dk_input_ref(input);
    g_autoptr(DkAvmlIndex) index = dk_avml_index_new(input, subject, error);
    if (!index)
        return NULL;
    self->index = index;
    if (!dk_snappy_available()) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "is an AVML file; this dumpkit was built without snappy");
        return NULL;
    }
    GArray *pieces = make_pieces(self);
    dk_pieces_fill_avml(pieces);
    dk_pieces_untangle(index->ranges, NULL);
    dk_pieces_fill_avml(index->ranges);
    dk_pieces_add_ram(index->ranges, &subject->system);
    source->space = dk_avml_space_new(input, g_steal_pointer(&index), pieces);
    return g_steal_pointer(&source);
}

typedef struct {
    const AvmlSource *source;
    DkVerify *verify;
    guint64 done;    /* bytes of the file */
    guint broken;    /* chunks */
    guint8 *packed;  /* DK_SNAPPY_CHUNK_MAX */
    guint8 *content; /* DK_SNAPPY_CONTENT_MAX */
} Deep;

/* Unpacks the chunk at *off and moves behind it; *left is what the part lacks yet. */
static gboolean verify_chunk(Deep *deep, guint64 *off, guint64 *left, GError **error)
{
    DkInput *input = deep->source->input;
    DkSnappyChunk chunk;
    g_autoptr(GError) local = NULL;
    gssize got = dk_input_read(input, *off, deep->packed, DK_SNAPPY_CHUNK_MAX, error);
    if (got < 0)
        return FALSE;
    if (!dk_snappy_chunk_look(deep->packed, (gsize)got, *off, &chunk, error))
        return FALSE;
    if (chunk.content &&
        !dk_snappy_chunk_unpack(deep->packed, MIN(chunk.size, (gsize)got), *off, deep->content,
                                chunk.content, &local) &&
        deep->broken++ < TOLD_MAX)
        dk_verify_add(deep->verify, DK_VERIFY_DAMAGED, "content", "%s", local->message);
    deep->done += chunk.size;
    *off += chunk.size;
    *left -= MIN(*left, chunk.content);
    return dk_progress_tick(deep->verify->progress, deep->done, dk_input_size(input), error);
}

static gboolean verify_parts(Deep *deep, GError **error)
{
    const DkAvmlIndex *index = deep->source->index;
    for (guint i = 0; i < index->parts->len; i++) {
        const DkAvmlPart *part = &g_array_index(index->parts, DkAvmlPart, i);
        guint64 off = g_array_index(index->marks, DkAvmlMark, part->mark).off;
        guint64 left = part->last - part->first + 1;
        while (left) {
            if (!verify_chunk(deep, &off, &left, error))
                return FALSE;
        }
    }
    if (deep->broken > TOLD_MAX)
        dk_verify_add(deep->verify, DK_VERIFY_DAMAGED, "content", "%u snappy chunks are damaged",
                      deep->broken);
    return TRUE;
}

gboolean dk_avml_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const AvmlSource *self = (const AvmlSource *)source;
    const DkAvmlIndex *index = self->index;
    if (index->damage)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "records", "%s", index->damage);
    if (index->bad_trailers)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "records",
                      "%u of %u have a wrong length behind them, first at offset " HEX,
                      index->bad_trailers, index->records, index->bad_trailer_off);
    if (self->overlapping)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "records", "%u of %u overlap others",
                      self->overlapping, index->records);
    if (index->unsorted)
        dk_verify_add(verify, DK_VERIFY_NOTE, "records", "%u of %u are not in ascending order",
                      index->unsorted, index->records);
    dk_verify_add(verify, DK_VERIFY_NOTE, "zeros",
                  "AVML leaves out blocks that are zero: memory that is missing here may have been "
                  "zeros");
    if (!deep)
        return TRUE;
    Deep state = {.source = self, .verify = verify};
    state.packed = g_malloc(DK_SNAPPY_CHUNK_MAX);
    state.content = g_malloc(DK_SNAPPY_CONTENT_MAX);
    gboolean done = verify_parts(&state, error);
    g_free(state.packed);
    g_free(state.content);
    verify->content_verified = done;
    return done;
}
