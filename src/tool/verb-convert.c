/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convert: a dump in another format, filtered, compressed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "capture/transfer.h"
#include "tool/input-options.h"
#include "tool/output-options.h"
#include "tool/transfer-print.h"
#include "tool/verb.h"
#include "tool/version.h"

typedef struct {
    DkOutputOptions output; /* first */
    DkInputOptions input;
    char *filter;
    GOptionEntry entries[2 + DK_OUTPUT_OPTIONS + DK_INPUT_OPTIONS];
} State;

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    const GOptionEntry entries[] = {
        {"filter", 0, 0, G_OPTION_ARG_STRING, &state->filter,
         "Leave pages of a Linux machine out: zero, free, cache, user", "KINDS"},
        {NULL},
    };
    dk_output_options_entries(&state->output, DK_OUTPUT_FORMATS, state->entries);
    dk_input_options_entries(&state->input, state->entries + DK_OUTPUT_OPTIONS);
    memcpy(state->entries + DK_OUTPUT_OPTIONS + DK_INPUT_OPTIONS, entries, sizeof entries);
    return state->entries;
}

static char *name_output(const char *pattern, const DkFormat *format, gboolean zstd, gpointer data,
                         GError **error)
{
    if (pattern)
        return g_strdup(pattern);
    g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE, "expects -o FILE (- for standard output)");
    return NULL;
}

/* Where the dump came from, as a comment in the new one. */
static char *comment_of(const DkSource *source)
{
    const DkOrigin *origin = &source->subject->origin;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "converted from %s", source->format);
    if (origin->writer)
        g_string_append_printf(text, " of %s", origin->writer);
    if (origin->comment)
        g_string_append_printf(text, "; %s", origin->comment);
    return g_string_free(text, FALSE);
}

static int convert(DkTool *tool, const State *state, char **args)
{
    g_autoptr(GError) error = NULL;
    g_auto(DkOpened) opened = {0};
    guint filter = 0;
    if (!args[0]) {
        error = g_error_new(DK_ERROR, DK_ERROR_USAGE, "expects a FILE");
        return dk_tool_fail(tool, error);
    }
    if (dk_output_options_to_stdout(&state->output) && isatty(STDOUT_FILENO)) {
        fprintf(stderr, "dumpkit convert: standard output is a terminal; redirect it\n");
        return DK_EXIT_USAGE;
    }
    if ((state->filter && !dk_filter_parse(state->filter, &filter, &error)) ||
        !dk_input_options_open(&state->input, args, &opened, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(GArray) outputs = dk_output_options_make(&state->output, opened.source->subject->kind,
                                                       name_output, NULL, &error);
    if (!outputs)
        return dk_tool_fail(tool, error);
    dk_output_options_filter(outputs, filter);
    g_autofree char *comment = comment_of(opened.source);
    DkTransferOptions transfer = {
        .outputs = (const DkCaptureOutput *)(gpointer)outputs->data,
        .noutputs = outputs->len,
        .replace = state->output.force,
        .filter = filter,
        .writer = "dumpkit " DK_VERSION,
        .comment = comment,
    };
    g_auto(DkTransferResult) result = {0};
    if (!dk_transfer(opened.source, &transfer, tool->progress, &result, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(DkOut) out = dk_output_options_to_stdout(&state->output) ? dk_tool_err_out(tool)
                                                                       : dk_tool_out(tool);
    if (!tool->quiet || tool->json)
        dk_transfer_print(tool, out, args[0], opened.source, outputs, &result);
    return result.complete ? DK_EXIT_DONE : DK_EXIT_LACKS;
}

static int run(DkTool *tool, gpointer data, char **args)
{
    State *state = data;
    int status = convert(tool, state, args);
    dk_output_options_clear(&state->output);
    dk_input_options_clear(&state->input);
    g_free(state->filter);
    return status;
}

const DkVerb dk_verb_convert = {
    .name = "convert",
    .synopsis = "FILE... -o FILE [-o FILE]...",
    .summary = "write a dump in another format, filtered, compressed",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
