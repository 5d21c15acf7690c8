/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info: what a dump is of, how it was made, and what is in it. */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "capture/coverage.h"
#include "io/input.h"
#include "tool/info-lists.h"
#include "tool/info-print.h"
#include "tool/input-options.h"
#include "tool/verb.h"

typedef struct {
    DkInputOptions input;
    gboolean threads;
    gboolean modules;
    gboolean maps;
    gboolean notes;
    gboolean gaps;
    GOptionEntry entries[6 + DK_INPUT_OPTIONS];
} State;

static void print_file(DkOut *out, char **paths, const DkOpened *opened)
{
    guint64 size = 0;
    const DkSource *source = opened->source;
    const char *container = dk_input_container(dk_opened_input(opened));
    g_autofree char *name = dk_out_clean(paths[0]);
    for (guint i = 0; i < opened->inputs->len; i++)
        size = dk_size_add(size, dk_input_size(opened->inputs->pdata[i]));
    g_autofree char *size_text = dk_size_text(size);
    dk_out_text(out, "%s%s%s", dk_out_bold(out), name, dk_out_reset(out));
    if (opened->inputs->len > 1)
        dk_out_text(out, " and %u more", opened->inputs->len - 1);
    dk_out_text(out, ": %s, %s, %s\n", source->format, container, size_text);
    dk_out_string(out, "file", paths[0]);
    dk_out_string(out, "format", source->format);
    dk_out_string(out, "container", container);
    dk_info_json_size(out, "size", size);
}

/* --- origin --- */

/* ISO 8601 with microseconds, in UTC; NULL when not known or not in a calendar. */
static char *time_text(gint64 time_us)
{
    if (time_us < 0)
        return NULL;
    g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) time = seconds ? g_date_time_add(seconds, time_us % G_USEC_PER_SEC) : NULL;
    return time ? g_date_time_format_iso8601(time) : NULL;
}

static char *duration_text(gint64 ns)
{
    if (ns < 0)
        return g_strdup("");
    if (ns < G_GINT64_CONSTANT(1000000000))
        return g_strdup_printf("%.1f ms", (double)ns / 1e6);
    return g_strdup_printf("%.2f s", (double)ns / 1e9);
}

static void json_origin(DkOut *out, const DkOrigin *origin, const char *time)
{
    dk_out_begin_object(out, "origin");
    dk_out_string(out, "writer", origin->writer);
    dk_out_string(out, "method", origin->method);
    dk_out_string(out, "level", origin->level);
    dk_out_string(out, "comment", origin->comment);
    dk_out_string(out, "time", time);
    dk_info_json_known(out, "pause_ns", origin->pause_ns);
    dk_info_json_known(out, "duration_ns", origin->duration_ns);
    if (origin->complete < 0)
        dk_out_string(out, "complete", NULL);
    else
        dk_out_bool(out, "complete", origin->complete == 1);
    dk_out_end(out);
}

static char *complete_text(const DkOrigin *origin, const DkSubject *subject)
{
    guint failures = 0;
    for (guint i = 0; i < subject->gaps->len; i++)
        failures += dk_gap_is_failure(g_ptr_array_index(subject->gaps, i));
    if (origin->complete < 0 && !failures)
        return g_strdup("the file does not say");
    if (origin->complete == 1 && !failures)
        return g_strdup("yes");
    return failures ? g_strdup_printf("no, %u gap%s", failures, failures == 1 ? "" : "s")
                    : g_strdup("no");
}

static void print_origin(DkOut *out, const DkSource *source)
{
    const DkSubject *subject = source->subject;
    const DkOrigin *origin = &subject->origin;
    DkCoverage coverage = dk_coverage_of(source->space, 0, G_MAXUINT64);
    g_autofree char *time = time_text(origin->time_us);
    g_autofree char *pause = duration_text(origin->pause_ns);
    g_autofree char *duration = duration_text(origin->duration_ns);
    g_autofree char *present = dk_size_text(coverage.present);
    g_autofree char *complete = complete_text(origin, subject);
    json_origin(out, origin, time);
    dk_out_begin_object(out, "memory");
    dk_out_int(out, "present", (gint64)MIN(coverage.present, (guint64)G_MAXINT64));
    dk_out_int(out, "ranges", (gint64)coverage.runs);
    dk_out_end(out);
    dk_info_title(out, "Dump");
    dk_info_field(out, "writer", "%s", dk_or_empty(origin->writer));
    dk_info_field(out, "method", "%s", dk_or_empty(origin->method));
    dk_info_field(out, "level", "%s", dk_or_empty(origin->level));
    dk_info_field(out, "comment", "%s", dk_or_empty(origin->comment));
    dk_info_field(out, "time", "%s", dk_or_empty(time));
    dk_info_field(out, "pause", "%s", pause);
    dk_info_field(out, "duration", "%s", duration);
    dk_info_field(out, "memory", "%s in %" G_GUINT64_FORMAT " range%s", present, coverage.runs,
                  coverage.runs == 1 ? "" : "s");
    dk_info_field(out, "complete", "%s", complete);
}

/* --- the verb --- */

static void print_lists(const State *state, const DkInfoList *base)
{
    gboolean chosen = state->threads || state->modules || state->maps || state->notes ||
                      state->gaps;
    gboolean process = base->subject->kind == DK_SUBJECT_PROCESS;
    DkInfoList list = *base;
    list.all = chosen;
    if (!chosen || state->threads)
        (process ? dk_info_threads : dk_info_cpus)(&list);
    /* Few dumps of machines list modules; the kernel knows them. */
    gboolean has_modules = process || base->subject->system.modules->len ||
                           dk_out_is_json(list.out);
    if (state->modules || (!chosen && has_modules))
        dk_info_modules(&list);
    if (!chosen || state->maps)
        (process ? dk_info_maps : dk_info_ram)(&list);
    if (!chosen || state->notes)
        dk_info_notes(&list);
    if (state->gaps || (!chosen && (base->subject->gaps->len || dk_out_is_json(list.out))))
        dk_info_gaps(&list);
}

static void print_machine(const State *state, DkOut *out, DkOpened *opened)
{
    DkSource *source = opened->source;
    DkInfoList list = {.out = out,
                       .source = source,
                       .subject = source->subject,
                       .arch = dk_arch_for(source->subject->machine)};
    dk_info_machine(&list);
    print_origin(out, source);
    print_lists(state, &list);
}

static void print_process(const State *state, DkOut *out, DkOpened *opened)
{
    g_autoptr(DkTarget) target = dk_target_new(g_steal_pointer(&opened->source), NULL);
    DkSource *source = dk_target_source(target);
    DkInfoList list = {
        .out = out, .source = source, .subject = source->subject, .arch = dk_target_arch(target)};
    dk_info_process(out, target);
    print_origin(out, source);
    print_lists(state, &list);
}

static int info(DkTool *tool, const State *state, char **args)
{
    g_autoptr(GError) error = NULL;
    g_auto(DkOpened) opened = {0};
    if (!args[0]) {
        error = g_error_new(DK_ERROR, DK_ERROR_USAGE, "expects a FILE");
        return dk_tool_fail(tool, error);
    }
    if (!dk_input_options_open(&state->input, args, &opened, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(DkOut) out = dk_tool_out(tool);
    print_file(out, args, &opened);
    if (opened.source->subject->kind == DK_SUBJECT_MACHINE)
        print_machine(state, out, &opened);
    else
        print_process(state, out, &opened);
    return DK_EXIT_DONE;
}

static int run(DkTool *tool, gpointer data, char **args)
{
    State *state = data;
    int status = info(tool, state, args);
    dk_input_options_clear(&state->input);
    return status;
}

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    const GOptionEntry entries[] = {
        {"threads", 0, 0, G_OPTION_ARG_NONE, &state->threads,
         "List the threads or CPUs, all of them", NULL},
        {"modules", 0, 0, G_OPTION_ARG_NONE, &state->modules, "List the modules, all of them",
         NULL},
        {"maps", 0, 0, G_OPTION_ARG_NONE, &state->maps, "List the memory map, all of it", NULL},
        {"notes", 0, 0, G_OPTION_ARG_NONE, &state->notes, "List the notes or streams, all of them",
         NULL},
        {"gaps", 0, 0, G_OPTION_ARG_NONE, &state->gaps, "List what is missing, all of it", NULL},
        {NULL},
    };
    dk_input_options_entries(&state->input, state->entries);
    memcpy(state->entries + DK_INPUT_OPTIONS, entries, sizeof entries);
    return state->entries;
}

const DkVerb dk_verb_info = {
    .name = "info",
    .synopsis = "FILE...",
    .summary = "header, threads or CPUs, modules and memory map of a dump",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
