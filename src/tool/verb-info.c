/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info: what a dump is of, how it was made, and what is in it. */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "capture/coverage.h"
#include "format/registry.h"
#include "io/input.h"
#include "target/target.h"
#include "tool/info-lists.h"
#include "tool/verb.h"

typedef struct {
    gboolean threads;
    gboolean modules;
    gboolean maps;
    gboolean notes;
    gboolean gaps;
    GOptionEntry entries[6];
} State;

static void field(DkOut *out, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A line of text mode; an empty text prints nothing. */
static void field(DkOut *out, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *clean = dk_out_clean(text);
    if (*clean)
        dk_out_text(out, "  %-9s  %s\n", name, clean);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void title(DkOut *out, const char *text)
{
    dk_out_text(out, "\n%s%s%s\n", dk_out_bold(out), text, dk_out_reset(out));
}

/* -1 is what the subject has for not known. */
static void json_known(DkOut *out, const char *name, gint64 value)
{
    if (value < 0)
        dk_out_string(out, name, NULL);
    else
        dk_out_int(out, name, value);
}

static void print_file(DkOut *out, const char *path, DkInput *input, DkTarget *target)
{
    const DkSource *source = dk_target_source(target);
    g_autofree char *name = dk_out_clean(path);
    g_autofree char *size = dk_size_text(dk_input_size(input));
    dk_out_text(out, "%s%s%s: %s, %s, %s\n", dk_out_bold(out), name, dk_out_reset(out),
                source->format, dk_input_container(input), size);
    dk_out_string(out, "file", path);
    dk_out_string(out, "format", source->format);
    dk_out_string(out, "container", dk_input_container(input));
    dk_out_int(out, "size", (gint64)dk_input_size(input));
}

/* --- process --- */

static char *pid_text(const DkProcess *process)
{
    GString *text = g_string_new(NULL);
    if (process->pid >= 0)
        g_string_append_printf(text, "%" G_GINT64_FORMAT, process->pid);
    if (process->ns_pid > 0 && process->ns_pid != process->pid)
        g_string_append_printf(text, " (%" G_GINT64_FORMAT " in its namespace)", process->ns_pid);
    if (text->len && process->ppid > 0)
        g_string_append_printf(text, ", parent %" G_GINT64_FORMAT, process->ppid);
    return g_string_free(text, FALSE);
}

static char *user_text(const DkProcess *process)
{
    if (process->uid < 0)
        return g_strdup("");
    if (process->gid < 0)
        return g_strdup_printf("uid %" G_GINT64_FORMAT, process->uid);
    return g_strdup_printf("uid %" G_GINT64_FORMAT ", gid %" G_GINT64_FORMAT, process->uid,
                           process->gid);
}

static char *system_text(const DkSubject *subject)
{
    GString *text = g_string_new(NULL);
    const char *os = dk_os_name(subject->os);
    const char *version = or_empty(subject->os_version);
    /* uname's line begins with the name of the system. */
    if (!g_str_has_prefix(version, os))
        g_string_append_printf(text, "%s%s", os, *version ? " " : "");
    g_string_append_printf(text, "%s on %s", version, dk_machine_name(subject->machine));
    if (subject->cpus)
        g_string_append_printf(text, ", %u CPU%s", subject->cpus, subject->cpus == 1 ? "" : "s");
    if (subject->cpu)
        g_string_append_printf(text, " (%s)", subject->cpu);
    return g_string_free(text, FALSE);
}

static void json_exception(DkOut *out, const DkException *exception, const char *reason)
{
    if (!exception->valid) {
        dk_out_string(out, "exception", NULL);
        return;
    }
    dk_out_begin_object(out, "exception");
    dk_out_int(out, "tid", exception->tid);
    dk_out_hex(out, "code", exception->code);
    dk_out_hex(out, "flags", exception->flags);
    dk_out_hex(out, "address", exception->address);
    dk_out_string(out, "reason", reason);
    dk_out_begin_array(out, "parameters");
    for (guint i = 0; i < exception->nparams && i < G_N_ELEMENTS(exception->params); i++)
        dk_out_hex(out, NULL, exception->params[i]);
    dk_out_end(out);
    dk_out_end(out);
}

static void json_process(DkOut *out, const DkSubject *subject, const char *reason)
{
    const DkProcess *process = &subject->process;
    dk_out_begin_object(out, "process");
    json_known(out, "pid", process->pid);
    json_known(out, "ns_pid", process->ns_pid);
    json_known(out, "ppid", process->ppid);
    json_known(out, "pgrp", process->pgrp);
    json_known(out, "sid", process->sid);
    json_known(out, "uid", process->uid);
    json_known(out, "gid", process->gid);
    dk_out_string(out, "name", process->name);
    dk_out_string(out, "command", process->command);
    dk_out_string(out, "exe", process->exe);
    json_exception(out, &process->exception, reason);
    dk_out_end(out);
    dk_out_begin_object(out, "system");
    dk_out_string(out, "os", dk_os_name(subject->os));
    dk_out_string(out, "os_version", subject->os_version);
    dk_out_string(out, "machine", dk_machine_name(subject->machine));
    dk_out_string(out, "cpu", subject->cpu);
    dk_out_int(out, "cpus", subject->cpus);
    dk_out_int(out, "page_size", subject->page_size);
    dk_out_end(out);
}

static void print_process(DkOut *out, DkTarget *target)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkProcess *process = &subject->process;
    g_autofree char *pid = pid_text(process);
    g_autofree char *user = user_text(process);
    g_autofree char *system = system_text(subject);
    g_autofree char *reason = dk_target_reason(target);
    json_process(out, subject, reason);
    title(out, "Process");
    field(out, "name", "%s", or_empty(process->name));
    field(out, "pid", "%s", pid);
    field(out, "command", "%s", or_empty(process->command));
    field(out, "program", "%s", or_empty(process->exe));
    field(out, "user", "%s", user);
    field(out, "system", "%s", system);
    if (reason && process->exception.tid)
        field(out, "reason", "%s, in thread %u", reason, process->exception.tid);
    else
        field(out, "reason", "%s", or_empty(reason));
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
    json_known(out, "pause_ns", origin->pause_ns);
    json_known(out, "duration_ns", origin->duration_ns);
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

static void print_origin(DkOut *out, DkTarget *target)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkOrigin *origin = &subject->origin;
    DkCoverage coverage = dk_coverage_of(dk_target_space(target), 0, G_MAXUINT64);
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
    title(out, "Dump");
    field(out, "writer", "%s", or_empty(origin->writer));
    field(out, "method", "%s", or_empty(origin->method));
    field(out, "level", "%s", or_empty(origin->level));
    field(out, "comment", "%s", or_empty(origin->comment));
    field(out, "time", "%s", or_empty(time));
    field(out, "pause", "%s", pause);
    field(out, "duration", "%s", duration);
    field(out, "memory", "%s in %" G_GUINT64_FORMAT " range%s", present, coverage.runs,
          coverage.runs == 1 ? "" : "s");
    field(out, "complete", "%s", complete);
}

/* --- the verb --- */

static void print_lists(const State *state, DkOut *out, DkTarget *target)
{
    gboolean chosen = state->threads || state->modules || state->maps || state->notes ||
                      state->gaps;
    const DkSubject *subject = dk_target_subject(target);
    DkInfoList list = {out, target, subject, chosen};
    if (!chosen || state->threads)
        dk_info_threads(&list);
    if (!chosen || state->modules)
        dk_info_modules(&list);
    if (!chosen || state->maps)
        dk_info_maps(&list);
    if (!chosen || state->notes)
        dk_info_notes(&list);
    if (state->gaps || (!chosen && (subject->gaps->len || dk_out_is_json(out))))
        dk_info_gaps(&list);
}

static int run(DkTool *tool, gpointer data, char **args)
{
    const State *state = data;
    g_autoptr(GError) error = NULL;
    if (!args[0] || args[1]) {
        error = g_error_new(DK_ERROR, DK_ERROR_USAGE, "expects one FILE");
        return dk_tool_fail(tool, error);
    }
    g_autoptr(DkInput) input = dk_input_open(args[0], &error);
    DkSource *source = input ? dk_format_open(input, NULL, &error) : NULL;
    if (!source)
        return dk_tool_fail(tool, error);
    g_autoptr(DkTarget) target = dk_target_new(source, NULL);
    g_autoptr(DkOut) out = dk_tool_out(tool);
    print_file(out, args[0], input, target);
    print_process(out, target);
    print_origin(out, target);
    print_lists(state, out, target);
    return DK_EXIT_DONE;
}

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    const GOptionEntry entries[] = {
        {"threads", 0, 0, G_OPTION_ARG_NONE, &state->threads, "List the threads, all of them",
         NULL},
        {"modules", 0, 0, G_OPTION_ARG_NONE, &state->modules, "List the modules, all of them",
         NULL},
        {"maps", 0, 0, G_OPTION_ARG_NONE, &state->maps, "List the memory map, all of it", NULL},
        {"notes", 0, 0, G_OPTION_ARG_NONE, &state->notes, "List the notes or streams, all of them",
         NULL},
        {"gaps", 0, 0, G_OPTION_ARG_NONE, &state->gaps, "List what is missing, all of it", NULL},
        {NULL},
    };
    memcpy(state->entries, entries, sizeof entries);
    return state->entries;
}

const DkVerb dk_verb_info = {
    .name = "info",
    .synopsis = "FILE",
    .summary = "header, process, threads, modules and memory map of a dump",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
