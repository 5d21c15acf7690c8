/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .echo: a line of text, to mark the output of scripts. */
#include <string.h>

#include "console/console.h"

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    const char *text = args[0].given ? args[0].text : "";
    gsize len = strlen(text);
    /* Quotes around the whole are kd's way to keep blanks and semicolons. */
    gboolean quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"';
    g_autofree char *plain = quoted ? g_strndup(text + 1, len - 2) : g_strdup(text);
    g_autofree char *clean = dk_out_clean(plain);
    dk_out_text(out, "%s\n", clean);
    dk_out_string(out, "text", plain);
    return TRUE;
}

static const DkArg args[] = {
    {"[TEXT]", DK_ARG_REST, FALSE, "what to print"},
    {NULL},
};

const DkCommand dk_command_echo = {
    .name = ".echo",
    .summary = "print text",
    .help = "Quotes around the text keep semicolons in it and are not printed.\n"
            "\n"
            "Example: .echo \"threads; and their stacks\"; ~*k",
    .args = args,
    .run = run,
};
