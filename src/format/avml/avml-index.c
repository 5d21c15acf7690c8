/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"
#include "base/error.h"
#include "base/size.h"
#include "codec/snappy-frame.h"
#include "format/avml/avml.h"
#include "format/lime-record.h"
#include "format/piece-space.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* A mark stands at the first chunk of a record, and behind so much memory or so many chunks. */
#define MARK_BYTES ((guint64)1 << 20)
#define MARK_CHUNKS 1024u
#define MARKS_MAX (4u << 20)
#define TRAILER 8u

typedef struct {
    DkAvmlIndex *index;
    DkInput *input;
    DkSubject *subject;
    guint64 size; /* of the file */
    guint64 off;
    guint64 marked; /* bytes of the record before its last mark */
    guint chunks;   /* since that mark */
} Walk;

void dk_avml_index_free(DkAvmlIndex *index)
{
    if (!index)
        return;
    g_array_unref(index->parts);
    g_array_unref(index->marks);
    g_array_unref(index->ranges);
    g_free(index->damage);
    g_free(index);
}

static gboolean end_with(Walk *walk, const char *damage)
{
    walk->index->damage = g_strdup(damage);
    dk_subject_add_gap(walk->subject, "data", 1, 0, 0, "%s", damage);
    return FALSE;
}

/* Looks at the chunk at walk->off, which must be in the file whole. */
static gboolean look(Walk *walk, DkSnappyChunk *chunk, GError **error)
{
    guint8 head[DK_SNAPPY_LOOK];
    gssize got = dk_input_read(walk->input, walk->off, head, sizeof head, error);
    if (got < 0 || !dk_snappy_chunk_look(head, (gsize)got, walk->off, chunk, error))
        return FALSE;
    if (chunk->size <= walk->size - walk->off)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "the file ends at offset " HEX ", the snappy chunk at " HEX " has 0x%x bytes",
                walk->size, walk->off, chunk->size);
    return FALSE;
}

static gboolean add_mark(Walk *walk, guint64 content, GError **error)
{
    GArray *marks = walk->index->marks;
    if (content && content - walk->marked < MARK_BYTES && walk->chunks < MARK_CHUNKS)
        return TRUE;
    if (marks->len == MARKS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "more than %u MiB of memory in small pieces; the rest is not read",
                    MARKS_MAX >> 10);
        return FALSE;
    }
    DkAvmlMark mark = {content, walk->off};
    g_array_append_val(marks, mark);
    walk->marked = content;
    walk->chunks = 0;
    return TRUE;
}

/* Walks over the chunks of a record up to its size; *content gets how much of it is there. */
static gboolean walk_chunks(Walk *walk, guint64 size, guint64 *content, GError **error)
{
    guint64 start = walk->off;
    while (*content < size) {
        DkSnappyChunk chunk;
        if (!look(walk, &chunk, error))
            return FALSE;
        if (walk->off == start && (chunk.content || chunk.size != DK_SNAPPY_IDENTIFIER_SIZE)) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "no snappy stream begins at offset " HEX,
                        start);
            return FALSE;
        }
        if (chunk.content > size - *content) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "the snappy chunk at offset " HEX " has 0x%x bytes of memory, the record "
                        "has room for " HEX,
                        walk->off, chunk.content, size - *content);
            return FALSE;
        }
        if (chunk.content && !add_mark(walk, *content, error))
            return FALSE;
        walk->chunks++;
        *content += chunk.content;
        walk->off += chunk.size;
    }
    return TRUE;
}

static void add_part(Walk *walk, const DkLimeRecord *record, guint64 content, guint32 first_mark)
{
    DkAvmlIndex *index = walk->index;
    DkPiece range = {record->first, record->last, 0, DK_RUN_DATA};
    g_array_append_val(index->ranges, range);
    if (content <= record->last - record->first)
        dk_subject_add_gap(walk->subject, "data", record->first + content, record->last, 0,
                           "its record has " HEX " bytes of " HEX, content,
                           dk_size_of_range(record->first, record->last));
    if (!content)
        return;
    if (index->parts->len) {
        const DkAvmlPart *before = &g_array_index(index->parts, DkAvmlPart, index->parts->len - 1);
        index->unsorted += record->first < before->first;
    }
    DkAvmlPart part = {record->first, record->first + (content - 1), first_mark,
                       index->marks->len - first_mark};
    g_array_append_val(index->parts, part);
}

static gboolean walk_trailer(Walk *walk, guint64 start)
{
    guint8 raw[TRAILER];
    guint64 length;
    DkCursor cursor;
    gssize got = dk_input_read(walk->input, walk->off, raw, sizeof raw, NULL);
    dk_cursor_init(&cursor, raw, (gsize)MAX(got, 0), walk->off, "length behind a stream");
    g_autoptr(GError) error = NULL;
    if (!dk_cursor_u64(&cursor, "length", &length, &error))
        return end_with(walk, error->message);
    if (length != walk->off - start && !walk->index->bad_trailers++)
        walk->index->bad_trailer_off = walk->off;
    walk->off += TRAILER;
    return TRUE;
}

/* FALSE: the walk ends here.  *error is set for the very first header only. */
static gboolean walk_record(Walk *walk, GError **error)
{
    DkAvmlIndex *index = walk->index;
    DkLimeRecord record;
    g_autoptr(GError) local = NULL;
    if (!dk_lime_record_read(walk->input, walk->off, DK_AVML_MAGIC, DK_AVML_VERSION, &record,
                             &local)) {
        if (index->records)
            return end_with(walk, local->message);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    index->records++;
    walk->off += DK_LIME_HEADER_SIZE;
    guint64 start = walk->off;
    guint64 content = 0;
    guint32 first_mark = index->marks->len;
    gboolean whole = walk_chunks(walk, dk_size_of_range(record.first, record.last), &content,
                                 &local);
    add_part(walk, &record, content, first_mark);
    return whole ? walk_trailer(walk, start) : end_with(walk, local->message);
}

DkAvmlIndex *dk_avml_index_new(DkInput *input, DkSubject *subject, GError **error)
{
    g_autoptr(DkAvmlIndex) index = g_new0(DkAvmlIndex, 1);
    index->parts = g_array_new(FALSE, FALSE, sizeof(DkAvmlPart));
    index->marks = g_array_new(FALSE, FALSE, sizeof(DkAvmlMark));
    index->ranges = dk_pieces_new();
    Walk walk = {.index = index, .input = input, .subject = subject};
    walk.size = dk_input_size(input);
    do {
        if (index->records == DK_LIME_RECORDS_MAX) {
            end_with(&walk, "has more than 1048576 records; the rest is not read");
            break;
        }
        if (!walk_record(&walk, error)) {
            if (!index->records)
                return NULL;
            break;
        }
    } while (walk.off < walk.size);
    return g_steal_pointer(&index);
}
