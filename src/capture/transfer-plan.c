/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/transfer-plan.h"

#include "base/error.h"
#include "base/size.h"
#include "capture/transfer.h"
#include "mem/subject.h"
#include "target/linux/page-filter.h"

#define PAGE ((guint64)4096)

/* What the filter leaves out, by its bit in the mask. */
static const struct {
    guint32 bit;
    const char *name;
} kinds[] = {
    {DK_LINUX_FREE, "free pages"},
    {DK_LINUX_CACHE, "page cache"},
    {DK_LINUX_CACHE_PRIVATE, "page cache with private data"},
    {DK_LINUX_USER, "memory of processes"},
    {DK_LINUX_OFFLINE, "pages that are offline or poisoned"},
};

typedef struct {
    DkDumpPlan *plan;
    const DkSubject *subject;
    DkProgress *progress;
    DkLinuxPages *pages; /* NULL: nothing is left out */
    guint32 mask;
    /* The next pages to leave out, addresses both inside, once they have been looked for. */
    gboolean found;
    guint64 first;
    guint64 last;
    guint32 kind;
    guint64 left_out[G_N_ELEMENTS(kinds)]; /* bytes */
} Planner;

/* Adds whole pages, split where the mapping of a process changes. */
static void add_pages(Planner *planner, guint64 va, guint64 end, DkRunKind kind)
{
    const DkSubject *subject = planner->subject;
    if (kind != DK_RUN_ZERO)
        planner->plan->present += end - va + 1;
    for (;;) {
        guint64 last = end;
        guint32 flags = 0;
        const DkMapping *mapping = subject->kind == DK_SUBJECT_PROCESS
                                       ? dk_subject_mapping_at(subject, va)
                                       : NULL;
        if (mapping) {
            flags = mapping->flags;
            last = MIN(last, mapping->last);
        }
        dk_dump_plan_add(planner->plan, va, last, flags);
        if (last == end)
            return;
        va = last + 1;
    }
}

/* Goes on to the pages to leave out that end at or behind pa; FALSE when there are none. */
static gboolean seek(Planner *planner, guint64 pa)
{
    while (planner->pages && (!planner->found || planner->last < pa)) {
        guint64 first_pfn, last_pfn;
        if (!dk_linux_pages_next(planner->pages, pa / PAGE, planner->mask, &first_pfn, &last_pfn,
                                 &planner->kind)) {
            dk_linux_pages_free(g_steal_pointer(&planner->pages));
            break;
        }
        planner->found = TRUE;
        planner->first = first_pfn * PAGE;
        planner->last = last_pfn * PAGE + PAGE - 1;
    }
    return planner->pages != NULL;
}

static void count(Planner *planner, guint64 bytes)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].bit == planner->kind)
            planner->left_out[i] += bytes;
    }
}

/* Adds the whole pages of a run, without those to leave out. */
static gboolean add_run(Planner *planner, const DkRun *run, GError **error)
{
    guint64 va = run->first;
    while (seek(planner, va) && planner->first <= run->last) {
        guint64 last = MIN(planner->last, run->last);
        guint64 first = MAX(planner->first, va);
        if (first > va)
            add_pages(planner, va, first - 1, run->kind);
        count(planner, last - first + 1);
        if (!dk_progress_tick(planner->progress, 0, 0, error))
            return FALSE;
        if (last == run->last)
            return TRUE;
        va = last + 1;
    }
    add_pages(planner, va, run->last, run->kind);
    return TRUE;
}

/* Only whole pages: a cut file may end within one, which its reader has named as missing. */
static gboolean trim_to_pages(DkRun *run)
{
    guint64 va = (run->first + PAGE - 1) & ~(PAGE - 1);
    guint64 end = (run->last & ~(PAGE - 1)) - ((run->last & (PAGE - 1)) != PAGE - 1);
    if (va < run->first || end < va || end > run->last)
        return FALSE;
    run->first = va;
    run->last = end | (PAGE - 1);
    return TRUE;
}

static gboolean add_runs(Planner *planner, DkSource *source, GError **error)
{
    DkRun run;
    for (guint64 from = 0; dk_space_next_run(source->space, from, &run); from = run.last + 1) {
        guint64 last = run.last;
        run.first = MAX(run.first, from);
        gboolean is_there = run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO ||
                            run.kind == DK_RUN_FILE;
        if (is_there && trim_to_pages(&run) && !add_run(planner, &run, error))
            return FALSE;
        run.last = last;
        if (run.last == G_MAXUINT64)
            break;
    }
    if (planner->plan->extents->len)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "%s: holds no memory", source->name);
    return FALSE;
}

/* One for each kind: runs there may be by the hundred thousand. */
static void add_gaps(const Planner *planner, DkSubject *subject)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!planner->left_out[i])
            continue;
        g_autofree char *size = dk_size_text(planner->left_out[i]);
        dk_subject_add_gap(subject, "excluded", 1, 0, 0, "%s by the filter: %s", kinds[i].name,
                           size);
    }
}

/* Makedumpfile's bit for cache with private data means all cache; offline pages go with any. */
static guint32 mask_of(guint filter)
{
    guint32 mask = filter &
                   (DK_LINUX_CACHE | DK_LINUX_CACHE_PRIVATE | DK_LINUX_USER | DK_LINUX_FREE);
    if (mask & DK_LINUX_CACHE_PRIVATE)
        mask |= DK_LINUX_CACHE;
    return mask ? mask | DK_LINUX_OFFLINE : 0;
}

static gboolean filter_and_add(Planner *planner, DkSource *source, GError **error)
{
    g_autoptr(DkVmcoreinfo) info = NULL;
    g_autoptr(DkLinuxKernel) kernel = NULL;
    const DkMachine *machine = &source->subject->system;
    if (source->subject->kind != DK_SUBJECT_MACHINE) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s: --filter is for machines, and this is a process", source->name);
        return FALSE;
    }
    if (!planner->mask)
        return add_runs(planner, source, error);
    if (!machine->vmcoreinfo) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s: pages cannot be told apart: no VMCOREINFO of a Linux kernel is in memory",
                    source->name);
        return FALSE;
    }
    if (!(info = dk_vmcoreinfo_parse(machine->vmcoreinfo, error)) ||
        !(kernel = dk_linux_kernel_new(source->space, info, machine, error)) ||
        !(planner->pages = dk_linux_pages_new(kernel, info, error))) {
        g_prefix_error(error, "%s: ", source->name);
        return FALSE;
    }
    gboolean is_done = add_runs(planner, source, error);
    g_clear_pointer(&planner->pages, dk_linux_pages_free);
    return is_done;
}

DkDumpPlan *dk_transfer_plan(DkSource *source, guint filter, DkProgress *progress, GError **error)
{
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    Planner planner = {
        .plan = plan, .subject = source->subject, .progress = progress, .mask = mask_of(filter)};
    gboolean is_done = filter ? filter_and_add(&planner, source, error)
                              : add_runs(&planner, source, error);
    if (!is_done)
        return NULL;
    add_gaps(&planner, source->subject);
    return g_steal_pointer(&plan);
}
