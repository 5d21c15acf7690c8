/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/elfcore/elfcore-reader.h"

#include "base/bisect.h"

/* A stretch of memory of which the file has all (DK_RUN_DATA) or nothing. */
typedef struct {
    guint64 first;
    guint64 last;
    guint64 off;
    DkRunKind kind;
} Piece;

typedef struct {
    DkSpace space;
    DkInput *input;
    GArray *pieces; /* ascending, not overlapping */
} ElfcoreSpace;

static gboolean piece_before(gconstpointer data, gsize index, guint64 va)
{
    const GArray *pieces = data;
    return g_array_index(pieces, Piece, index).last < va;
}

/* The index of the first piece that ends at or above va; how many there are when none does. */
static guint piece_from(const ElfcoreSpace *self, guint64 va)
{
    return (guint)dk_bisect(self->pieces->len, piece_before, self->pieces, va);
}

static gsize space_read(DkSpace *space, guint64 va, void *buf, gsize len)
{
    ElfcoreSpace *self = (ElfcoreSpace *)space;
    gsize done = 0;
    for (guint i = piece_from(self, va); done < len && i < self->pieces->len; i++) {
        const Piece *piece = &g_array_index(self->pieces, Piece, i);
        guint64 at = va + done;
        if (piece->kind != DK_RUN_DATA || piece->first > at)
            break;
        gsize want = MIN(len - done - 1, piece->last - at) + 1;
        gssize got = dk_input_read(self->input, piece->off + (at - piece->first),
                                   (guint8 *)buf + done, want, NULL);
        if (got > 0)
            done += (gsize)got;
        if (got != (gssize)want)
            break;
    }
    return done;
}

static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    ElfcoreSpace *self = (ElfcoreSpace *)space;
    guint index = piece_from(self, from);
    if (index == self->pieces->len)
        return FALSE;
    const Piece *piece = &g_array_index(self->pieces, Piece, index);
    *run = (DkRun){piece->first, piece->last, piece->kind};
    return TRUE;
}

static void space_destroy(DkSpace *space)
{
    ElfcoreSpace *self = (ElfcoreSpace *)space;
    dk_input_unref(self->input);
    g_array_unref(self->pieces);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "elf core",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const Piece *left = a;
    const Piece *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->off > right->off) - (left->off < right->off);
}

/* Sorts, then cuts off or drops what an earlier piece covers already. */
static void untangle(GArray *pieces)
{
    g_array_sort(pieces, compare_pieces);
    guint kept = 0;
    for (guint i = 0; i < pieces->len; i++) {
        Piece piece = g_array_index(pieces, Piece, i);
        if (kept) {
            const Piece *before = &g_array_index(pieces, Piece, kept - 1);
            if (piece.last <= before->last)
                continue;
            if (piece.first <= before->last) {
                piece.off += before->last + 1 - piece.first;
                piece.first = before->last + 1;
            }
        }
        g_array_index(pieces, Piece, kept++) = piece;
    }
    g_array_set_size(pieces, kept);
}

/* Appends to out the parts of hole that no piece of data covers; *next is where to look first. */
static void add_uncovered(GArray *out, Piece hole, const GArray *data, guint *next)
{
    while (*next < data->len && g_array_index(data, Piece, *next).last < hole.first)
        (*next)++;
    for (guint i = *next; i < data->len; i++) {
        const Piece *piece = &g_array_index(data, Piece, i);
        if (piece->first > hole.last)
            break;
        if (piece->first > hole.first) {
            Piece part = {hole.first, piece->first - 1, 0, hole.kind};
            g_array_append_val(out, part);
        }
        if (piece->last >= hole.last)
            return;
        hole.first = piece->last + 1;
    }
    g_array_append_val(out, hole);
}

static void add_piece(GArray *pieces, guint64 first, guint64 last, guint64 off, DkRunKind kind)
{
    Piece piece = {first, last, off, kind};
    g_array_append_val(pieces, piece);
}

/* What the file has of a load, what its end cuts off, and what was left out when it was made. */
static void split_load(const DkElfcoreLoad *load, DkRunKind left_out, GArray *data, GArray *holes)
{
    guint64 most = load->last - load->first; /* one less than its bytes */
    guint64 held = load->filesz && left_out != DK_RUN_ABSENT ? MIN(load->filesz - 1, most) + 1
                                                             : load->present;
    if (load->present)
        add_piece(data, load->first, load->first + (load->present - 1), load->off, DK_RUN_DATA);
    if (load->present < held)
        add_piece(holes, load->first + load->present, load->first + (held - 1), 0, DK_RUN_ABSENT);
    if (!held || held - 1 < most)
        add_piece(holes, load->first + held, load->last, 0, left_out);
}

DkSpace *dk_elfcore_space_new(DkInput *input, const GArray *loads, DkRunKind left_out)
{
    g_autoptr(GArray) data = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_autoptr(GArray) holes = g_array_new(FALSE, FALSE, sizeof(Piece));
    for (guint i = 0; i < loads->len; i++)
        split_load(&g_array_index(loads, DkElfcoreLoad, i), left_out, data, holes);
    untangle(data);
    untangle(holes);
    ElfcoreSpace *self = g_new0(ElfcoreSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->input = dk_input_ref(input);
    self->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    guint next = 0;
    for (guint i = 0; i < holes->len; i++)
        add_uncovered(self->pieces, g_array_index(holes, Piece, i), data, &next);
    g_array_append_vals(self->pieces, data->data, data->len);
    g_array_sort(self->pieces, compare_pieces);
    return &self->space;
}
