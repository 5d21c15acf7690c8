/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/minidump/minidump-parts.h"

#include "base/bisect.h"

/* The virtual memory of the process, out of the file. */
typedef struct {
    DkSpace base;
    DkInput *input;
    GArray *ranges; /* of DkMinidumpRange, ascending, not overlapping */
} Space;

static DkMinidumpRange *range_at(const GArray *ranges, guint i)
{
    return &g_array_index(ranges, DkMinidumpRange, i);
}

static gboolean range_before(gconstpointer data, gsize index, guint64 va)
{
    const DkMinidumpRange *range = range_at(data, (guint)index);
    return range->va + (range->size - 1) < va;
}

/* The index of the first range that ends at or above va; ranges->len when there is none. */
static guint find_range(const GArray *ranges, guint64 va)
{
    return (guint)dk_bisect(ranges->len, range_before, ranges, va);
}

static gsize space_read(DkSpace *base, guint64 va, void *buf, gsize len)
{
    Space *space = (Space *)base;
    gsize done = 0;
    for (guint i = find_range(space->ranges, va); i < space->ranges->len && done < len; i++) {
        const DkMinidumpRange *range = range_at(space->ranges, i);
        guint64 at = va + done;
        if (range->va > at)
            break;
        guint64 skip = at - range->va;
        gsize want = (gsize)MIN(len - done, range->size - skip);
        gssize got = dk_input_read(space->input, range->off + skip, (guint8 *)buf + done, want,
                                   NULL);
        if (got > 0)
            done += (gsize)got;
        if (got < (gssize)want)
            break;
    }
    return done;
}

static gboolean space_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    Space *space = (Space *)base;
    guint i = find_range(space->ranges, from);
    if (i >= space->ranges->len)
        return FALSE;
    const DkMinidumpRange *range = range_at(space->ranges, i);
    *run = (DkRun){range->va, range->va + (range->size - 1), DK_RUN_DATA};
    return TRUE;
}

static void space_destroy(DkSpace *base)
{
    Space *space = (Space *)base;
    dk_input_unref(space->input);
    g_array_unref(space->ranges);
    g_free(space);
}

static const DkSpaceOps space_ops = {
    .name = "minidump",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

static void read_list(DkMinidump *md)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open(md, MDMP_MEMORY_LIST, sizeof(MdmpMemory), DK_MINIDUMP_RANGES_MAX,
                               &list))
        return;
    MdmpMemory raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        const DkMinidumpRange range = {
            .va = raw.va, .size = raw.location.size, .off = raw.location.rva};
        g_array_append_val(md->ranges, range);
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " ranges", list.count);
}

static void read_list64(DkMinidump *md)
{
    gint index = dk_minidump_find(md, MDMP_MEMORY64_LIST);
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, MDMP_MEMORY64_LIST);
    if (!bytes)
        return;
    guint32 rva = g_array_index(md->streams, MdmpDirectory, index).location.rva;
    guint32 size = g_array_index(md->streams, MdmpDirectory, index).location.size;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    guint64 count;
    guint64 off;
    g_autoptr(GError) local = NULL;
    dk_cursor_init(&cursor, data, len, rva, "Memory64List");
    if (!dk_cursor_u64(&cursor, "count", &count, &local) ||
        !dk_cursor_u64(&cursor, "base RVA", &off, &local)) {
        dk_minidump_gap(md, "data", "%s", local->message);
        return;
    }
    guint64 room = MIN(dk_cursor_left(&cursor) / sizeof(MdmpMemory64), DK_MINIDUMP_RANGES_MAX);
    for (guint64 i = 0; i < MIN(count, room); i++) {
        DkMinidumpRange range = {.off = off};
        if (!dk_cursor_u64(&cursor, "address", &range.va, NULL) ||
            !dk_cursor_u64(&cursor, "size", &range.size, NULL))
            break;
        /* Where the data stands is the sum of all sizes before, so none behind this can be had. */
        if (off + range.size < off) {
            dk_minidump_gap(md, "data",
                            "Memory64List at offset 0x%x: range %" G_GUINT64_FORMAT
                            " of 0x%" G_GINT64_MODIFIER "x bytes is larger than any file",
                            rva, i, range.size);
            break;
        }
        off += range.size;
        g_array_append_val(md->ranges, range);
    }
    if (count > room)
        dk_minidump_gap(md, "data",
                        "%sMemory64List at offset 0x%x: of %" G_GUINT64_FORMAT
                        " ranges %" G_GUINT64_FORMAT " are there",
                        len < size ? "truncated: " : "", rva, count, room);
    dk_minidump_note(md, index, "%" G_GUINT64_FORMAT " ranges", MIN(count, room));
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const DkMinidumpRange *left = a;
    const DkMinidumpRange *right = b;
    if (left->va != right->va)
        return left->va < right->va ? -1 : 1;
    /* Of two at one address the larger one comes first and stays whole. */
    if (left->size != right->size)
        return left->size > right->size ? -1 : 1;
    return (left->off > right->off) - (left->off < right->off);
}

/* Takes md->ranges apart into what the file holds, ascending by address, and md->cut. */
static GArray *split_ranges(DkMinidump *md)
{
    guint bad = 0;
    GArray *held = g_array_sized_new(FALSE, FALSE, sizeof(DkMinidumpRange), md->ranges->len);
    for (guint i = 0; i < md->ranges->len; i++) {
        DkMinidumpRange range = *range_at(md->ranges, i);
        if (!range.size)
            continue;
        if (range.va + (range.size - 1) < range.va) {
            bad++;
            continue;
        }
        guint64 there = range.off < md->size ? MIN(md->size - range.off, range.size) : 0;
        if (there < range.size) {
            const DkMinidumpRange lost = {range.va + there, range.size - there, range.off + there};
            g_array_append_val(md->cut, lost);
        }
        range.size = there;
        if (there)
            g_array_append_val(held, range);
    }
    if (bad)
        dk_minidump_gap(md, "data", "%u ranges of memory reach above 64 bits", bad);
    g_array_sort(held, compare_ranges);
    return held;
}

/*
 * Makes md->ranges ascending without overlaps.  Stacks are named by the list of threads and by the
 * list of memory, so overlaps of the same bytes are ordinary; only others are counted.
 */
static void settle_ranges(DkMinidump *md)
{
    g_autoptr(GArray) held = split_ranges(md);
    GArray *out = md->ranges;
    g_array_set_size(out, 0);
    for (guint i = 0; i < held->len; i++) {
        DkMinidumpRange range = *range_at(held, i);
        const DkMinidumpRange *tail = out->len ? range_at(out, out->len - 1) : NULL;
        guint64 tail_last = tail ? tail->va + (tail->size - 1) : 0;
        if (tail && range.va <= tail_last) {
            if (range.off - tail->off != range.va - tail->va)
                md->overlaps++;
            if (range.va + (range.size - 1) <= tail_last)
                continue;
            guint64 front = tail_last + 1 - range.va;
            range.va += front;
            range.size -= front;
            range.off += front;
        }
        g_array_append_val(out, range);
    }
}

/* Names what was cut off, unless another range holds it. */
static void add_gaps(DkMinidump *md)
{
    guint kept = 0;
    for (guint i = 0; i < md->cut->len; i++) {
        const DkMinidumpRange lost = *range_at(md->cut, i);
        guint64 last = lost.va + (lost.size - 1);
        guint at = find_range(md->ranges, lost.va);
        if (at < md->ranges->len) {
            const DkMinidumpRange *held = range_at(md->ranges, at);
            if (held->va <= lost.va && held->va + (held->size - 1) >= last)
                continue;
        }
        *range_at(md->cut, kept++) = lost;
        if (md->base.subject->gaps->len < DK_MINIDUMP_GAPS_MAX)
            dk_subject_add_gap(md->base.subject, "data", lost.va, last, 0,
                               "truncated: its bytes stand at offset 0x%" G_GINT64_MODIFIER
                               "x to 0x%" G_GINT64_MODIFIER
                               "x, the file ends at 0x%" G_GINT64_MODIFIER "x",
                               lost.off, lost.off + (lost.size - 1), md->size);
    }
    g_array_set_size(md->cut, kept);
}

void dk_minidump_read_memory(DkMinidump *md)
{
    read_list(md);
    read_list64(md);
    settle_ranges(md);
    add_gaps(md);
    Space *space = g_new0(Space, 1);
    dk_space_init(&space->base, &space_ops);
    space->input = dk_input_ref(md->input);
    space->ranges = g_array_ref(md->ranges);
    md->base.space = &space->base;
}

/* --- mappings --- */

static guint32 flags_of_protection(guint32 protect)
{
    switch (protect & 0xff) {
    case MDMP_PAGE_READONLY:
        return DK_MAP_READ;
    case MDMP_PAGE_READWRITE:
    case MDMP_PAGE_WRITECOPY:
        return DK_MAP_READ | DK_MAP_WRITE;
    case MDMP_PAGE_EXECUTE:
        return DK_MAP_EXEC;
    case MDMP_PAGE_EXECUTE_READ:
        return DK_MAP_READ | DK_MAP_EXEC;
    case MDMP_PAGE_EXECUTE_READWRITE:
    case MDMP_PAGE_EXECUTE_WRITECOPY:
        return DK_MAP_READ | DK_MAP_WRITE | DK_MAP_EXEC;
    default:
        return 0;
    }
}

static void add_mapping(DkMinidump *md, const MdmpMemoryInfo *info)
{
    if (info->state == MDMP_MEM_FREE || !info->size ||
        info->base_va + (info->size - 1) < info->base_va)
        return;
    DkMapping *mapping = dk_subject_add_mapping(md->base.subject, info->base_va,
                                                info->base_va + (info->size - 1));
    if (info->state & MDMP_MEM_COMMIT)
        mapping->flags = flags_of_protection(info->protect);
    if (info->type == MDMP_MEM_PRIVATE)
        mapping->flags |= DK_MAP_ANON;
    else if (info->type == MDMP_MEM_MAPPED)
        mapping->flags |= DK_MAP_SHARED;
}

/* Gives the mappings of images their modules' names. */
static void name_mappings(DkSubject *subject)
{
    const GPtrArray *mappings = subject->process.mappings;
    const GPtrArray *modules = subject->process.modules;
    guint first = 0;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = g_ptr_array_index(modules, i);
        if (module->unloaded || !module->path)
            continue;
        while (first < mappings->len &&
               ((DkMapping *)g_ptr_array_index(mappings, first))->last < module->first)
            first++;
        /* Each mapping is looked at once: modules that lie over others do not name it again. */
        for (; first < mappings->len; first++) {
            DkMapping *mapping = g_ptr_array_index(mappings, first);
            if (mapping->first > module->last)
                break;
            if (!(mapping->flags & DK_MAP_ANON))
                mapping->path = g_strdup(module->path);
        }
    }
}

static guint read_infos(DkMinidump *md)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open_sized(md, MDMP_MEMORY_INFO_LIST, sizeof(MdmpMemoryInfo), TRUE,
                                     DK_MINIDUMP_MAPPINGS_MAX, &list))
        return 0;
    gboolean wanted = !md->base.subject->process.mappings->len;
    MdmpMemoryInfo raw;
    while (wanted && dk_minidump_list_next(&list, &raw, sizeof raw))
        add_mapping(md, &raw);
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " regions", list.count);
    return md->base.subject->process.mappings->len;
}

/* Without any list of mappings: memory that is there, and modules, outside of each other. */
static void guess_mappings(DkMinidump *md)
{
    DkSubject *subject = md->base.subject;
    guint64 next = 0;
    gboolean full = FALSE;
    for (guint i = 0; i < subject->process.modules->len; i++) {
        const DkModule *module = g_ptr_array_index(subject->process.modules, i);
        if (module->unloaded || full || module->last < next)
            continue;
        DkMapping *mapping = dk_subject_add_mapping(subject, MAX(module->first, next),
                                                    module->last);
        mapping->flags = DK_MAP_READ | DK_MAP_EXEC;
        mapping->path = g_strdup(module->path);
        full = module->last == G_MAXUINT64;
        next = module->last + 1;
    }
    guint modules = subject->process.mappings->len;
    guint at = 0;
    guint count = MIN(md->ranges->len, DK_MINIDUMP_MAPPINGS_MAX);
    for (guint i = 0; i < count; i++) {
        const DkMinidumpRange *range = range_at(md->ranges, i);
        guint64 from = range->va;
        guint64 last = range->va + (range->size - 1);
        gboolean done = FALSE;
        while (!done) {
            const DkMapping *module = NULL;
            while (at < modules) {
                module = g_ptr_array_index(subject->process.mappings, at);
                if (module->last >= from)
                    break;
                at++;
            }
            if (at >= modules || module->first > last) {
                dk_subject_add_mapping(subject, from, last)->flags = DK_MAP_READ;
                break;
            }
            if (module->first > from)
                dk_subject_add_mapping(subject, from, module->first - 1)->flags = DK_MAP_READ;
            done = module->last >= last;
            from = module->last + 1;
        }
    }
}

void dk_minidump_read_mappings(DkMinidump *md)
{
    DkSubject *subject = md->base.subject;
    dk_subject_sort(subject);
    gboolean have = subject->process.mappings->len > 0;
    if (read_infos(md)) {
        dk_subject_sort(subject);
        if (!have)
            name_mappings(subject);
        return;
    }
    if (!have)
        guess_mappings(md);
    dk_subject_sort(subject);
}
