/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/level.h"

#include <string.h>

#include "base/error.h"
#include "capture/pointed.h"

#define PAGE ((guint64)4096)

/* miniplus: private areas above this are left out, as ProcDump's -mp does. */
#define MINIPLUS_AREA_MAX ((guint64)512 << 20)

/* Bits of coredump_filter, core(5). */
enum {
    FILTER_ANON_PRIVATE = 1 << 0,
    FILTER_ANON_SHARED = 1 << 1,
    FILTER_FILE_PRIVATE = 1 << 2,
    FILTER_FILE_SHARED = 1 << 3,
    FILTER_ELF_HEADERS = 1 << 4,
    FILTER_HUGE_PRIVATE = 1 << 5,
    FILTER_HUGE_SHARED = 1 << 6,
    FILTER_DAX_PRIVATE = 1 << 7,
    FILTER_DAX_SHARED = 1 << 8,
    FILTER_ALL = 0x1ff,
};

static const char *const level_names[] = {
    [DK_LEVEL_FULL] = "full",     [DK_LEVEL_MINIPLUS] = "miniplus", [DK_LEVEL_MINI] = "mini",
    [DK_LEVEL_TRIAGE] = "triage", [DK_LEVEL_FILTER] = "filter",
};

gboolean dk_level_parse(const char *text, DkLevel *level, GError **error)
{
    if (g_str_has_prefix(text, "filter:")) {
        char *end = NULL;
        const char *number = text + strlen("filter:");
        guint64 bits = g_ascii_strtoull(number, &end, 0);
        if (end == number || *end || bits > FILTER_ALL) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "--level %s: the bits are a number of 0 to 0x1ff, as in "
                        "/proc/PID/coredump_filter",
                        text);
            return FALSE;
        }
        level->kind = DK_LEVEL_FILTER;
        level->filter = (guint)bits;
        return TRUE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(level_names); i++) {
        if (i != DK_LEVEL_FILTER && g_str_equal(text, level_names[i])) {
            level->kind = (DkLevelKind)i;
            return TRUE;
        }
    }
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                "--level %s: there are full, mini, miniplus, triage and filter:BITS", text);
    return FALSE;
}

char *dk_level_name(const DkLevel *level)
{
    if (level->kind == DK_LEVEL_FILTER)
        return g_strdup_printf("filter:0x%x", level->filter);
    return g_strdup(level_names[level->kind]);
}

typedef struct {
    const DkLevel *level;
    DkSource *source;
    DkSubject *subject;
    DkDumpPlan *plan;
    DkPointed *pointed; /* pages that stacks and registers ask for; NULL when all are taken */
} Planner;

static void exclude(Planner *planner, guint64 first, guint64 last, const char *why)
{
    dk_subject_add_gap(planner->subject, "excluded", first, last, 0, "%s", why);
}

/* Adds first..last as it is, but for what nobody can read. */
static void take(Planner *planner, const DkMapping *mapping, guint64 first, guint64 last)
{
    DkRun run;
    guint64 va = first;
    while (va <= last && dk_space_next_run(planner->source->space, va, &run) && run.first <= last) {
        guint64 end = MIN(run.last, last);
        guint64 begin = MAX(run.first, va);
        if (run.kind == DK_RUN_UNREADABLE) {
            exclude(planner, begin, end, "behind the end of the file, or not readable");
        } else {
            dk_dump_plan_add(planner->plan, begin, end, mapping->flags);
            if (run.kind != DK_RUN_ZERO)
                planner->plan->present += end - begin + 1;
        }
        if (end == G_MAXUINT64)
            return;
        va = end + 1;
    }
}

/* TRUE when any page of the mapping is the process's own. */
static gboolean has_own_pages(Planner *planner, const DkMapping *mapping)
{
    DkRun run;
    guint64 va = mapping->first;
    while (va <= mapping->last && dk_space_next_run(planner->source->space, va, &run) &&
           run.first <= mapping->last) {
        if (run.kind == DK_RUN_DATA)
            return TRUE;
        va = run.last + 1;
    }
    return FALSE;
}

/* Adds the pages that the process has written, though the mapping may be read-only now (RELRO). */
static void take_own_pages(Planner *planner, const DkMapping *mapping)
{
    DkRun run;
    guint64 va = mapping->first;
    guint64 left_out = 0;
    while (va <= mapping->last && dk_space_next_run(planner->source->space, va, &run) &&
           run.first <= mapping->last) {
        guint64 last = MIN(run.last, mapping->last);
        gboolean header = va == mapping->first && !mapping->file_offset && mapping->inode;
        if (run.kind == DK_RUN_DATA) {
            take(planner, mapping, va, last);
        } else if (header) {
            take(planner, mapping, va, MIN(va + PAGE - 1, last));
            left_out += last - va >= PAGE;
        } else {
            left_out++;
        }
        va = last + 1;
    }
    if (left_out)
        exclude(planner, mapping->first, mapping->last,
                "file content that the process did not write");
}

/* The rules of the kernel's vma_dump_size() as core(5) describes them. */
static void take_filtered(Planner *planner, const DkMapping *mapping)
{
    guint bits = planner->level->filter;
    gboolean shared = (mapping->flags & DK_MAP_SHARED) != 0;
    gboolean whole = FALSE;
    if (mapping->path && g_str_equal(mapping->path, "[vdso]")) {
        whole = TRUE;
    } else if (mapping->flags & DK_MAP_HUGETLB) {
        whole = (bits & (shared ? FILTER_HUGE_SHARED : FILTER_HUGE_PRIVATE)) != 0;
    } else if (shared) {
        gboolean nameless = mapping->flags & DK_MAP_DELETED || !mapping->path;
        whole = (bits & (nameless ? FILTER_ANON_SHARED : FILTER_FILE_SHARED)) != 0;
    } else if (bits & FILTER_ANON_PRIVATE && has_own_pages(planner, mapping)) {
        whole = TRUE;
    } else if (mapping->inode) {
        whole = (bits & FILTER_FILE_PRIVATE) != 0;
    }
    guint8 magic[4] = {0};
    if (whole) {
        take(planner, mapping, mapping->first, mapping->last);
    } else if (bits & FILTER_ELF_HEADERS && mapping->inode && !mapping->file_offset &&
               mapping->flags & DK_MAP_READ &&
               dk_space_read(planner->source->space, mapping->first, magic, sizeof magic) ==
                   sizeof magic &&
               !memcmp(magic, "\177ELF", sizeof magic)) {
        take(planner, mapping, mapping->first, mapping->first + PAGE - 1);
        if (mapping->last - mapping->first >= PAGE)
            exclude(planner, mapping->first + PAGE, mapping->last, "level filter");
    } else {
        exclude(planner, mapping->first, mapping->last, "level filter");
    }
}

static void take_miniplus(Planner *planner, const DkMapping *mapping)
{
    gboolean vdso = mapping->path && g_str_equal(mapping->path, "[vdso]");
    if (vdso)
        take(planner, mapping, mapping->first, mapping->last);
    else if (mapping->flags & DK_MAP_SHARED)
        exclude(planner, mapping->first, mapping->last, "level miniplus leaves out shared memory");
    else if (!(mapping->flags & DK_MAP_WRITE))
        take_own_pages(planner, mapping);
    else if (mapping->last - mapping->first >= MINIPLUS_AREA_MAX)
        exclude(planner, mapping->first, mapping->last,
                "level miniplus leaves out areas above 512 MiB");
    else
        take(planner, mapping, mapping->first, mapping->last);
}

/* mini and triage: the pages that were asked for, in order. */
static void take_pointed(Planner *planner, const DkMapping *mapping)
{
    guint64 va = mapping->first;
    guint64 first;
    guint64 last;
    gboolean all = TRUE;
    while (dk_pointed_next(planner->pointed, va, mapping->last, &first, &last)) {
        all = all && first == va;
        take(planner, mapping, first, last);
        va = last + 1;
        if (last == mapping->last)
            break;
    }
    if (!all || va <= mapping->last) {
        g_autofree char *name = dk_level_name(planner->level);
        g_autofree char *why = g_strdup_printf("level %s", name);
        exclude(planner, mapping->first, mapping->last, why);
    }
}

static void take_mapping(Planner *planner, const DkMapping *mapping)
{
    DkRun run;
    gboolean readable = dk_space_next_run(planner->source->space, mapping->first, &run) &&
                        run.first <= mapping->last &&
                        !(run.kind == DK_RUN_UNREADABLE && run.last >= mapping->last);
    if (!readable) {
        exclude(planner, mapping->first, mapping->last,
                mapping->flags & DK_MAP_IO || (mapping->path && *mapping->path == '[')
                    ? "memory of a device or of the kernel"
                    : "not readable: behind the end of its file");
        return;
    }
    if (mapping->flags & DK_MAP_DONTDUMP && !planner->level->include_dontdump) {
        exclude(planner, mapping->first, mapping->last, "MADV_DONTDUMP");
        return;
    }
    switch (planner->level->kind) {
    case DK_LEVEL_FULL:
        take(planner, mapping, mapping->first, mapping->last);
        break;
    case DK_LEVEL_MINIPLUS:
        take_miniplus(planner, mapping);
        break;
    case DK_LEVEL_MINI:
    case DK_LEVEL_TRIAGE:
        take_pointed(planner, mapping);
        break;
    case DK_LEVEL_FILTER:
        take_filtered(planner, mapping);
        break;
    }
}

DkDumpPlan *dk_level_plan(const DkLevel *level, DkSource *source)
{
    Planner planner = {level, source, source->subject, dk_dump_plan_new(), NULL};
    if (level->kind == DK_LEVEL_MINI || level->kind == DK_LEVEL_TRIAGE)
        planner.pointed = dk_pointed_new(source, level->kind == DK_LEVEL_MINI);
    const GPtrArray *mappings = source->subject->process.mappings;
    for (guint i = 0; i < mappings->len; i++)
        take_mapping(&planner, g_ptr_array_index(mappings, i));
    dk_pointed_free(planner.pointed);
    return planner.plan;
}
