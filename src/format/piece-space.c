/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/piece-space.h"

#include <string.h>

#include "base/bisect.h"
#include "io/input.h"

#define PAGE_MASK ((guint64)4095)
#define AVML_BLOCK ((guint64)16 << 20)

typedef struct {
    DkSpace space;
    DkInput *input;
    GArray *pieces; /* of DkPiece, untangled */
    gboolean sparse;
} PieceSpace;

GArray *dk_pieces_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(DkPiece));
}

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const DkPiece *left = a;
    const DkPiece *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->off > right->off) - (left->off < right->off);
}

guint dk_pieces_untangle(GArray *pieces, guint64 *first_pa)
{
    g_array_sort(pieces, compare_pieces);
    guint kept = 0;
    guint cut = 0;
    for (guint i = 0; i < pieces->len; i++) {
        DkPiece piece = g_array_index(pieces, DkPiece, i);
        const DkPiece *before = kept ? &g_array_index(pieces, DkPiece, kept - 1) : NULL;
        if (before && piece.first <= before->last) {
            if (!cut++ && first_pa)
                *first_pa = piece.first;
            if (piece.last <= before->last)
                continue;
            piece.off += before->last + 1 - piece.first;
            piece.first = before->last + 1;
        }
        g_array_index(pieces, DkPiece, kept++) = piece;
    }
    g_array_set_size(pieces, kept);
    return cut;
}

void dk_pieces_add_ram(const GArray *pieces, DkMachine *machine)
{
    for (guint i = 0; i < pieces->len; i++) {
        const DkPiece *piece = &g_array_index(pieces, DkPiece, i);
        dk_machine_add_ram(machine, piece->first, piece->last);
    }
}

void dk_pieces_fill_avml(GArray *pieces)
{
    guint count = pieces->len;
    for (guint i = 1; i < count; i++) {
        const DkPiece *before = &g_array_index(pieces, DkPiece, i - 1);
        const DkPiece *after = &g_array_index(pieces, DkPiece, i);
        guint64 hole = after->first - before->last - 1;
        if (!hole || hole % AVML_BLOCK || before->last - before->first != AVML_BLOCK - 1)
            continue;
        DkPiece zero = {before->last + 1, after->first - 1, 0, DK_RUN_ZERO};
        g_array_append_val(pieces, zero);
    }
    g_array_sort(pieces, compare_pieces);
}

static gboolean piece_before(gconstpointer data, gsize index, guint64 pa)
{
    const GArray *pieces = data;
    return g_array_index(pieces, DkPiece, index).last < pa;
}

/* The index of the first piece that ends at or above pa; how many there are when none does. */
static guint piece_from(const PieceSpace *self, guint64 pa)
{
    return (guint)dk_bisect(self->pieces->len, piece_before, self->pieces, pa);
}

static gsize space_read(DkSpace *space, guint64 pa, void *buf, gsize len)
{
    PieceSpace *self = (PieceSpace *)space;
    gsize done = 0;
    for (guint i = piece_from(self, pa); done < len && i < self->pieces->len; i++) {
        const DkPiece *piece = &g_array_index(self->pieces, DkPiece, i);
        guint64 at = pa + done;
        if (piece->first > at)
            break;
        gsize want = (gsize)MIN(len - done - 1, piece->last - at) + 1;
        gssize got = (gssize)want;
        if (piece->kind == DK_RUN_ZERO)
            memset((guint8 *)buf + done, 0, want);
        else
            got = dk_input_read(self->input, piece->off + (at - piece->first), (guint8 *)buf + done,
                                want, NULL);
        if (got > 0)
            done += (gsize)got;
        if (got != (gssize)want)
            break;
    }
    return done;
}

/*
 * Where the stretch of one kind that begins at pa ends.  A hole of the file counts by whole pages:
 * a page with one byte of data is data.
 */
static guint64 stretch_last(const PieceSpace *self, const DkPiece *piece, guint64 pa,
                            gboolean *hole)
{
    guint64 off = piece->off + (pa - piece->first);
    guint64 end = dk_input_stretch(self->input, off, hole);
    guint64 last = pa + MIN(piece->last - pa, end - off - 1);
    if (!*hole)
        return MIN(piece->last, last | PAGE_MASK);
    if (last == piece->last)
        return last;
    guint64 next = (last + 1) & ~PAGE_MASK;
    if (next > pa)
        return next - 1;
    *hole = FALSE;
    return MIN(piece->last, pa | PAGE_MASK);
}

static void cut_to_stretch(const PieceSpace *self, const DkPiece *piece, guint64 from, DkRun *run)
{
    gboolean hole = FALSE;
    gboolean next_hole = FALSE;
    run->first = MAX(piece->first, from & ~PAGE_MASK);
    run->last = stretch_last(self, piece, run->first, &hole);
    while (run->last < piece->last) {
        guint64 last = stretch_last(self, piece, run->last + 1, &next_hole);
        if (next_hole != hole)
            break;
        run->last = last;
    }
    run->kind = hole ? DK_RUN_ZERO : DK_RUN_DATA;
}

static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    PieceSpace *self = (PieceSpace *)space;
    guint index = piece_from(self, from);
    if (index == self->pieces->len)
        return FALSE;
    const DkPiece *piece = &g_array_index(self->pieces, DkPiece, index);
    *run = (DkRun){piece->first, piece->last, piece->kind};
    if (self->sparse && piece->kind == DK_RUN_DATA)
        cut_to_stretch(self, piece, from, run);
    return TRUE;
}

static void space_destroy(DkSpace *space)
{
    PieceSpace *self = (PieceSpace *)space;
    dk_input_unref(self->input);
    g_array_unref(self->pieces);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "pieces of a file",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

DkSpace *dk_piece_space_new(DkInput *input, GArray *pieces, gboolean sparse)
{
    PieceSpace *self = g_new0(PieceSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->input = dk_input_ref(input);
    self->pieces = pieces;
    self->sparse = sparse;
    return &self->space;
}
