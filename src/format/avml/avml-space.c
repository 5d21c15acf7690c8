/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/bisect.h"
#include "base/error.h"
#include "codec/snappy-frame.h"
#include "format/avml/avml.h"
#include "format/piece-space.h"
#include "io/input.h"

/* One chunk unpacked, and where the walk to it stands; used by one thread at a time. */
typedef struct {
    guint32 part;     /* its index; G_MAXUINT32: none yet */
    guint64 content;  /* bytes of the part's memory before the chunk */
    guint32 len;      /* of the chunk's content; 0: it did not unpack */
    guint64 next_off; /* of the chunk behind it */
    guint8 bytes[DK_SNAPPY_CONTENT_MAX];
    guint8 packed[DK_SNAPPY_CHUNK_MAX];
} Chunk;

typedef struct {
    DkSpace space;
    DkInput *input;
    DkAvmlIndex *index;
    GArray *pieces; /* of DkPiece */
    GMutex lock;
    GPtrArray *idle; /* of Chunk, guarded by lock */
} AvmlSpace;

/* A chunk that no other thread uses, the one that has the place asked for if there is one. */
static Chunk *take_chunk(AvmlSpace *self, guint32 part, guint64 content)
{
    Chunk *chunk = NULL;
    g_mutex_lock(&self->lock);
    for (guint i = 0; i < self->idle->len && !chunk; i++) {
        const Chunk *idle = g_ptr_array_index(self->idle, i);
        if (idle->part == part && idle->content <= content &&
            content - idle->content <= DK_SNAPPY_CONTENT_MAX)
            chunk = g_ptr_array_steal_index(self->idle, i);
    }
    /* Else the one that has not been used for longest. */
    if (!chunk && self->idle->len)
        chunk = g_ptr_array_steal_index(self->idle, 0);
    g_mutex_unlock(&self->lock);
    if (!chunk) {
        chunk = g_new(Chunk, 1);
        chunk->part = G_MAXUINT32;
    }
    return chunk;
}

static void give_chunk(AvmlSpace *self, Chunk *chunk)
{
    g_mutex_lock(&self->lock);
    g_ptr_array_add(self->idle, chunk);
    g_mutex_unlock(&self->lock);
}

static gboolean mark_before(gconstpointer data, gsize index, guint64 content)
{
    const DkAvmlMark *marks = data;
    return marks[index].content <= content;
}

/* Unpacks the chunk at off, which has the content bytes wanted, into chunk. */
static gboolean unpack(AvmlSpace *self, Chunk *chunk, guint64 off, const DkSnappyChunk *head)
{
    gsize size = head->size;
    return size <= sizeof chunk->packed &&
           dk_input_read(self->input, off, chunk->packed, size, NULL) == (gssize)size &&
           dk_snappy_chunk_unpack(chunk->packed, size, off, chunk->bytes, head->content, NULL);
}

/* Finds and unpacks the chunk of part that has the byte content; FALSE when it is broken. */
static gboolean load(AvmlSpace *self, Chunk *chunk, guint32 part_index, guint64 content)
{
    const DkAvmlPart *part = &g_array_index(self->index->parts, DkAvmlPart, part_index);
    const DkAvmlMark *marks = &g_array_index(self->index->marks, DkAvmlMark, part->mark);
    gsize above = dk_bisect(part->nmarks, mark_before, marks, content);
    guint64 at = marks[above - 1].content;
    guint64 off = marks[above - 1].off;
    guint64 behind = chunk->content + chunk->len;
    if (chunk->part == part_index && chunk->len && behind <= content && behind > at) {
        at = behind;
        off = chunk->next_off;
    }
    for (;;) {
        guint8 raw[DK_SNAPPY_LOOK];
        DkSnappyChunk head;
        gssize got = dk_input_read(self->input, off, raw, sizeof raw, NULL);
        if (got < 0 || !dk_snappy_chunk_look(raw, (gsize)got, off, &head, NULL))
            return FALSE;
        if (content - at < head.content) {
            chunk->part = part_index;
            chunk->content = at;
            chunk->next_off = off + head.size;
            chunk->len = unpack(self, chunk, off, &head) ? head.content : 0;
            return chunk->len != 0;
        }
        at += head.content;
        off += head.size;
    }
}

/* Reads len bytes of a part from content on, all of which it has; how many could be. */
static gsize read_part(AvmlSpace *self, guint32 part, guint64 content, guint8 *buf, gsize len)
{
    Chunk *chunk = take_chunk(self, part, content);
    gsize done = 0;
    while (done < len) {
        guint64 at = content + done;
        gboolean here = chunk->part == part && chunk->content <= at &&
                        at - chunk->content < chunk->len;
        if (!here && !load(self, chunk, part, at))
            break;
        gsize skip = (gsize)(at - chunk->content);
        gsize take = MIN(len - done, chunk->len - skip);
        memcpy(buf + done, chunk->bytes + skip, take);
        done += take;
    }
    give_chunk(self, chunk);
    return done;
}

static gboolean piece_before(gconstpointer data, gsize index, guint64 pa)
{
    const GArray *pieces = data;
    return g_array_index(pieces, DkPiece, index).last < pa;
}

static gsize space_read(DkSpace *space, guint64 pa, void *buf, gsize len)
{
    AvmlSpace *self = (AvmlSpace *)space;
    gsize done = 0;
    guint i = (guint)dk_bisect(self->pieces->len, piece_before, self->pieces, pa);
    for (; done < len && i < self->pieces->len; i++) {
        const DkPiece *piece = &g_array_index(self->pieces, DkPiece, i);
        guint64 at = pa + done;
        if (piece->first > at)
            break;
        gsize want = (gsize)MIN(len - done - 1, piece->last - at) + 1;
        gsize got = want;
        if (piece->kind == DK_RUN_ZERO)
            memset((guint8 *)buf + done, 0, want);
        else
            got = read_part(self, (guint32)piece->off, at - piece->first, (guint8 *)buf + done,
                            want);
        done += got;
        if (got != want)
            break;
    }
    return done;
}

/* Blocks that touch are one run. */
static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const GArray *pieces = ((AvmlSpace *)space)->pieces;
    guint i = (guint)dk_bisect(pieces->len, piece_before, pieces, from);
    if (i == pieces->len)
        return FALSE;
    const DkPiece *piece = &g_array_index(pieces, DkPiece, i);
    *run = (DkRun){piece->first, piece->last, piece->kind};
    while (++i < pieces->len && piece[1].first == run->last + 1 && piece[1].kind == run->kind)
        run->last = (++piece)->last;
    return TRUE;
}

static void space_destroy(DkSpace *space)
{
    AvmlSpace *self = (AvmlSpace *)space;
    dk_input_unref(self->input);
    dk_avml_index_free(self->index);
    g_array_unref(self->pieces);
    g_ptr_array_unref(self->idle);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "avml",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

DkSpace *dk_avml_space_new(DkInput *input, DkAvmlIndex *index, GArray *pieces)
{
    AvmlSpace *self = g_new0(AvmlSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->input = dk_input_ref(input);
    self->index = index;
    self->pieces = pieces;
    g_mutex_init(&self->lock);
    self->idle = g_ptr_array_new_with_free_func(g_free);
    return &self->space;
}
