/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture of machines behind a GDB stub. */
#include <string.h>

#include "base/error.h"
#include "capture/transfer.h"
#include "live/gdbstub/gdb-source.h"
#include "tool/capture-words.h"
#include "tool/transfer-print.h"
#include "tool/version.h"

#define ANSWER_TIMEOUT_MS 10000u

static char *name_output(const char *pattern, const DkFormat *format, gboolean zstd, gpointer data,
                         GError **error)
{
    return pattern ? g_strdup(pattern) : dk_capture_default_name("gdb", format, zstd);
}

static gboolean check_words(const DkCaptureWords *words, guint *filter, GError **error)
{
    if (words->level || words->all || words->include_dontdump) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE,
                            "--level, --all and --include-dontdump are for processes");
        return FALSE;
    }
    if (words->method && strcmp(words->method, "auto") != 0 && strcmp(words->method, "stop") != 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "--method %s: a machine behind a GDB stub can only be stopped", words->method);
        return FALSE;
    }
    if (words->max_stop_ms >= 0) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE,
                            "--max-stop: how long a machine behind a GDB stub stands still is not "
                            "known before");
        return FALSE;
    }
    return !words->filter || dk_filter_parse(words->filter, filter, error);
}

static void print_head(DkOut *out, const char *target)
{
    dk_out_string(out, "target", target);
    dk_out_string(out, "method", "stop");
    dk_out_string(out, "why", "a GDB stub stops its machine");
}

/* The stub is not asked: that alone would stop the machine. */
static void print_plan(DkOut *out, const char *target, const GArray *outputs)
{
    print_head(out, target);
    dk_out_text(out,
                "target    %s: not looked at, since a stub stops its machine when it is asked\n"
                "method    stop: the machine stands until all memory has been read over the stub, "
                "then runs, also when it was stopped before\n",
                target);
    dk_outputs_print(out, outputs);
}

int dk_capture_gdb(DkTool *tool, const DkCaptureWords *words, const char *target)
{
    g_autoptr(GError) error = NULL;
    guint filter = 0;
    if (!check_words(words, &filter, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(GArray) outputs = dk_output_options_make(&words->output, DK_SUBJECT_MACHINE,
                                                       name_output, NULL, &error);
    if (!outputs)
        return dk_tool_fail(tool, error);
    if (words->plan) {
        g_autoptr(DkOut) plan = dk_tool_out(tool);
        print_plan(plan, target, outputs);
        return DK_EXIT_DONE;
    }
    g_autoptr(DkSource) source = dk_gdb_source_new(target, ANSWER_TIMEOUT_MS);
    DkTransferOptions transfer = {
        .outputs = (const DkCaptureOutput *)(gpointer)outputs->data,
        .noutputs = outputs->len,
        .replace = words->output.force,
        .filter = filter,
        .writer = "dumpkit " DK_VERSION,
    };
    g_auto(DkTransferResult) result = {0};
    if (!dk_transfer(source, &transfer, tool->progress, &result, &error))
        return dk_tool_fail(tool, error);
    gboolean to_stdout = dk_output_options_to_stdout(&words->output);
    g_autoptr(DkOut) out = to_stdout ? dk_tool_err_out(tool) : dk_tool_out(tool);
    if (!tool->quiet || tool->json) {
        print_head(out, target);
        dk_transfer_print(tool, out, target, source, outputs, &result);
    }
    return result.complete ? DK_EXIT_DONE : DK_EXIT_LACKS;
}
