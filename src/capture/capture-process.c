/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/capture-process.h"

#include "capture/coverage.h"
#include "capture/pipeline.h"
#include "capture/pointed.h"
#include "live/process/process-source.h"
#include "sym/symfile.h"

/* Headers, registers and tables: a little for each thread. */
#define OVERHEAD ((guint64)1 << 20)
#define OVERHEAD_THREAD ((guint64)4096)
/* A small level's share of a large process, for the estimate. */
#define MINI_THREAD ((guint64)256 << 10)
#define MINI_MAX ((guint64)64 << 20)

typedef struct {
    const DkCaptureOptions *options;
    const DkProcessPlan *plan;
    DkSource *source;
    DkOutputs *outputs;
    DkDumpPlan *dump;
    gint64 start_us;
} Capture;

void dk_capture_result_clear(DkCaptureResult *result)
{
    g_clear_pointer(&result->why, g_free);
    g_clear_pointer(&result->gaps, g_ptr_array_unref);
}

guint64 dk_capture_estimate(const DkLevel *level, const DkProcessPlan *plan)
{
    guint64 overhead = OVERHEAD + plan->threads * OVERHEAD_THREAD;
    switch (level->kind) {
    case DK_LEVEL_MINI:
    case DK_LEVEL_TRIAGE:
        return overhead + MIN(plan->rss, MIN(MINI_MAX, plan->threads * MINI_THREAD));
    case DK_LEVEL_MINIPLUS:
        return overhead + plan->anonymous + plan->swap;
    case DK_LEVEL_FULL:
    case DK_LEVEL_FILTER:
        break;
    }
    return overhead + plan->rss + plan->swap;
}

/* Says what the page filter of a level takes out of the pages that are there. */
static void note_blanks(DkSubject *subject, DkLevelKind kind)
{
    guint64 first;
    guint64 end;
    if (kind == DK_LEVEL_TRIAGE)
        dk_subject_add_gap(subject, "excluded", 1, 0, 0,
                           "values on stacks and in registers that are no addresses: level triage");
    else if (kind == DK_LEVEL_MINI && dk_pointed_environment(subject, &first, &end))
        dk_subject_add_gap(subject, "excluded", first, end - 1, 0,
                           "arguments and environment, blanked: level mini");
}

static void describe(Capture *capture)
{
    DkSubject *subject = capture->source->subject;
    subject->origin.writer = g_strdup(capture->options->writer);
    subject->origin.level = dk_level_name(&capture->options->level);
    dk_elf_identify_modules(subject, capture->source->space);
    capture->dump = dk_level_plan(&capture->options->level, capture->source);
    note_blanks(subject, capture->options->level.kind);
    if (capture->options->level.kind == DK_LEVEL_TRIAGE)
        dk_pointed_blank_registers(subject);
}

static gboolean carry(Capture *capture, GPtrArray *late, DkProgress *progress, GError **error)
{
    DkLevelKind kind = capture->options->level.kind;
    DkPipeline pipeline = {
        .source = capture->source,
        .plan = capture->dump,
        .sinks = dk_outputs_sinks(capture->outputs),
        .nsinks = capture->options->noutputs,
        .filter = kind == DK_LEVEL_TRIAGE ? dk_pointed_blank
                  : kind == DK_LEVEL_MINI ? dk_pointed_blank_environment
                                          : NULL,
        .progress = progress,
    };
    return dk_pipeline_run(&pipeline, late, error);
}

static gboolean finish(Capture *capture, GPtrArray *late, DkCaptureResult *result, GError **error)
{
    DkSubject *subject = capture->source->subject;
    result->gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    result->pause_ns = dk_process_source_pause_ns(capture->source);
    result->duration_ns = (g_get_monotonic_time() - capture->start_us) * 1000;
    result->complete = late->len == 0;
    for (guint i = 0; i < subject->gaps->len; i++)
        result->complete = result->complete && !dk_gap_is_failure(subject->gaps->pdata[i]);
    DkDumpSummary summary = {
        .pause_ns = result->pause_ns,
        .duration_ns = result->duration_ns,
        .complete = result->complete,
        .gaps = late,
    };
    if (!dk_outputs_finish(capture->outputs, &summary, error))
        return FALSE;
    const char *why = NULL;
    result->method = dk_process_source_method(capture->source, &why);
    result->why = g_strdup(why);
    result->bytes = capture->dump->bytes;
    result->present = capture->dump->present;
    result->threads = subject->process.threads->len;
    while (subject->gaps->len)
        g_ptr_array_add(result->gaps, g_ptr_array_steal_index(subject->gaps, 0));
    while (late->len)
        g_ptr_array_add(result->gaps, g_ptr_array_steal_index(late, 0));
    return TRUE;
}

static gboolean run(Capture *capture, DkProgress *progress, DkCaptureResult *result, GError **error)
{
    g_autoptr(GPtrArray) late = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    const DkCaptureOptions *options = capture->options;
    capture->outputs = dk_outputs_open(options->outputs, options->noutputs, options->replace,
                                       dk_capture_estimate(&options->level, capture->plan), error);
    if (!capture->outputs || !capture->source->ops->pause(capture->source, error))
        return FALSE;
    describe(capture);
    const DkSubject *subject = capture->source->subject;
    if (!dk_outputs_accept(capture->outputs, subject, error) ||
        !dk_outputs_begin(capture->outputs, subject, capture->dump, error) ||
        !carry(capture, late, progress, error))
        return FALSE;
    /* The target may go on before files are flushed to disk. */
    if (!capture->source->ops->resume(capture->source, error))
        return FALSE;
    return finish(capture, late, result, error);
}

gboolean dk_capture_process(const DkCaptureOptions *options, const DkProcessPlan *plan,
                            DkProgress *progress, DkCaptureResult *result, GError **error)
{
    Capture capture = {.options = options, .plan = plan};
    *result = (DkCaptureResult){0};
    capture.start_us = g_get_monotonic_time();
    capture.source = dk_process_source_new(&options->process, plan);
    gboolean done = run(&capture, progress, result, error);
    dk_outputs_free(capture.outputs);
    dk_dump_plan_free(capture.dump);
    dk_source_close(capture.source);
    return done;
}
