/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture of processes. */
#include <string.h>

#include "base/error.h"
#include "capture/capture-process.h"
#include "live/process/proc-files.h"
#include "live/process/target-lookup.h"
#include "live/process/tracer-client.h"
#include "tool/capture-words.h"
#include "tool/progress-line.h"
#include "tool/transfer-print.h"
#include "tool/version.h"

#define THREAD_TIMEOUT_MS 500

/* What the words of the command line ask for. */
typedef struct {
    DkTool *tool;
    const DkCaptureWords *state;
    DkLevel level;
    DkMethod method;
} Wish;

static gboolean take_wish(Wish *wish, GError **error)
{
    const DkCaptureWords *state = wish->state;
    if (!dk_level_parse(state->level ? state->level : "full", &wish->level, error))
        return FALSE;
    wish->level.include_dontdump = state->include_dontdump;
    if (!state->method) {
        wish->method = DK_METHOD_AUTO;
    } else if (g_str_equal(state->method, "snapshot")) {
        wish->method = DK_METHOD_SNAPSHOT;
    } else if (g_str_equal(state->method, "stop")) {
        wish->method = DK_METHOD_STOP;
    } else {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "--method %s: there are snapshot and stop",
                    state->method);
        return FALSE;
    }
    if (state->filter) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE,
                            "--filter is for machines; of processes --level chooses");
        return FALSE;
    }
    if (state->thread_timeout_ms < 0) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE, "--thread-timeout is below 0");
        return FALSE;
    }
    return TRUE;
}

/* Replaces %p by the pid and %n by the name of the process; %% stands for itself. */
static char *fill_name(const char *pattern, const DkProcessPlan *plan)
{
    GString *name = g_string_new(NULL);
    for (const char *at = pattern; *at; at++) {
        if (at[0] == '%' && at[1] == 'p') {
            g_string_append_printf(name, "%d", (int)plan->pid);
            at++;
        } else if (at[0] == '%' && at[1] == 'n') {
            g_string_append(name, plan->name);
            at++;
        } else {
            if (at[0] == '%' && at[1] == '%')
                at++;
            g_string_append_c(name, *at);
        }
    }
    return g_string_free(name, FALSE);
}

static char *name_output(const char *pattern, const DkFormat *format, gboolean zstd, gpointer data,
                         GError **error)
{
    const DkProcessPlan *plan = data;
    if (pattern)
        return fill_name(pattern, plan);
    g_autofree char *name = g_strdup_printf("%s.%d", plan->name, (int)plan->pid);
    return dk_capture_default_name(name, format, zstd);
}

static char *ms_text(gint64 ns)
{
    return g_strdup_printf("%.1f ms", (double)ns / 1e6);
}

static void print_plan(Wish *wish, const DkProcessPlan *plan, const GArray *outputs, DkOut *out)
{
    g_autofree char *pause = ms_text(plan->pause_ns);
    guint64 bytes = dk_capture_estimate(&wish->level, plan);
    g_autofree char *size = dk_progress_size_text(bytes);
    g_autofree char *level = dk_level_name(&wish->level);
    dk_out_text(out, "process   %d (%s), %u threads\n", (int)plan->pid, plan->name, plan->threads);
    dk_out_text(out, "method    %s: %s\n", dk_method_name(plan->method), plan->why);
    dk_out_text(out, "pause     about %s\n", pause);
    dk_out_text(out, "level     %s%s\n", level,
                wish->level.include_dontdump ? ", with MADV_DONTDUMP memory" : "");
    dk_out_text(out, "size      at most about %s on disk, before compression\n", size);
    dk_out_int(out, "pid", plan->pid);
    dk_out_string(out, "name", plan->name);
    dk_out_int(out, "threads", plan->threads);
    dk_out_string(out, "method", dk_method_name(plan->method));
    dk_out_string(out, "why", plan->why);
    dk_out_int(out, "pause_ns", plan->pause_ns);
    dk_out_string(out, "level", level);
    dk_out_int(out, "size_bytes", (gint64)bytes);
    dk_out_begin_array(out, "outputs");
    for (guint i = 0; i < outputs->len; i++) {
        const DkCaptureOutput *output = &g_array_index(outputs, DkCaptureOutput, i);
        dk_out_text(out, "output    %s (%s%s)\n", output->path, output->format->name,
                    output->zstd_level ? ", seekable zstd" : "");
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "path", output->path);
        dk_out_string(out, "format", output->format->name);
        dk_out_int(out, "zstd_level", output->zstd_level);
        dk_out_end(out);
    }
    dk_out_end(out);
}

static void print_result(DkTool *tool, const DkProcessPlan *plan, const GArray *outputs,
                         const DkCaptureResult *result, DkOut *out)
{
    g_autofree char *pause = ms_text(result->pause_ns);
    g_autofree char *memory = dk_progress_size_text(result->bytes);
    g_autofree char *present = dk_progress_size_text(result->present);
    dk_out_int(out, "pid", plan->pid);
    dk_out_string(out, "name", plan->name);
    dk_out_string(out, "method", dk_method_name(result->method));
    dk_out_string(out, "why", result->why);
    dk_out_int(out, "threads", result->threads);
    dk_out_int(out, "pause_ns", result->pause_ns);
    dk_out_int(out, "duration_ns", result->duration_ns);
    dk_out_int(out, "memory_bytes", (gint64)result->bytes);
    dk_out_int(out, "present_bytes", (gint64)result->present);
    dk_out_bool(out, "complete", result->complete);
    dk_outputs_print(out, outputs);
    dk_out_text(out, "  %d (%s): %u threads, %s of memory, %s of it in use\n", (int)plan->pid,
                plan->name, result->threads, memory, present);
    dk_out_text(out, "  method %s: %s\n", dk_method_name(result->method), result->why);
    dk_result_gaps_print(tool, out, result->gaps);
    dk_out_text(out, "pause %s, %.2f s in all, %s%s%s\n", pause, (double)result->duration_ns / 1e9,
                result->complete ? dk_out_green(out) : dk_out_yellow(out),
                result->complete ? "complete" : "not complete", dk_out_reset(out));
}

static int capture_one(Wish *wish, pid_t pid, DkOut *out)
{
    DkTool *tool = wish->tool;
    const DkCaptureWords *state = wish->state;
    const char *const argv[] = {"/proc/self/exe", "tracer", NULL};
    g_autoptr(DkTracerClient) tracer = NULL;
    DkCaptureOptions options = {
        .process = {.pid = pid,
                    .root = "",
                    .method = wish->method,
                    .max_stop_ms = state->max_stop_ms,
                    .thread_timeout_ms = state->thread_timeout_ms ? (guint)state->thread_timeout_ms
                                                                  : THREAD_TIMEOUT_MS,
                    .tracer_argv = argv,
                    .tracer = &tracer},
        .level = wish->level,
        .replace = state->output.force,
        .writer = "dumpkit " DK_VERSION,
    };
    g_autoptr(GError) error = NULL;
    /* It starts while the plan is made.  A failure shows when it is needed. */
    if (!state->plan)
        tracer = dk_tracer_client_new(argv, NULL);
    g_autoptr(DkProcessPlan) plan = dk_process_plan_new(&options.process, &error);
    g_autoptr(GArray) outputs = plan ? dk_output_options_make(&state->output, DK_SUBJECT_PROCESS,
                                                              name_output, plan, &error)
                                     : NULL;
    if (!outputs)
        return dk_tool_fail(tool, error);
    if (state->plan) {
        print_plan(wish, plan, outputs, out);
        return DK_EXIT_DONE;
    }
    options.outputs = (const DkCaptureOutput *)(gpointer)outputs->data;
    options.noutputs = outputs->len;
    g_auto(DkCaptureResult) result = {0};
    gboolean done = dk_capture_process(&options, plan, tool->progress, &result, &error);
    if (!done)
        return dk_tool_fail(tool, error);
    if (!tool->quiet || tool->json)
        print_result(tool, plan, outputs, &result, out);
    return result.complete ? DK_EXIT_DONE : DK_EXIT_LACKS;
}

/* More than one process needs --all, and a name for each file. */
static gboolean check_several(const DkCaptureWords *state, const char *target, const GArray *pids,
                              GError **error)
{
    if (pids->len == 1)
        return TRUE;
    if (!state->all) {
        g_autoptr(GString) list = g_string_new(NULL);
        for (guint i = 0; i < pids->len; i++) {
            g_autofree char *line = dk_process_target_line("", g_array_index(pids, pid_t, i));
            g_string_append_printf(list, "\n  %s", line);
        }
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "%s means %u processes; say pid:N, or --all for each of them:%s", target,
                    pids->len, list->str);
        return FALSE;
    }
    for (guint i = 0; state->output.paths && state->output.paths[i]; i++) {
        if (!strstr(state->output.paths[i], "%p")) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "-o %s: with --all the name needs a %%p for the pid",
                        state->output.paths[i]);
            return FALSE;
        }
    }
    return TRUE;
}

int dk_capture_processes(DkTool *tool, const DkCaptureWords *words, const char *target)
{
    Wish wish = {.tool = tool, .state = words};
    g_autoptr(GError) error = NULL;
    if (!take_wish(&wish, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(GArray) pids = dk_process_target_find("", target, &error);
    if (!pids || !check_several(wish.state, target, pids, &error))
        return dk_tool_fail(tool, error);
    gboolean to_stdout = dk_output_options_to_stdout(&words->output);
    g_autoptr(DkOut) out = to_stdout && !words->plan ? dk_tool_err_out(tool) : dk_tool_out(tool);
    int status = DK_EXIT_DONE;
    if (words->all)
        dk_out_begin_array(out, "captures");
    for (guint i = 0; i < pids->len; i++) {
        if (words->all)
            dk_out_begin_object(out, NULL);
        int one = capture_one(&wish, g_array_index(pids, pid_t, i), out);
        if (words->all)
            dk_out_end(out);
        if (status == DK_EXIT_DONE || one == DK_EXIT_FAILED)
            status = one;
        if (one == DK_EXIT_INTERRUPTED)
            return one;
    }
    return status;
}
