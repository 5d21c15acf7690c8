/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/transfer-plan.h"

#include "base/error.h"
#include "mem/subject.h"

#define PAGE ((guint64)4096)

/* Adds the whole pages of a run, split where the mapping of a process changes. */
static void add_run(DkDumpPlan *plan, const DkSubject *subject, const DkRun *run)
{
    guint64 va = (run->first + PAGE - 1) & ~(PAGE - 1);
    guint64 end = (run->last & ~(PAGE - 1)) - ((run->last & (PAGE - 1)) != PAGE - 1);
    /* A cut file may end within a page, which its reader has named as missing. */
    if (va < run->first || end < va || end > run->last)
        return;
    end |= PAGE - 1;
    if (run->kind != DK_RUN_ZERO)
        plan->present += end - va + 1;
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
        dk_dump_plan_add(plan, va, last, flags);
        if (last == end)
            return;
        va = last + 1;
    }
}

DkDumpPlan *dk_transfer_plan(DkSource *source, guint filter, DkProgress *progress, GError **error)
{
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    DkRun run;
    for (guint64 from = 0; dk_space_next_run(source->space, from, &run); from = run.last + 1) {
        run.first = MAX(run.first, from);
        if (run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO || run.kind == DK_RUN_FILE)
            add_run(plan, source->subject, &run);
        if (run.last == G_MAXUINT64)
            break;
    }
    if (!plan->extents->len) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "%s: holds no memory", source->name);
        return NULL;
    }
    return g_steal_pointer(&plan);
}
