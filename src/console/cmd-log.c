/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .logopen .logappend .logclose: a copy of the session in a file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "console/console.h"

static gboolean close_log(DkConsole *console, DkOut *out, GError **error)
{
    if (!console->log_name) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no log is open");
        return FALSE;
    }
    g_autofree char *name = g_steal_pointer(&console->log_name);
    if (console->log_fd < 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_NO_SPACE,
                    "%s: the log could not be written to its end", name);
        return FALSE;
    }
    g_autofree char *clean = dk_out_clean(name);
    dk_out_text(out, "Closing open log file %s\n", clean);
    dk_out_string(out, "log", name);
    dk_fd_close(&console->log_fd);
    return TRUE;
}

static gboolean open_log(DkConsole *console, const char *name, gboolean append, DkOut *out,
                         GError **error)
{
    if (!name || !*name) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "the name of the log is missing");
        return FALSE;
    }
    if (dk_out_is_json(out)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "a log is text: not with JSON output");
        return FALSE;
    }
    if (console->log_name && !close_log(console, out, error))
        return FALSE;
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : O_TRUNC),
                  0600);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "%s", name);
        return FALSE;
    }
    console->log_fd = fd;
    console->log_name = g_strdup(name);
    g_autofree char *clean = dk_out_clean(name);
    dk_out_text(out, "Opened log file '%s'\n", clean);
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    if (g_str_equal(word, ".logclose"))
        return close_log(console, out, error);
    return open_log(console, args[0].text, g_str_equal(word, ".logappend"), out, error);
}

static const DkArg args[] = {
    {"[FILE]", DK_ARG_WORD, FALSE, "where the copy goes"},
    {NULL},
};

static const char *const aliases[] = {".logappend", ".logclose", NULL};

const DkCommand dk_command_log = {
    .name = ".logopen",
    .aliases = aliases,
    .summary = "keep a copy of the session in a file",
    .help =
        "What is typed and printed from here on also goes to FILE, which .logopen empties first\n"
        "and .logappend keeps.  .logclose ends the copy.\n"
        "\n"
        "Example: .logopen /tmp/stacks.txt; ~*k; .logclose",
    .args = args,
    .run = run,
};
