/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/transfer.h"

#include "base/error.h"
#include "base/size.h"
#include "capture/coverage.h"
#include "capture/pipeline.h"
#include "capture/transfer-plan.h"
#include "target/linux/vmcoreinfo.h"

/* Headers and notes, for the check of free space. */
#define OVERHEAD ((guint64)1 << 20)

typedef struct {
    DkSource *source;
    const DkTransferOptions *options;
    DkProgress *progress;
    DkOutputs *outputs;
    DkDumpPlan *plan;
    gint64 start_us;
    gboolean vmcoreinfo_found;
} Transfer;

gboolean dk_filter_parse(const char *text, guint *bits, GError **error)
{
    static const struct {
        const char *word;
        guint bits;
    } words[] = {{"zero", DK_FILTER_ZERO},
                 {"cache", DK_FILTER_CACHE},
                 {"user", DK_FILTER_USER},
                 {"free", DK_FILTER_FREE}};
    guint64 level;
    if (g_ascii_string_to_unsigned(text, 10, 0, 31, &level, NULL)) {
        *bits = (guint)level;
        return TRUE;
    }
    guint all = 0;
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    for (guint i = 0; parts[i]; i++) {
        guint found = 0;
        for (guint j = 0; j < G_N_ELEMENTS(words); j++)
            found |= g_str_equal(g_strstrip(parts[i]), words[j].word) ? words[j].bits : 0;
        if (!found) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "--filter %s: expected zero, free, cache, user, joined by commas, or a "
                        "dump level of 0 to 31",
                        text);
            return FALSE;
        }
        all |= found;
    }
    *bits = all;
    return TRUE;
}

void dk_transfer_result_clear(DkTransferResult *result)
{
    g_clear_pointer(&result->gaps, g_ptr_array_unref);
}

static gboolean open_outputs(Transfer *transfer, GError **error)
{
    const DkTransferOptions *options = transfer->options;
    guint64 expected = options->expected;
    if (!expected && transfer->plan)
        expected = dk_size_add(transfer->plan->present, OVERHEAD);
    g_autofree DkCaptureOutput *wanted = g_memdup2(options->outputs,
                                                   options->noutputs * sizeof *wanted);
    for (guint i = 0; i < options->noutputs; i++) {
        wanted[i].sink.drop_zero = (options->filter & DK_FILTER_ZERO) != 0;
        wanted[i].sink.dump_level = options->filter & ~(guint)DK_FILTER_ZERO;
    }
    transfer->outputs = dk_outputs_open(wanted, options->noutputs, options->replace, expected,
                                        error);
    return transfer->outputs != NULL;
}

/*
 * A Linux guest that did not publish its VMCOREINFO has it in its memory all the same; without it
 * makedumpfile, crash and drgn refuse the file.  One that is no Linux has none, and that is fine.
 */
static gboolean find_vmcoreinfo(Transfer *transfer, GError **error)
{
    DkSubject *subject = transfer->source->subject;
    if (subject->kind != DK_SUBJECT_MACHINE || subject->system.vmcoreinfo ||
        subject->system.windows.valid)
        return TRUE;
    g_autoptr(GError) local = NULL;
    subject->system.vmcoreinfo = dk_vmcoreinfo_find(transfer->source->space, 0, transfer->progress,
                                                    &local);
    transfer->vmcoreinfo_found = subject->system.vmcoreinfo != NULL;
    if (transfer->vmcoreinfo_found && subject->os == DK_OS_UNKNOWN)
        subject->os = DK_OS_LINUX;
    if (!g_error_matches(local, DK_ERROR, DK_ERROR_CANCELLED))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* The instant, what it is of, and which of it goes into the files. */
static gboolean take_instant(Transfer *transfer, GError **error)
{
    DkSource *source = transfer->source;
    if (source->ops->pause && !source->ops->pause(source, error))
        return FALSE;
    DkOrigin *origin = &source->subject->origin;
    g_free(origin->writer);
    origin->writer = g_strdup(transfer->options->writer);
    if (transfer->options->comment) {
        g_free(origin->comment);
        origin->comment = g_strdup(transfer->options->comment);
    }
    if (!find_vmcoreinfo(transfer, error))
        return FALSE;
    transfer->plan = dk_transfer_plan(source, transfer->options->filter, transfer->progress, error);
    return transfer->plan != NULL;
}

static gboolean carry(Transfer *transfer, GPtrArray *late, GError **error)
{
    DkSource *source = transfer->source;
    DkOutputs *outputs = transfer->outputs;
    if (!dk_outputs_accept(outputs, source->subject, error) ||
        !dk_outputs_begin(outputs, source->subject, transfer->plan, error))
        return FALSE;
    DkPipeline pipeline = {
        .source = source,
        .plan = transfer->plan,
        .sinks = dk_outputs_sinks(outputs),
        .nsinks = transfer->options->noutputs,
        .progress = transfer->progress,
    };
    return dk_pipeline_run(&pipeline, late, error);
}

static gboolean finish(Transfer *transfer, GPtrArray *late, DkTransferResult *result,
                       GError **error)
{
    DkSubject *subject = transfer->source->subject;
    g_autoptr(GPtrArray) gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    DkDumpSummary summary = {
        .pause_ns = subject->origin.pause_ns,
        .duration_ns = (g_get_monotonic_time() - transfer->start_us) * 1000,
        .complete = late->len == 0,
        .gaps = late,
    };
    for (guint i = 0; i < subject->gaps->len; i++)
        summary.complete = summary.complete && !dk_gap_is_failure(subject->gaps->pdata[i]);
    if (!dk_outputs_finish(transfer->outputs, &summary, error))
        return FALSE;
    *result = (DkTransferResult){
        .pause_ns = summary.pause_ns,
        .duration_ns = summary.duration_ns,
        .bytes = transfer->plan->bytes,
        .present = transfer->plan->present,
        .complete = summary.complete,
        .vmcoreinfo_found = transfer->vmcoreinfo_found,
    };
    while (subject->gaps->len)
        g_ptr_array_add(gaps, g_ptr_array_steal_index(subject->gaps, 0));
    while (late->len)
        g_ptr_array_add(gaps, g_ptr_array_steal_index(late, 0));
    result->gaps = g_steal_pointer(&gaps);
    return TRUE;
}

/* A live source is touched when the outputs stand; what a file needs on disk is known first. */
static gboolean run(Transfer *transfer, DkTransferResult *result, GError **error)
{
    DkSource *source = transfer->source;
    g_autoptr(GPtrArray) late = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    if (source->ops->pause) {
        if (!open_outputs(transfer, error) || !take_instant(transfer, error))
            return FALSE;
    } else if (!take_instant(transfer, error) || !open_outputs(transfer, error)) {
        return FALSE;
    }
    if (!carry(transfer, late, error))
        return FALSE;
    /* The target may go on before files are flushed to disk. */
    if (source->ops->resume && !source->ops->resume(source, error))
        return FALSE;
    return finish(transfer, late, result, error);
}

gboolean dk_transfer(DkSource *source, const DkTransferOptions *options, DkProgress *progress,
                     DkTransferResult *result, GError **error)
{
    Transfer transfer = {.source = source, .options = options, .progress = progress};
    transfer.start_us = g_get_monotonic_time();
    gboolean done = run(&transfer, result, error);
    dk_outputs_free(transfer.outputs);
    dk_dump_plan_free(transfer.plan);
    return done;
}
