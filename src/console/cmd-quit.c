/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q: the end. */
#include "console/console.h"

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    console->done = TRUE;
    return TRUE;
}

static const char *const aliases[] = {"qq", "qd", NULL};

const DkCommand dk_command_quit = {
    .name = "q",
    .aliases = aliases,
    .summary = "quit",
    .help = "Commands behind it on the line are not run.\n"
            "\n"
            "Example: q",
    .run = run,
};
