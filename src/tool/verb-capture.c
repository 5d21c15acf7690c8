/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture: takes a dump of a running process or machine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "codec/zstd-seekable.h"
#include "tool/capture-words.h"

static gboolean take_max_stop(const char *name, const char *value, gpointer data, GError **error)
{
    DkCaptureWords *state = ((const DkTool *)data)->state;
    guint64 ms = 0;
    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT32, &ms, NULL)) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "--max-stop %s: not a number of milliseconds",
                    value);
        return FALSE;
    }
    state->max_stop_ms = (gint64)ms;
    return TRUE;
}

static const GOptionEntry *options(gpointer data)
{
    DkCaptureWords *state = data;
    state->max_stop_ms = -1;
    const GOptionEntry entries[] = {
        {"level", 0, 0, G_OPTION_ARG_STRING, &state->level,
         "full (default), miniplus, mini, triage, filter:BITS", "LEVEL"},
        {"method", 0, 0, G_OPTION_ARG_STRING, &state->method,
         "How to have the memory of one instant", "snapshot|stop|dump"},
        {"filter", 0, 0, G_OPTION_ARG_STRING, &state->filter,
         "Leave pages of a Linux machine out: zero, free, cache, user", "KINDS"},
        {"spool", 0, 0, G_OPTION_ARG_FILENAME, &state->spool,
         "Keep memory that comes unordered in DIR (default: beside the file)", "DIR"},
        {"connect", 0, 0, G_OPTION_ARG_STRING, &state->connect,
         "Find libvirt:NAME at URI (default: where virsh does)", "URI"},
        {"max-stop", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)take_max_stop,
         "Refuse when the pause is estimated above MS milliseconds", "MS"},
        {"thread-timeout", 0, 0, G_OPTION_ARG_INT, &state->thread_timeout_ms,
         "Leave out a thread that has not stopped after MS milliseconds", "MS"},
        {"include-dontdump", 0, 0, G_OPTION_ARG_NONE, &state->include_dontdump,
         "Take memory marked MADV_DONTDUMP too", NULL},
        {"plan", 0, 0, G_OPTION_ARG_NONE, &state->plan, "Say what would be done, and touch nothing",
         NULL},
        {"all", 0, 0, G_OPTION_ARG_NONE, &state->all,
         "Capture every process that matches; %p in FILE is the pid", NULL},
        {NULL},
    };
    dk_output_options_entries(&state->output, DK_OUTPUT_FORMATS, state->entries);
    state->output.zstd_default = DK_ZSTD_LEVEL_LIVE;
    memcpy(state->entries + DK_OUTPUT_OPTIONS, entries, sizeof entries);
    return state->entries;
}

char *dk_capture_default_name(const char *name, const DkFormat *format, gboolean zstd)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%Y%m%d-%H%M%S");
    g_autofree char *clean = g_strdelimit(g_strdup(name), "/ \t\n", '_');
    return g_strdup_printf("%s.%s.%s%s", clean, time,
                           format->extensions ? format->extensions[0] : format->name,
                           zstd ? ".zst" : "");
}

static int capture(DkTool *tool, const DkCaptureWords *words, char **args)
{
    if (!args[0] || args[1]) {
        fprintf(stderr, "usage: dumpkit capture %s\n", tool->verb->synopsis);
        return DK_EXIT_USAGE;
    }
    if (dk_output_options_to_stdout(&words->output) && isatty(STDOUT_FILENO) && !words->plan) {
        fprintf(stderr, "dumpkit capture: standard output is a terminal; redirect it\n");
        return DK_EXIT_USAGE;
    }
    return dk_capture_is_guest(args[0]) ? dk_capture_guest(tool, words, args[0])
                                        : dk_capture_processes(tool, words, args[0]);
}

static int run(DkTool *tool, gpointer data, char **args)
{
    DkCaptureWords *words = data;
    int status = capture(tool, words, args);
    dk_output_options_clear(&words->output);
    g_free(words->level);
    g_free(words->method);
    g_free(words->filter);
    g_free(words->spool);
    g_free(words->connect);
    return status;
}

const DkVerb dk_verb_capture = {
    .name = "capture",
    .synopsis =
        "pid:N | name:NAME | unit:UNIT | qmp:SOCKET | libvirt:NAME | gdb:HOST:PORT [-o FILE]...",
    .summary = "take a dump of a running process or machine",
    .options = options,
    .state_size = sizeof(DkCaptureWords),
    .run = run,
};
