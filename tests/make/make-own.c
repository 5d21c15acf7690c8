/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes a dump anew with one of dumpkit's own writers, so that golden tests have files of ours
 * (with record and checksums) that are the same on every machine:
 *
 *   make-own FORMAT INPUT OUTPUT [KEY=VALUE...]
 *
 *   level=LEVEL                        what the record says; "full" when not given
 *   gap=WHAT:FIRST:LAST:TID:WHY        a gap for the record; FIRST above LAST for one without range
 *   failed=WHAT:FIRST:LAST:TID:WHY     one for the result, which then is not complete
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "capture/pipeline.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

#define PAGE ((guint64)4096)

static void die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("make-own: %s\n", text);
    exit(2);
}

static guint64 number(const char *text)
{
    guint64 value = 0;
    if (!g_ascii_string_to_unsigned(g_str_has_prefix(text, "0x") ? text + 2 : text,
                                    g_str_has_prefix(text, "0x") ? 16 : 10, 0, G_MAXUINT64, &value,
                                    NULL))
        die("\"%s\" is no number", text);
    return value;
}

/* Adds the gap that text describes to subject. */
static void add_gap(DkSubject *subject, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 5);
    if (g_strv_length(parts) != 5)
        die("\"%s\" is not WHAT:FIRST:LAST:TID:WHY", text);
    dk_subject_add_gap(subject, parts[0], number(parts[1]), number(parts[2]),
                       (guint32)number(parts[3]), "%s", parts[4]);
}

/* Every whole page that the source has. */
static DkDumpPlan *plan_of(DkSource *source)
{
    DkDumpPlan *plan = dk_dump_plan_new();
    guint64 from = 0;
    DkRun run;
    while (dk_space_next_run(source->space, from, &run)) {
        guint64 first = (run.first + PAGE - 1) & ~(PAGE - 1);
        guint64 end = (run.last + 1) & ~(PAGE - 1);
        const DkMapping *mapping = dk_subject_mapping_at(source->subject, first);
        if (run.kind == DK_RUN_DATA && first < end) {
            dk_dump_plan_add(plan, first, end - 1, mapping ? mapping->flags : DK_MAP_READ);
            plan->present += end - first;
        }
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
    return plan;
}

static gboolean write_dump(DkSource *source, const DkFormat *format, DkOutput *output,
                           const DkDumpSummary *summary, GError **error)
{
    g_autoptr(DkDumpPlan) plan = plan_of(source);
    g_autoptr(GPtrArray) failed = g_ptr_array_new();
    g_autoptr(DkSink) sink = format->sink_new(output, NULL);
    const DkPipeline pipeline = {.source = source, .plan = plan, .sinks = &sink, .nsinks = 1};
    return dk_sink_accepts(sink, source->subject, error) &&
           dk_sink_begin(sink, source->subject, plan, error) &&
           dk_pipeline_run(&pipeline, failed, error) && dk_sink_finish(sink, summary, error) &&
           dk_output_finish(output, error);
}

static void describe(DkSubject *subject, DkSubject *result, char **words)
{
    DkOrigin *origin = &subject->origin;
    const char *level = "full";
    for (guint i = 0; words[i]; i++) {
        if (g_str_has_prefix(words[i], "level="))
            level = words[i] + strlen("level=");
        else if (g_str_has_prefix(words[i], "gap="))
            add_gap(subject, words[i] + strlen("gap="));
        else if (g_str_has_prefix(words[i], "failed="))
            add_gap(result, words[i] + strlen("failed="));
        else
            die("\"%s\" is not understood", words[i]);
    }
    g_free(origin->method);
    g_free(origin->level);
    origin->method = g_strdup("stop");
    origin->level = g_strdup(level);
    origin->time_us = G_GINT64_CONSTANT(1700000000123456);
    origin->pause_ns = 2500000;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (argc < 4)
        die("FORMAT INPUT OUTPUT [KEY=VALUE...]");
    const DkFormat *format = dk_format_by_name(argv[1]);
    g_autoptr(DkInput) input = dk_input_open(argv[2], &error);
    g_autoptr(DkSource) source = input ? dk_format_open(input, NULL, &error) : NULL;
    if (!format || !source)
        die("%s", error ? error->message : "no such format");
    g_autoptr(DkSubject) result = dk_subject_new();
    describe(source->subject, result, argv + 4);
    const DkDumpSummary summary = {.pause_ns = 2500000,
                                   .duration_ns = 40000000,
                                   .complete = !result->gaps->len,
                                   .gaps = result->gaps};
    g_autoptr(DkOutput) output = dk_output_file_new(argv[3], TRUE, 0, &error);
    if (!output || !write_dump(source, format, output, &summary, &error))
        die("%s", error->message);
    return 0;
}
