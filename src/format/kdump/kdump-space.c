/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The physical memory of a dump.  Each thread that reads has a work area of its own, so that
 * nothing is shared but the list of idle ones.
 */
#include <string.h>

#include "format/kdump/kdump-reader.h"

/* Pages that are looked up before they are read. */
#define BATCH 64u
/* Stored bytes that are read at once. */
#define SPAN_MAX ((gsize)256 << 10)
/* Unpacked pages that are kept, for reads of parts of a page. */
#define PAGE_SLOTS 64u
/* A run of zeros has at least so many pages; shorter ones are data. */
#define ZERO_RUN 16u

typedef struct {
    const DkKdumpFile *file; /* NULL: nothing */
    guint64 off;
    guint8 *bytes;
} CachedPage;

typedef struct {
    DkKdumpCache cache;
    DkKdumpUnpackers unpackers;
    guint8 *stored; /* SPAN_MAX bytes */
    CachedPage pages[PAGE_SLOTS];
} Work;

typedef enum {
    KIND_NONE, /* no memory, as far as the dump knows */
    KIND_DATA,
    KIND_ZERO,     /* known to be zero */
    KIND_ABSENT,   /* exists, and is not in the dump */
    KIND_FILTERED, /* left out */
    KIND_DROPPED,  /* left out because it is zero */
} Kind;

/* Where a page is. */
typedef struct {
    const DkKdumpFile *file; /* NULL for what has no descriptor */
    DkKdumpPage page;
    Kind kind;
} Place;

static void work_free(gpointer data)
{
    Work *work = data;
    dk_kdump_cache_clear(&work->cache);
    dk_kdump_unpackers_clear(&work->unpackers);
    for (guint i = 0; i < PAGE_SLOTS; i++)
        g_free(work->pages[i].bytes);
    g_free(work->stored);
    g_free(work);
}

static Work *take_work(DkKdumpSpace *self)
{
    g_mutex_lock(&self->lock);
    Work *work = self->idle->len ? g_ptr_array_steal_index_fast(self->idle, self->idle->len - 1)
                                 : NULL;
    guint number = work ? 0 : self->works++;
    g_mutex_unlock(&self->lock);
    if (!work) {
        work = g_new0(Work, 1);
        /* Several at once copy the dump, one alone looks around in it. */
        work->cache.jumps = number == 0;
        work->stored = g_malloc(SPAN_MAX);
    }
    return work;
}

static void give_work(DkKdumpSpace *self, Work *work)
{
    g_mutex_lock(&self->lock);
    g_ptr_array_add(self->idle, work);
    g_mutex_unlock(&self->lock);
}

static const DkKdumpFile *first_file(const DkKdumpSpace *self)
{
    return g_ptr_array_index(self->files, 0);
}

/* The file whose part pfn is, or NULL. */
static const DkKdumpFile *file_of(const DkKdumpSpace *self, guint64 pfn)
{
    guint low = 0;
    guint high = self->files->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const DkKdumpFile *file = g_ptr_array_index(self->files, middle);
        if (pfn >= file->start_pfn && pfn <= file->last_pfn)
            return file;
        if (pfn < file->start_pfn)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* What it means that bitmap 1 has a page and bitmap 2 has not. */
static Kind kind_of_left_out(const DkKdumpFile *file)
{
    if (!file->has_level)
        return KIND_FILTERED;
    if (dk_kdump_bitmap_is_doubtful(file))
        return KIND_ABSENT;
    if (file->sub.dump_level == DK_KDUMP_LEVEL_ZERO)
        return KIND_DROPPED;
    return file->sub.dump_level ? KIND_FILTERED : KIND_ABSENT;
}

/* Looks a page up; *rank is that of the page before in the same file, or G_MAXUINT64. */
static void find_page(DkKdumpSpace *self, Work *work, guint64 pfn, Place *place,
                      const DkKdumpFile **last_file, guint64 *next_rank)
{
    *place = (Place){NULL, {0}, KIND_NONE};
    const DkKdumpFile *file = first_file(self);
    if (pfn >= file->pages)
        return;
    if (self->files->len > 1 || file->sub.split) {
        const DkKdumpFile *part = file_of(self, pfn);
        if (!part) {
            if (dk_kdump_bit(file, &work->cache, 0, pfn) ||
                dk_kdump_bit(file, &work->cache, 1, pfn))
                place->kind = KIND_ABSENT;
            return;
        }
        file = part;
    }
    if (!dk_kdump_bit(file, &work->cache, 1, pfn)) {
        if (dk_kdump_bit(file, &work->cache, 0, pfn))
            place->kind = pfn < file->bitmap_cut ? kind_of_left_out(file) : KIND_ABSENT;
        return;
    }
    guint64 rank = *last_file == file ? *next_rank : dk_kdump_rank(file, &work->cache, pfn);
    *last_file = file;
    *next_rank = rank + 1;
    place->kind = KIND_ABSENT;
    if (!dk_kdump_descriptor(file, &work->cache, rank, &place->page) ||
        dk_kdump_page_state(file, &place->page) != DK_KDUMP_PAGE_GOOD)
        return;
    place->file = file;
    place->kind = dk_kdump_page_is_zero(file, &place->page) ? KIND_ZERO : KIND_DATA;
}

static gboolean place_reads(const Place *place)
{
    return place->kind == KIND_DATA || place->kind == KIND_ZERO || place->kind == KIND_DROPPED;
}

/* How many of places[0..count-1] have bytes that lie in one piece of at most SPAN_MAX. */
static guint span_of(const Place *places, guint count, gsize *size)
{
    guint used = 0;
    *size = 0;
    for (guint i = 0; i < count; i++) {
        if (places[i].kind != KIND_DATA)
            continue;
        if (places[i].file != places[0].file || places[i].page.off != places[0].page.off + *size ||
            *size + places[i].page.size > SPAN_MAX)
            break;
        *size += places[i].page.size;
        used = i + 1;
    }
    return used;
}

/* Reads whole pages; the result is how many came. */
static guint read_pages(Work *work, const Place *places, guint count, guint8 *out)
{
    guint block = count ? places[0].file ? places[0].file->block_size : 0 : 0;
    for (guint i = 0; i < count;) {
        if (places[i].kind != KIND_DATA) {
            memset(out + (gsize)i * block, 0, block);
            i++;
            continue;
        }
        gsize size;
        guint span = span_of(places + i, count - i, &size);
        const DkKdumpFile *file = places[i].file;
        if (dk_input_read(file->input, places[i].page.off, work->stored, size, NULL) !=
            (gssize)size)
            return i;
        const guint8 *stored = work->stored;
        for (guint end = i + span; i < end; i++) {
            guint8 *to = out + (gsize)i * block;
            if (places[i].kind != KIND_DATA) {
                memset(to, 0, block);
                continue;
            }
            if (!dk_kdump_unpack(file, &work->unpackers, &places[i].page, stored, to))
                return i;
            stored += places[i].page.size;
        }
    }
    return count;
}

/* The bytes of one page, kept for the next time; NULL when it cannot be unpacked. */
static const guint8 *page_bytes(Work *work, const Place *place)
{
    CachedPage *slot =
        &work->pages[(place->page.off * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 58) % PAGE_SLOTS];
    if (slot->file == place->file && slot->off == place->page.off)
        return slot->bytes;
    slot->file = NULL;
    if (!slot->bytes)
        slot->bytes = g_malloc(place->file->block_size);
    if (!read_pages(work, place, 1, slot->bytes))
        return NULL;
    slot->file = place->file;
    slot->off = place->page.off;
    return slot->bytes;
}

/* A part of one page. */
static gboolean read_part(Work *work, const Place *place, guint64 at, guint8 *out, gsize len)
{
    if (place->kind != KIND_DATA) {
        memset(out, 0, len);
        return TRUE;
    }
    const guint8 *bytes = page_bytes(work, place);
    if (bytes)
        memcpy(out, bytes + at, len);
    return bytes != NULL;
}

static gsize read_with(DkKdumpSpace *self, Work *work, guint64 pa, guint8 *out, gsize len)
{
    guint64 block = first_file(self)->block_size;
    const DkKdumpFile *file = NULL;
    guint64 rank = 0;
    gsize done = 0;
    while (done < len) {
        guint64 at = pa + done;
        Place places[BATCH];
        if (at % block || len - done < block) {
            gsize want = (gsize)MIN(len - done, block - at % block);
            find_page(self, work, at / block, &places[0], &file, &rank);
            if (!place_reads(&places[0]) ||
                !read_part(work, &places[0], at % block, out + done, want))
                break;
            done += want;
            continue;
        }
        guint want = (guint)MIN((len - done) / block, BATCH);
        guint count = 0;
        while (count < want) {
            find_page(self, work, at / block + count, &places[count], &file, &rank);
            if (!place_reads(&places[count]))
                break;
            places[count].file = places[count].file ? places[count].file : first_file(self);
            count++;
        }
        guint got = read_pages(work, places, count, out + done);
        done += (gsize)got * block;
        if (got < want)
            break;
    }
    return done;
}

static gsize space_read(DkSpace *space, guint64 pa, void *buf, gsize len)
{
    DkKdumpSpace *self = (DkKdumpSpace *)space;
    Work *work = take_work(self);
    gsize done = read_with(self, work, pa, buf, len);
    give_work(self, work);
    return done;
}

/* A run of pages of one kind from pfn on, in which short runs of zeros count as data. */
typedef struct {
    guint64 last;
    Kind kind;
} Stretch;

static Stretch find_stretch(DkKdumpSpace *self, Work *work, guint64 pfn)
{
    const DkKdumpFile *file = NULL;
    guint64 rank = 0;
    guint64 pages = first_file(self)->pages;
    Stretch stretch = {pfn, KIND_NONE};
    guint64 zeros = 0; /* at the end of the stretch */
    for (guint64 at = pfn; at < pages; at++) {
        Place place;
        find_page(self, work, at, &place, &file, &rank);
        Kind kind = place.kind == KIND_DROPPED ? KIND_ZERO : place.kind;
        if (at == pfn)
            stretch.kind = kind;
        if (kind == KIND_ZERO && stretch.kind == KIND_DATA) {
            /* Zeros long enough are a run of their own. */
            if (++zeros < ZERO_RUN)
                continue;
            stretch.last = at - zeros;
            return stretch;
        }
        if (kind == KIND_DATA && stretch.kind == KIND_ZERO && at - pfn < ZERO_RUN)
            stretch.kind = KIND_DATA;
        if (kind != stretch.kind)
            break;
        zeros = 0;
        stretch.last = at;
    }
    if (zeros)
        stretch.last += zeros;
    return stretch;
}

static gboolean find_run(DkKdumpSpace *self, guint64 from, DkRun *run)
{
    static const DkRunKind kinds[] = {
        [KIND_NONE] = DK_RUN_ABSENT,   [KIND_DATA] = DK_RUN_DATA,         [KIND_ZERO] = DK_RUN_ZERO,
        [KIND_ABSENT] = DK_RUN_ABSENT, [KIND_FILTERED] = DK_RUN_FILTERED,
    };
    guint64 block = first_file(self)->block_size;
    Work *work = take_work(self);
    guint64 pfn;
    gboolean found = dk_kdump_next_page(first_file(self), &work->cache, from / block, &pfn);
    if (found) {
        Stretch stretch = find_stretch(self, work, pfn);
        *run = (DkRun){pfn * block, (stretch.last + 1) * block - 1, kinds[stretch.kind]};
    }
    give_work(self, work);
    return found;
}

static gboolean space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    DkKdumpSpace *self = (DkKdumpSpace *)space;
    g_mutex_lock(&self->lock);
    gboolean known = self->has_run && from >= self->run.first && from <= self->run.last;
    if (known)
        *run = self->run;
    g_mutex_unlock(&self->lock);
    if (known)
        return TRUE;
    if (!find_run(self, from, run))
        return FALSE;
    g_mutex_lock(&self->lock);
    self->run = *run;
    self->has_run = TRUE;
    g_mutex_unlock(&self->lock);
    return TRUE;
}

static void space_destroy(DkSpace *space)
{
    DkKdumpSpace *self = (DkKdumpSpace *)space;
    g_ptr_array_unref(self->idle);
    g_ptr_array_unref(self->files);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const DkSpaceOps space_ops = {
    .name = "kdump",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

DkKdumpSpace *dk_kdump_space_new(GPtrArray *files)
{
    DkKdumpSpace *self = g_new0(DkKdumpSpace, 1);
    dk_space_init(&self->space, &space_ops);
    self->files = files;
    self->idle = g_ptr_array_new_with_free_func(work_free);
    g_mutex_init(&self->lock);
    return self;
}
