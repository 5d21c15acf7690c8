/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/kdump/kdump-flat.h"

#include <errno.h>
#include <string.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/fd.h"
#include "format/kdump/kdump-layout.h"
#include "io/input-backend.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define COPY_STEP ((gsize)256 << 10)

/* Bytes of the ordinary file and where they stand in the flattened one. */
typedef struct {
    guint64 off;
    guint64 end;
    guint64 pos;
} Piece;

typedef struct {
    DkInput base;
    DkInput *below;
    GArray *pieces; /* ascending, not overlapping; NULL with fd */
    int fd;         /* the temporary file, or -1 */
} FlatInput;

/* The state of one pass over the records. */
typedef struct {
    DkInput *below;
    DkKdumpFlatFacts *facts;
    GArray *pieces; /* NULL: records are counted or copied only */
    int fd;         /* -1: nothing is copied */
    guint64 size;   /* of the ordinary file */
} Walk;

static gboolean piece_before(gconstpointer data, gsize index, guint64 off)
{
    const GArray *pieces = data;
    return g_array_index(pieces, Piece, index).end <= off;
}

static gssize flat_read(DkInput *input, guint64 off, void *buf, gsize len, GError **error)
{
    FlatInput *self = (FlatInput *)input;
    if (!self->pieces)
        return dk_input_pread(input->name, self->fd, off, buf, len, error) ? (gssize)len : -1;
    gsize index = dk_bisect(self->pieces->len, piece_before, self->pieces, off);
    for (gsize done = 0; done < len; index++) {
        guint64 at = off + done;
        guint64 until = off + len;
        const Piece *piece = index < self->pieces->len ? &g_array_index(self->pieces, Piece, index)
                                                       : NULL;
        if (!piece || piece->off > at) {
            gsize gap = (gsize)((piece ? MIN(piece->off, until) : until) - at);
            memset((guint8 *)buf + done, 0, gap);
            done += gap;
            at += gap;
        }
        if (done == len || !piece)
            break;
        gsize want = (gsize)(MIN(piece->end, until) - at);
        gssize got = dk_input_read(self->below, piece->pos + (at - piece->off),
                                   (guint8 *)buf + done, want, error);
        if (got < 0)
            return -1;
        if (got < (gssize)want) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "%s: ends inside the record at offset " HEX, input->name, piece->pos);
            return -1;
        }
        done += want;
    }
    return (gssize)len;
}

static void flat_clear(DkInput *input)
{
    FlatInput *self = (FlatInput *)input;
    dk_input_unref(self->below);
    g_clear_pointer(&self->pieces, g_array_unref);
    dk_fd_close(&self->fd);
}

static const DkInputOps flat_ops = {
    .container = "flattened",
    .read = flat_read,
    .clear = flat_clear,
};

static gboolean copy_record(const Walk *walk, guint64 pos, guint64 off, guint64 size,
                            GError **error)
{
    g_autofree guint8 *buffer = g_malloc(COPY_STEP);
    while (size) {
        gsize step = (gsize)MIN(size, COPY_STEP);
        gssize got = dk_input_read(walk->below, pos, buffer, step, error);
        if (got < 0)
            return FALSE;
        if (dk_fd_pwrite_all(walk->fd, buffer, (gsize)got, off) < 0) {
            dk_error_set_errno(error, errno, "cannot write a temporary file in %s",
                               g_get_tmp_dir());
            return FALSE;
        }
        if (got < (gssize)step)
            break;
        pos += step;
        off += step;
        size -= step;
    }
    return TRUE;
}

/* Takes one record, whose bytes begin at pos; *next is the place of the one behind it. */
static gboolean take_record(Walk *walk, guint64 pos, const DkKdumpRecord *record, GError **error)
{
    if (record->offset > DK_KDUMP_FLAT_MAX || record->size > DK_KDUMP_FLAT_MAX - record->offset) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "record at offset " HEX ": " HEX " bytes at " HEX
                    " are beyond what a flattened file can hold",
                    pos - sizeof *record, record->size, record->offset);
        return FALSE;
    }
    guint64 there = MIN(record->size, dk_input_size(walk->below) - pos);
    walk->size = MAX(walk->size, record->offset + there);
    walk->facts->records++;
    if (walk->pieces && there) {
        Piece piece = {record->offset, record->offset + there, pos};
        g_array_append_val(walk->pieces, piece);
    }
    return walk->fd < 0 || copy_record(walk, pos, record->offset, there, error);
}

static gboolean read_record(DkInput *below, guint64 pos, DkKdumpRecord *record, gboolean *there,
                            GError **error)
{
    guint8 bytes[sizeof *record];
    gssize got = dk_input_read(below, pos, bytes, sizeof bytes, error);
    if (got < 0)
        return FALSE;
    *there = got == sizeof bytes;
    if (!*there)
        return TRUE;
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes, sizeof bytes, pos, "record");
    cursor.big_endian = TRUE;
    return dk_cursor_u64(&cursor, "offset", &record->offset, error) &&
           dk_cursor_u64(&cursor, "size", &record->size, error);
}

/* Goes over all records, but ends when there are more than max. */
static gboolean walk_records(Walk *walk, guint64 max, GError **error)
{
    guint64 pos = DK_KDUMP_FLAT_HEADER_SIZE;
    guint64 file_size = dk_input_size(walk->below);
    walk->facts->records = 0;
    walk->size = 0;
    for (;;) {
        DkKdumpRecord record;
        gboolean there;
        if (!read_record(walk->below, pos, &record, &there, error))
            return FALSE;
        walk->facts->end = pos;
        walk->facts->cut = !there;
        if (!there || (record.offset == G_MAXUINT64 && record.size == G_MAXUINT64))
            return TRUE;
        pos += sizeof record;
        if (!take_record(walk, pos, &record, error))
            return FALSE;
        if (record.size > file_size - pos) {
            walk->facts->cut = TRUE;
            walk->facts->end = file_size;
            return TRUE;
        }
        pos += record.size;
        if (walk->facts->records > max)
            return TRUE;
    }
}

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const Piece *left = a;
    const Piece *right = b;
    if (left->off != right->off)
        return left->off < right->off ? -1 : 1;
    return (left->pos > right->pos) - (left->pos < right->pos);
}

/* A heap of indices into sorted pieces, the one that was written last on top. */
typedef struct {
    const Piece *pieces;
    guint32 *items;
    guint len;
} Heap;

static gboolean is_later(const Heap *heap, guint a, guint b)
{
    return heap->pieces[heap->items[a]].pos > heap->pieces[heap->items[b]].pos;
}

static void swap_items(Heap *heap, guint a, guint b)
{
    guint32 kept = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = kept;
}

static void heap_push(Heap *heap, guint32 item)
{
    guint at = heap->len++;
    heap->items[at] = item;
    for (; at && is_later(heap, at, (at - 1) / 2); at = (at - 1) / 2)
        swap_items(heap, at, (at - 1) / 2);
}

static void heap_pop(Heap *heap)
{
    heap->items[0] = heap->items[--heap->len];
    for (guint at = 0;;) {
        guint best = at;
        for (guint child = 2 * at + 1; child <= 2 * at + 2 && child < heap->len; child++) {
            if (is_later(heap, child, best))
                best = child;
        }
        if (best == at)
            return;
        swap_items(heap, at, best);
        at = best;
    }
}

/* Of overlapping pieces (sorted) keeps what was written last. */
static GArray *untangle(const GArray *sorted)
{
    const Piece *pieces = (const Piece *)(gpointer)sorted->data;
    GArray *out = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_autofree guint32 *items = g_new(guint32, sorted->len);
    Heap heap = {pieces, items, 0};
    guint64 at = 0;
    for (guint32 next = 0; next < sorted->len || heap.len;) {
        if (!heap.len)
            at = pieces[next].off;
        while (next < sorted->len && pieces[next].off <= at)
            heap_push(&heap, next++);
        while (heap.len && pieces[heap.items[0]].end <= at)
            heap_pop(&heap);
        if (!heap.len)
            continue;
        const Piece *top = &pieces[heap.items[0]];
        while (next < sorted->len && pieces[next].off < top->end && pieces[next].pos < top->pos)
            heap_push(&heap, next++);
        guint64 until = next < sorted->len && pieces[next].off < top->end ? pieces[next].off
                                                                          : top->end;
        Piece piece = {at, until, top->pos + (at - top->off)};
        g_array_append_val(out, piece);
        at = until;
    }
    return out;
}

static GArray *put_in_order(GArray *pieces)
{
    gboolean sorted = TRUE;
    for (guint i = 1; i < pieces->len && sorted; i++)
        sorted = g_array_index(pieces, Piece, i - 1).end <= g_array_index(pieces, Piece, i).off;
    if (sorted)
        return g_array_ref(pieces);
    g_array_sort(pieces, compare_pieces);
    return untangle(pieces);
}

/* Puts the records in order in a temporary file. */
static int copy_all(Walk *walk, GError **error)
{
    const char *dir = g_get_tmp_dir();
    dk_autofd int fd = dk_fd_open_unlinked(dir);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "cannot create a temporary file in %s", dir);
        return -1;
    }
    walk->fd = fd;
    walk->pieces = NULL;
    walk->facts->copied = TRUE;
    if (!walk_records(walk, G_MAXUINT64, error))
        return -1;
    if (ftruncate(fd, (off_t)walk->size) < 0) {
        dk_error_set_errno(error, errno, "cannot write a temporary file in %s", g_get_tmp_dir());
        return -1;
    }
    return dk_fd_steal(&fd);
}

static gboolean check_header(DkInput *below, gboolean *flattened, GError **error)
{
    guint8 bytes[sizeof(DkKdumpFlatHeader)];
    gssize got = dk_input_read(below, 0, bytes, sizeof bytes, error);
    if (got < 0)
        return FALSE;
    *flattened = got >= 16 && !memcmp(bytes, DK_KDUMP_FLAT_MAGIC, 16);
    if (!*flattened)
        return TRUE;
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes, (gsize)got, 0, "flattened header");
    cursor.big_endian = TRUE;
    guint64 type, version;
    if (!dk_cursor_seek(&cursor, "type", 16, error) ||
        !dk_cursor_u64(&cursor, "type", &type, error) ||
        !dk_cursor_u64(&cursor, "version", &version, error))
        return FALSE;
    if (type == 1 && version == 1)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "flattened header at offset 0x10: type %" G_GUINT64_FORMAT
                ", version %" G_GUINT64_FORMAT "; expected 1 and 1",
                type, version);
    return FALSE;
}

DkInput *dk_kdump_flat_open(DkInput *below, guint max_records, DkKdumpFlatFacts *facts,
                            GError **error)
{
    *facts = (DkKdumpFlatFacts){0};
    if (!check_header(below, &facts->flattened, error))
        return NULL;
    if (!facts->flattened)
        return dk_input_ref(below);
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    Walk walk = {below, facts, pieces, -1, 0};
    if (!walk_records(&walk, max_records, error))
        return NULL;
    dk_autofd int fd = -1;
    if (facts->records > max_records) {
        g_array_set_size(pieces, 0);
        fd = copy_all(&walk, error);
        if (fd < 0)
            return NULL;
    }
    FlatInput *self = g_new0(FlatInput, 1);
    dk_input_init(&self->base, &flat_ops, dk_input_name(below), walk.size);
    self->below = dk_input_ref(below);
    self->pieces = fd < 0 ? put_in_order(pieces) : NULL;
    self->fd = dk_fd_steal(&fd);
    return &self->base;
}
