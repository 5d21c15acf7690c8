/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/translate-space.h"

#include <string.h>

#define PAGE_SHIFT 12
#define PAGE ((guint64)1 << PAGE_SHIFT)
/* Tables and translations that are kept; powers of two. */
#define TABLES 64
#define TLB 256
/* Tables of which it is remembered that they map all of their range alike, or not. */
#define SUMMARIES_MAX 65536
/* Table entries that one next_run() looks at; a table costs as much as some of them. */
#define ENTRIES_MAX (1u << 21)
#define TABLE_COST 32u

/* What a range is: a DkRunKind, or one of these. */
#define KIND_UNMAPPED (-1)
#define KIND_MIXED (-2)
#define KIND_UNKNOWN (-3)

/* Pages of phys that are read entry by entry. */
typedef struct {
    DkSpace base;
    DkSpace *phys;
    struct {
        guint64 pa; /* of the page; G_MAXUINT64: empty */
        gsize size; /* bytes of it that phys has */
    } slots[TABLES];
    guint8 pages[TABLES][1 << PAGE_SHIFT];
} TableCache;

typedef struct {
    DkSpace base;
    DkSpace *phys;
    DkPageTables tables;
    TableCache *cache;
    struct {
        guint64 va; /* of the page; G_MAXUINT64: empty */
        guint64 pa;
    } tlb[TLB];
    GHashTable *summaries; /* table's pa | level (guint64, owned) to kind */
    DkRun phys_run;        /* the last one asked for */
    gboolean phys_known;
    guint budget; /* entries that the call in hand may look at */
} TranslateSpace;

/* --- the cache of tables --- */

static gsize cache_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    TableCache *cache = (TableCache *)space;
    guint64 page = addr & ~(PAGE - 1);
    gsize slot = (page >> PAGE_SHIFT ^ page >> (PAGE_SHIFT + 6)) & (TABLES - 1);
    gsize off = addr & (PAGE - 1);
    if (off + len > PAGE)
        return dk_space_read(cache->phys, addr, buf, len);
    if (cache->slots[slot].pa != page) {
        cache->slots[slot].size = dk_space_read(cache->phys, page, cache->pages[slot], PAGE);
        cache->slots[slot].pa = page;
    }
    /* A page with a hole in it is seldom enough to be read directly. */
    if (cache->slots[slot].size < off + len)
        return dk_space_read(cache->phys, addr, buf, len);
    memcpy(buf, cache->pages[slot] + off, len);
    return len;
}

static gboolean cache_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    TableCache *cache = (TableCache *)space;
    return dk_space_next_run(cache->phys, from, run);
}

static void cache_destroy(DkSpace *space)
{
    TableCache *cache = (TableCache *)space;
    dk_space_unref(cache->phys);
    g_free(cache);
}

static const DkSpaceOps cache_ops = {
    .name = "page tables",
    .read = cache_read,
    .next_run = cache_next_run,
    .destroy = cache_destroy,
};

static TableCache *cache_new(DkSpace *phys)
{
    TableCache *cache = g_new0(TableCache, 1);
    dk_space_init(&cache->base, &cache_ops);
    cache->phys = dk_space_ref(phys);
    for (guint i = 0; i < TABLES; i++)
        cache->slots[i].pa = G_MAXUINT64;
    return cache;
}

/* --- reading --- */

/* The physical address of va, and the last address that is mapped in one piece with it. */
static gboolean translate(TranslateSpace *self, guint64 va, guint64 *pa, guint64 *last_va)
{
    guint64 page = va & ~(PAGE - 1);
    gsize slot = (page >> PAGE_SHIFT) & (TLB - 1);
    *last_va = va | (PAGE - 1);
    if (self->tlb[slot].va == page) {
        *pa = self->tlb[slot].pa + (va - page);
        return TRUE;
    }
    DkWalk walk;
    if (!dk_page_walk(&self->tables, &self->cache->base, va, &walk, pa))
        return FALSE;
    self->tlb[slot].va = page;
    self->tlb[slot].pa = *pa - (va - page);
    *last_va = va | (((guint64)1 << dk_walk_last(&walk)->shift) - 1);
    return TRUE;
}

static gsize translate_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    TranslateSpace *self = (TranslateSpace *)space;
    gsize done = 0;
    while (done < len) {
        guint64 pa, last_va;
        if (!translate(self, addr + done, &pa, &last_va))
            break;
        gsize want = len - done;
        if (want - 1 > last_va - (addr + done))
            want = (gsize)(last_va - (addr + done)) + 1;
        gsize got = dk_space_read(self->phys, pa, (guint8 *)buf + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

/* --- runs --- */

/* The kind of phys at pa, and the last address of it that is of that kind. */
static gint phys_kind(TranslateSpace *self, guint64 pa, guint64 *last_pa)
{
    DkRun *run = &self->phys_run;
    if (!self->phys_known || pa < run->first || pa > run->last) {
        DkRun found;
        if (!dk_space_next_run(self->phys, pa, &found))
            found = (DkRun){pa, G_MAXUINT64, DK_RUN_ABSENT};
        else if (found.first > pa)
            found = (DkRun){pa, found.first - 1, DK_RUN_ABSENT};
        *run = found;
        self->phys_known = TRUE;
    }
    *last_pa = run->last;
    return (gint)run->kind;
}

static gint kind_of_page(TranslateSpace *self, const DkWalkStep *step)
{
    guint64 last_pa;
    guint64 size = (guint64)1 << step->shift;
    gint kind = phys_kind(self, step->pa, &last_pa);
    return last_pa - step->pa >= size - 1 ? kind : KIND_MIXED;
}

static gint summary_of(TranslateSpace *self, guint64 table_pa, guint level);

/* The kind of all that the entry at index of a table stands for. */
static gint kind_of_entry(TranslateSpace *self, guint64 table_pa, guint level, guint index)
{
    const DkPaging *paging = self->tables.paging;
    guint64 entry = 0;
    guint64 pa = table_pa + (guint64)index * paging->entry_size;
    if (cache_read(&self->cache->base, pa, &entry, paging->entry_size) != paging->entry_size)
        return KIND_UNMAPPED;
    DkWalkStep step = {.shift = paging->levels[level].shift,
                       .entry = GUINT64_FROM_LE(entry) & ~self->tables.ignored};
    paging->step(paging, level, &step);
    switch (step.kind) {
    case DK_PTE_PAGE:
        return kind_of_page(self, &step);
    case DK_PTE_TABLE:
        return summary_of(self, step.pa, level + 1);
    default:
        return KIND_UNMAPPED;
    }
}

/*
 * The kind of all that a table maps, KIND_MIXED when that is not one, KIND_UNKNOWN when the budget
 * does not allow to look.  That is what makes a large part that is all alike, empty most of all,
 * one step, however often its tables are mapped.
 */
static gint summary_of(TranslateSpace *self, guint64 table_pa, guint level)
{
    guint64 key = table_pa | level;
    gpointer value;
    if (g_hash_table_lookup_extended(self->summaries, &key, NULL, &value))
        return GPOINTER_TO_INT(value);
    guint count = 1u << self->tables.paging->levels[level].bits;
    gint kind = KIND_UNKNOWN;
    self->budget -= MIN(self->budget, TABLE_COST);
    for (guint i = 0; i < count; i++) {
        if (!self->budget)
            return KIND_UNKNOWN;
        self->budget--;
        gint other = kind_of_entry(self, table_pa, level, i);
        if (other == KIND_UNKNOWN)
            return KIND_UNKNOWN;
        if (i && other != kind)
            other = KIND_MIXED;
        kind = other;
        if (kind == KIND_MIXED)
            break;
    }
    if (g_hash_table_size(self->summaries) >= SUMMARIES_MAX)
        g_hash_table_remove_all(self->summaries);
    g_hash_table_insert(self->summaries, g_memdup2(&key, sizeof key), GINT_TO_POINTER(kind));
    return kind;
}

/* A part from va on that is of one kind (KIND_UNMAPPED too); *last_va is its last address. */
static gint extent_at(TranslateSpace *self, guint64 va, guint64 *last_va)
{
    DkWalk walk;
    if (!dk_walk_begin(&self->tables, va, &walk)) {
        guint64 next_va;
        gboolean more = dk_paging_next_va(self->tables.paging, va, &next_va);
        *last_va = more ? next_va - 1 : G_MAXUINT64;
        return KIND_UNMAPPED;
    }
    gint kind = KIND_MIXED;
    while (kind < KIND_UNMAPPED && dk_walk_step(&self->tables, &self->cache->base, &walk)) {
        self->budget -= self->budget > 0;
        kind = summary_of(self, dk_walk_last(&walk)->pa, walk.nsteps);
    }
    const DkWalkStep *last = dk_walk_last(&walk);
    guint64 mask = ((guint64)1 << last->shift) - 1;
    *last_va = va | mask;
    if (last->kind == DK_PTE_PAGE) {
        guint64 pa = last->pa + (va & mask);
        guint64 last_pa;
        kind = phys_kind(self, pa, &last_pa);
        if (last_pa - pa < *last_va - va)
            *last_va = va + (last_pa - pa);
        return kind;
    }
    return last->kind == DK_PTE_TABLE ? kind : KIND_UNMAPPED;
}

static gboolean translate_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    TranslateSpace *self = (TranslateSpace *)space;
    gint kind = KIND_UNMAPPED;
    guint64 first = from;
    guint64 va = from;
    self->budget = ENTRIES_MAX;
    for (;;) {
        guint64 last_va;
        gint here = extent_at(self, va, &last_va);
        if (kind == KIND_UNMAPPED) {
            first = va;
            kind = here;
        } else if (here != kind) {
            *run = (DkRun){first, va - 1, (DkRunKind)kind};
            return TRUE;
        }
        if (last_va == G_MAXUINT64 || !self->budget) {
            if (kind != KIND_UNMAPPED)
                *run = (DkRun){first, last_va, (DkRunKind)kind};
            else if (last_va != G_MAXUINT64)
                *run = (DkRun){from, last_va, DK_RUN_ABSENT};
            return kind != KIND_UNMAPPED || last_va != G_MAXUINT64;
        }
        va = last_va + 1;
        self->budget--;
    }
}

static void translate_destroy(DkSpace *space)
{
    TranslateSpace *self = (TranslateSpace *)space;
    dk_space_unref(self->phys);
    dk_space_unref(&self->cache->base);
    g_hash_table_unref(self->summaries);
    g_free(self);
}

static const DkSpaceOps translate_ops = {
    .name = "translate",
    .read = translate_read,
    .next_run = translate_next_run,
    .destroy = translate_destroy,
};

DkSpace *dk_translate_space_new(DkSpace *phys, const DkPageTables *tables)
{
    TranslateSpace *self = g_new0(TranslateSpace, 1);
    dk_space_init(&self->base, &translate_ops);
    self->phys = dk_space_ref(phys);
    self->tables = *tables;
    self->cache = cache_new(phys);
    self->summaries = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < TLB; i++)
        self->tlb[i].va = G_MAXUINT64;
    return &self->base;
}

const DkPageTables *dk_translate_space_tables(const DkSpace *space)
{
    g_assert(space->ops == &translate_ops);
    return &((const TranslateSpace *)space)->tables;
}

gboolean dk_translate_space_walk(DkSpace *space, guint64 va, DkWalk *walk, guint64 *pa)
{
    TranslateSpace *self = (TranslateSpace *)space;
    DkWalk local;
    g_assert(space->ops == &translate_ops);
    return dk_page_walk(&self->tables, &self->cache->base, va, walk ? walk : &local, pa);
}
