/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/bisect.h"
#include "format/windmp/windmp-file.h"

#define PAGE_MASK (DMP_PAGE - 1)

typedef struct {
    DkWindmpIndex index;
    GArray *pieces; /* ascending, not overlapping */
} PieceIndex;

static gboolean piece_before(gconstpointer data, gsize at, guint64 address)
{
    return g_array_index((const GArray *)data, DkWindmpPiece, at).last < address;
}

static gboolean pieces_find(const DkWindmpIndex *index, guint64 from, guint64 upto,
                            DkWindmpPiece *piece)
{
    const GArray *pieces = ((const PieceIndex *)index)->pieces;
    gsize at = dk_bisect(pieces->len, piece_before, pieces, from);
    if (at == pieces->len)
        return FALSE;
    *piece = g_array_index(pieces, DkWindmpPiece, at);
    return TRUE;
}

static void pieces_free(DkWindmpIndex *index)
{
    g_array_unref(((PieceIndex *)index)->pieces);
    g_free(index);
}

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const DkWindmpPiece *left = a;
    const DkWindmpPiece *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->off > right->off) - (left->off < right->off);
}

/* Cuts off or drops what an earlier one of the sorted pieces covers; how many were touched. */
static guint untangle(GArray *pieces)
{
    guint kept = 0;
    guint overlaps = 0;
    for (guint i = 0; i < pieces->len; i++) {
        DkWindmpPiece piece = g_array_index(pieces, DkWindmpPiece, i);
        if (kept) {
            const DkWindmpPiece *before = &g_array_index(pieces, DkWindmpPiece, kept - 1);
            overlaps += piece.first <= before->last;
            if (piece.last <= before->last)
                continue;
            if (piece.first <= before->last) {
                piece.off += before->last + 1 - piece.first;
                piece.first = before->last + 1;
            }
        }
        g_array_index(pieces, DkWindmpPiece, kept++) = piece;
    }
    g_array_set_size(pieces, kept);
    return overlaps;
}

/* Splits pieces that reach behind the end of the file, and marks the parts there. */
static void mark_cut(DkWindmp *dump, GArray *pieces, gboolean paged)
{
    guint len = pieces->len;
    for (guint i = 0; i < len; i++) {
        DkWindmpPiece *piece = &g_array_index(pieces, DkWindmpPiece, i);
        guint64 have = piece->off < dump->size ? dump->size - piece->off : 0;
        if (paged)
            have &= ~PAGE_MASK;
        if (have && piece->last - piece->first <= have - 1)
            continue;
        if (!have) {
            piece->cut = TRUE;
            continue;
        }
        DkWindmpPiece rest = {piece->first + have, piece->last, piece->off + have, TRUE};
        piece->last = piece->first + (have - 1);
        g_array_append_val(pieces, rest);
    }
    if (pieces->len > len)
        g_array_sort(pieces, compare_pieces);
}

/* A gap for each piece that was cut off; those above the limit share the last one. */
static void add_gaps(DkWindmp *dump, const GArray *pieces)
{
    guint told = 0;
    guint more = 0;
    guint64 first = 0;
    guint64 last = 0;
    for (guint i = 0; i < pieces->len; i++) {
        const DkWindmpPiece *piece = &g_array_index(pieces, DkWindmpPiece, i);
        if (!piece->cut)
            continue;
        if (told++ < DK_WINDMP_TOLD_MAX) {
            dk_windmp_cut(dump, piece->first, piece->last,
                          "truncated: it stands at offset 0x%" G_GINT64_MODIFIER
                          "x, the file ends at 0x%" G_GINT64_MODIFIER "x",
                          piece->off, dump->size);
            continue;
        }
        first = more++ ? first : piece->first;
        last = piece->last;
    }
    if (more)
        dk_windmp_cut(dump, first, last, "truncated: %u more pieces of it are behind the end",
                      more);
}

DkWindmpIndex *dk_windmp_index_pieces(DkWindmp *dump, GArray *pieces, gboolean paged,
                                      guint *overlaps)
{
    g_array_sort(pieces, compare_pieces);
    guint count = untangle(pieces);
    if (overlaps)
        *overlaps = count;
    mark_cut(dump, pieces, paged);
    add_gaps(dump, pieces);
    PieceIndex *self = g_new0(PieceIndex, 1);
    self->index.find = pieces_find;
    self->index.free = pieces_free;
    self->pieces = pieces;
    return &self->index;
}

typedef struct {
    DkSpace space;
    DkInput *input;
    DkWindmpIndex *index;
    GArray *ram; /* of DkRamRange, or NULL */
} WindmpSpace;

static gsize space_read(DkSpace *space, guint64 address, void *buf, gsize len)
{
    WindmpSpace *self = (WindmpSpace *)space;
    guint64 upto = address + (len - 1);
    gsize done = 0;
    DkWindmpPiece piece;
    while (done < len && self->index &&
           self->index->find(self->index, address + done, upto, &piece)) {
        guint64 at = address + done;
        if (piece.cut || piece.first > at)
            break;
        gsize want = MIN(len - done - 1, piece.last - at) + 1;
        gssize got = dk_input_read(self->input, piece.off + (at - piece.first),
                                   (guint8 *)buf + done, want, NULL);
        if (got > 0)
            done += (gsize)got;
        if (got != (gssize)want)
            break;
    }
    return done;
}

static gboolean ram_before(gconstpointer data, gsize at, guint64 pa)
{
    return g_array_index((const GArray *)data, DkRamRange, at).last < pa;
}

/* The memory at or above from that the machine has and the index, whose next piece is given, not.
 */
static gboolean next_left_out(const WindmpSpace *self, guint64 from, const DkWindmpPiece *piece,
                              DkRun *run)
{
    gsize at = self->ram ? dk_bisect(self->ram->len, ram_before, self->ram, from) : 0;
    if (!self->ram || at == self->ram->len)
        return FALSE;
    const DkRamRange *range = &g_array_index(self->ram, DkRamRange, at);
    guint64 first = MAX(range->first, from & ~PAGE_MASK);
    if (piece && piece->first <= first)
        return FALSE;
    *run = (DkRun){first, range->last, DK_RUN_FILTERED};
    if (piece && piece->first <= range->last)
        run->last = piece->first - 1;
    return TRUE;
}

static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    WindmpSpace *self = (WindmpSpace *)space;
    DkWindmpPiece piece;
    gboolean found = self->index && self->index->find(self->index, from, G_MAXUINT64, &piece);
    if (next_left_out(self, from, found ? &piece : NULL, run))
        return TRUE;
    if (found)
        *run = (DkRun){piece.first, piece.last, piece.cut ? DK_RUN_ABSENT : DK_RUN_DATA};
    return found;
}

static void space_destroy(DkSpace *space)
{
    WindmpSpace *self = (WindmpSpace *)space;
    dk_input_unref(self->input);
    if (self->index)
        self->index->free(self->index);
    if (self->ram)
        g_array_unref(self->ram);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "Windows dump",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

DkSpace *dk_windmp_space_new(DkInput *input, DkWindmpIndex *index, const GArray *ram)
{
    WindmpSpace *self = g_new0(WindmpSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->input = dk_input_ref(input);
    self->index = index;
    if (ram) {
        self->ram = g_array_new(FALSE, FALSE, sizeof(DkRamRange));
        g_array_append_vals(self->ram, ram->data, ram->len);
    }
    return &self->space;
}

typedef struct {
    DkSpace space;
    DkInput *input;
    guint64 off;
    guint64 size;
} Slice;

static gsize slice_read(DkSpace *space, guint64 address, void *buf, gsize len)
{
    Slice *self = (Slice *)space;
    if (address >= self->size)
        return 0;
    gsize want = (gsize)MIN(len, self->size - address);
    gssize got = dk_input_read(self->input, self->off + address, buf, want, NULL);
    return got > 0 ? (gsize)got : 0;
}

static gboolean slice_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    Slice *self = (Slice *)space;
    if (from >= self->size)
        return FALSE;
    *run = (DkRun){0, self->size - 1, DK_RUN_DATA};
    return TRUE;
}

static void slice_destroy(DkSpace *space)
{
    dk_input_unref(((Slice *)space)->input);
    g_free(space);
}

static const DkSpaceOps slice_ops = {
    .name = "part of a file",
    .read = slice_read,
    .next_run = slice_next_run,
    .destroy = slice_destroy,
};

DkSpace *dk_windmp_slice_new(DkInput *input, guint64 off, guint64 size)
{
    Slice *self = g_new0(Slice, 1);
    dk_space_init(&self->space, &slice_ops);
    self->input = dk_input_ref(input);
    self->off = off;
    self->size = size;
    return &self->space;
}
