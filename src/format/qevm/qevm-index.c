/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/qevm/qevm-index.h"

#include <string.h>

#include "base/bisect.h"
#include "base/error.h"
#include "io/input.h"

/* Offsets from here on stand for a byte that fills the pages. */
#define FILL (G_MAXUINT64 - 255)

/* Bytes that a read of several pages takes from the file at once. */
#define STEP 65536u

typedef struct {
    guint64 first; /* page number */
    guint64 off;
    guint32 count;
    guint32 order; /* of arrival */
} Run;

typedef struct {
    guint64 first; /* page numbers, both inside */
    guint64 last;
    gboolean data;
} Extent;

struct DkQevmIndex {
    guint page_size;
    guint stride;
    GArray *runs;    /* of Run: in order of arrival until done, then ascending, not overlapping */
    GArray *extents; /* of Extent, once done: neighbouring runs of one kind joined */
};

static inline guint64 run_end(const Run *run)
{
    return run->first + run->count;
}

static inline Run *run_at(const DkQevmIndex *index, guint i)
{
    return &g_array_index(index->runs, Run, i);
}

DkQevmIndex *dk_qevm_index_new(guint page_size, guint stride)
{
    DkQevmIndex *index = g_new0(DkQevmIndex, 1);
    index->page_size = page_size;
    index->stride = stride;
    index->runs = g_array_new(FALSE, FALSE, sizeof(Run));
    index->extents = g_array_new(FALSE, FALSE, sizeof(Extent));
    return index;
}

void dk_qevm_index_free(DkQevmIndex *index)
{
    if (!index) {
        return;
    }
    g_array_unref(index->runs);
    g_array_unref(index->extents);
    g_free(index);
}

/* Adds at most G_MAXUINT32 pages. */
static gboolean add_run(DkQevmIndex *index, guint64 page, guint32 count, guint64 off,
                        GError **error)
{
    guint len = index->runs->len;
    Run *last = len > 0 ? run_at(index, len - 1) : NULL;
    if (last && run_end(last) == page && count <= G_MAXUINT32 - last->count) {
        gboolean joins = off >= FILL ? last->off == off
                                     : last->off < FILL &&
                                           off == last->off + (guint64)last->count * index->stride;
        if (joins) {
            last->count += count;
            return TRUE;
        }
    }
    if (len >= DK_QEVM_RUNS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "the pages lie in more than %u runs, which is the limit", DK_QEVM_RUNS_MAX);
        return FALSE;
    }
    Run run = {.first = page, .off = off, .count = count, .order = len};
    g_array_append_val(index->runs, run);
    return TRUE;
}

static gboolean add(DkQevmIndex *index, guint64 page, guint64 count, guint64 off, GError **error)
{
    while (count > 0) {
        guint32 part = (guint32)MIN(count, G_MAXUINT32);
        if (!add_run(index, page, part, off, error)) {
            return FALSE;
        }
        page += part;
        count -= part;
        off += off >= FILL ? 0 : (guint64)part * index->stride;
    }
    return TRUE;
}

gboolean dk_qevm_index_add(DkQevmIndex *index, guint64 page, guint64 count, guint64 off,
                           GError **error)
{
    return add(index, page, count, off, error);
}

gboolean dk_qevm_index_add_fill(DkQevmIndex *index, guint64 page, guint64 count, guint8 fill,
                                GError **error)
{
    return add(index, page, count, FILL + fill, error);
}

static gint compare(gconstpointer a, gconstpointer b)
{
    const Run *left = a;
    const Run *right = b;
    if (left->first != right->first) {
        return left->first < right->first ? -1 : 1;
    }
    return left->order < right->order ? -1 : left->order > right->order;
}

/* A heap of numbers of runs, the latest one on top. */
static void heap_push(const DkQevmIndex *index, GArray *heap, guint32 run)
{
    guint i = heap->len;
    g_array_append_val(heap, run);
    guint32 *at = (guint32 *)(void *)heap->data;
    while (i > 0 && run_at(index, at[(i - 1) / 2])->order < run_at(index, at[i])->order) {
        guint32 swap = at[i];
        at[i] = at[(i - 1) / 2];
        at[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static void heap_pop(const DkQevmIndex *index, GArray *heap)
{
    guint32 *at = (guint32 *)(void *)heap->data;
    guint len = heap->len - 1;
    at[0] = at[len];
    g_array_set_size(heap, len);
    for (guint i = 0; 2 * i + 1 < len;) {
        guint child = 2 * i + 1;
        if (child + 1 < len &&
            run_at(index, at[child + 1])->order > run_at(index, at[child])->order) {
            child++;
        }
        if (run_at(index, at[i])->order >= run_at(index, at[child])->order) {
            return;
        }
        guint32 swap = at[i];
        at[i] = at[child];
        at[child] = swap;
        i = child;
    }
}

/* Appends pages first to end - 1 of run to out. */
static void emit(const DkQevmIndex *index, GArray *out, const Run *run, guint64 first, guint64 end)
{
    if (out->len > 0) {
        Run *last = &g_array_index(out, Run, out->len - 1);
        if (last->order == run->order && run_end(last) == first) {
            last->count += (guint32)(end - first);
            return;
        }
    }
    Run part = *run;
    part.first = first;
    part.count = (guint32)(end - first);
    part.off += run->off >= FILL ? 0 : (first - run->first) * index->stride;
    g_array_append_val(out, part);
}

/* Sorted runs that overlap become runs that do not, of the latest at each page. */
static GArray *paint(const DkQevmIndex *index)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(Run));
    g_autoptr(GArray) heap = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint64 page = 0;
    guint next = 0;
    for (;;) {
        while (heap->len > 0 && run_end(run_at(index, g_array_index(heap, guint32, 0))) <= page) {
            heap_pop(index, heap);
        }
        if (heap->len == 0) {
            if (next == index->runs->len) {
                return out;
            }
            page = MAX(page, run_at(index, next)->first);
        }
        while (next < index->runs->len && run_at(index, next)->first <= page) {
            heap_push(index, heap, next++);
        }
        const Run *top = run_at(index, g_array_index(heap, guint32, 0));
        guint64 end = run_end(top);
        if (next < index->runs->len) {
            end = MIN(end, run_at(index, next)->first);
        }
        if (end > page) {
            emit(index, out, top, page, end);
            page = end;
        }
    }
}

static void join_extents(DkQevmIndex *index)
{
    for (guint i = 0; i < index->runs->len; i++) {
        const Run *run = run_at(index, i);
        Extent extent = {run->first, run_end(run) - 1, run->off != FILL};
        Extent *last = index->extents->len > 0
                           ? &g_array_index(index->extents, Extent, index->extents->len - 1)
                           : NULL;
        if (last && last->data == extent.data && last->last + 1 == extent.first) {
            last->last = extent.last;
        } else {
            g_array_append_val(index->extents, extent);
        }
    }
}

guint64 dk_qevm_index_done(DkQevmIndex *index)
{
    guint64 before = 0;
    guint64 after = 0;
    gboolean overlap = FALSE;
    g_array_sort(index->runs, compare);
    for (guint i = 0; i < index->runs->len; i++) {
        before += run_at(index, i)->count;
        overlap |= i > 0 && run_at(index, i)->first < run_end(run_at(index, i - 1));
    }
    after = before;
    if (overlap) {
        GArray *painted = paint(index);
        g_array_unref(index->runs);
        index->runs = painted;
        after = 0;
        for (guint i = 0; i < painted->len; i++) {
            after += run_at(index, i)->count;
        }
    }
    join_extents(index);
    return before - after;
}

static gboolean extent_before(gconstpointer data, gsize i, guint64 page)
{
    return g_array_index((const GArray *)data, Extent, i).last < page;
}

static gboolean run_before(gconstpointer data, gsize i, guint64 page)
{
    return run_end(&g_array_index((const GArray *)data, Run, i)) <= page;
}

guint64 dk_qevm_index_count(const DkQevmIndex *index, guint64 first, guint64 last)
{
    guint64 count = 0;
    gsize i = dk_bisect(index->extents->len, extent_before, index->extents, first);
    for (; i < index->extents->len; i++) {
        const Extent *extent = &g_array_index(index->extents, Extent, i);
        if (extent->first > last) {
            break;
        }
        count += MIN(extent->last, last) - MAX(extent->first, first) + 1;
    }
    return count;
}

typedef struct {
    DkSpace space;
    DkQevmIndex *index;
    DkInput *input;
} QevmSpace;

/*
 * Reads len bytes that begin at byte `within` of the run's memory.  Pages with a header between
 * them are taken with it in large pieces.
 */
static gsize read_run(QevmSpace *self, const Run *run, guint64 within, guint8 *to, gsize len)
{
    guint page_size = self->index->page_size;
    guint stride = self->index->stride;
    gsize done = 0;
    if (run->off >= FILL) {
        memset(to, (gint)(run->off - FILL), len);
        return len;
    }
    if (stride == page_size) {
        gssize got = dk_input_read(self->input, run->off + within, to, len, NULL);
        return got > 0 ? (gsize)got : 0;
    }
    g_autofree guint8 *piece = len > page_size ? g_try_malloc(STEP + stride) : NULL;
    while (done < len) {
        guint64 page = (within + done) / page_size;
        guint64 in_page = (within + done) % page_size;
        guint64 off = run->off + page * stride + in_page;
        gsize in_first = MIN(page_size - in_page, len - done);
        if (!piece || len - done <= in_first) {
            gssize got = dk_input_read(self->input, off, to + done, in_first, NULL);
            if (got != (gssize)in_first) {
                return done + (got > 0 ? (gsize)got : 0);
            }
            done += in_first;
            continue;
        }
        gsize rest = len - done - in_first;
        gsize pages = MIN((rest + page_size - 1) / page_size, STEP / stride);
        gsize in_rest = MIN(rest, pages * page_size);
        gsize want = in_first + pages * stride - (pages * page_size - in_rest);
        if (pages == 0) {
            g_clear_pointer(&piece, g_free);
            continue;
        }
        if (dk_input_read(self->input, off, piece, want, NULL) != (gssize)want) {
            g_clear_pointer(&piece, g_free); /* a page at a time, up to the one that fails */
            continue;
        }
        memcpy(to + done, piece, in_first);
        done += in_first;
        const guint8 *from = piece + in_first + (stride - page_size);
        for (gsize i = 0; i < pages; i++, from += stride) {
            gsize part = MIN(page_size, len - done);
            memcpy(to + done, from, part);
            done += part;
        }
    }
    return done;
}

static gsize space_read(DkSpace *space, guint64 pa, void *buf, gsize len)
{
    QevmSpace *self = (QevmSpace *)space;
    guint page_size = self->index->page_size;
    const GArray *runs = self->index->runs;
    gsize done = 0;
    for (gsize i = dk_bisect(runs->len, run_before, runs, pa / page_size);
         done < len && i < runs->len; i++) {
        const Run *run = run_at(self->index, (guint)i);
        guint64 at = pa + done;
        guint64 first_pa = run->first * page_size;
        if (first_pa > at) {
            break;
        }
        guint64 within = at - first_pa;
        gsize part = (gsize)MIN(len - done, (guint64)run->count * page_size - within);
        gsize got = read_run(self, run, within, (guint8 *)buf + done, part);
        done += got;
        if (got != part) {
            break;
        }
    }
    return done;
}

static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const DkQevmIndex *index = ((QevmSpace *)space)->index;
    gsize i = dk_bisect(index->extents->len, extent_before, index->extents,
                        from / index->page_size);
    if (i == index->extents->len) {
        return FALSE;
    }
    const Extent *extent = &g_array_index(index->extents, Extent, i);
    run->first = extent->first * index->page_size;
    run->last = (extent->last + 1) * index->page_size - 1;
    run->kind = extent->data ? DK_RUN_DATA : DK_RUN_ZERO;
    return TRUE;
}

static void space_destroy(DkSpace *space)
{
    QevmSpace *self = (QevmSpace *)space;
    dk_qevm_index_free(self->index);
    dk_input_unref(self->input);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "QEMU migration stream",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

DkSpace *dk_qevm_space_new(DkQevmIndex *index, DkInput *input)
{
    QevmSpace *self = g_new0(QevmSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->index = index;
    self->input = dk_input_ref(input);
    return &self->space;
}
