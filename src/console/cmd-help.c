/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .help: the commands, or all about one. */
#include "base/error.h"
#include "console/console.h"

/* "db|dw|dd RANGE": what the user types. */
static char *synopsis(const DkCommand *command)
{
    GString *text = g_string_new(command->name);
    for (guint i = 0; command->args && command->args[i].name; i++)
        g_string_append_printf(text, " %s", command->args[i].name);
    return g_string_free(text, FALSE);
}

static void json_command(const DkCommand *command, DkOut *out)
{
    dk_out_string(out, "name", command->name);
    dk_out_begin_array(out, "aliases");
    for (guint i = 0; command->aliases && command->aliases[i]; i++)
        dk_out_string(out, NULL, command->aliases[i]);
    dk_out_end(out);
    g_autofree char *text = synopsis(command);
    dk_out_string(out, "synopsis", text);
    dk_out_string(out, "summary", command->summary);
    dk_out_string(out, "help", command->help);
}

static void list(DkOut *out)
{
    dk_out_begin_array(out, "commands");
    for (const DkCommand *const *each = dk_commands(); *each; each++) {
        const DkCommand *command = *each;
        g_autoptr(GString) words = g_string_new(command->name);
        for (guint i = 0; command->aliases && command->aliases[i]; i++) {
            /* The combinations of letters are in the command's own help. */
            if (words->len > 16) {
                g_string_append(words, " ...");
                break;
            }
            g_string_append_printf(words, " %s", command->aliases[i]);
        }
        dk_out_text(out, "  %-26s %s\n", words->str, command->summary);
        dk_out_begin_object(out, NULL);
        json_command(command, out);
        dk_out_end(out);
    }
    dk_out_end(out);
    dk_out_text(out, "\n\".help COMMAND\" tells more.  \";\" stands between commands, \"*\" begins "
                     "a comment.\n");
}

static void one(const DkCommand *command, DkOut *out)
{
    g_autofree char *text = synopsis(command);
    dk_out_text(out, "%s%s%s: %s\n", dk_out_bold(out), text, dk_out_reset(out), command->summary);
    if (command->aliases) {
        g_autofree char *aliases = g_strjoinv(" ", (char **)command->aliases);
        dk_out_text(out, "also: %s\n", aliases);
    }
    dk_out_text(out, "\n%s\n", command->help);
    for (guint i = 0; command->args && command->args[i].name; i++)
        dk_out_text(out, "%s  %s: %s\n", i ? "" : "\n", command->args[i].name,
                    command->args[i].help);
    json_command(command, out);
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    if (!args[0].given) {
        list(out);
        return TRUE;
    }
    const DkCommand *command = dk_command_by_word(args[0].text);
    /* Without the dot or mark that some begin with. */
    for (guint i = 0; !command && i < 2; i++) {
        g_autofree char *marked = g_strdup_printf("%c%s", ".!"[i], args[0].text);
        command = dk_command_by_word(marked);
    }
    if (!command) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "no command \"%s\"; \".help\" lists the commands", args[0].text);
        return FALSE;
    }
    one(command, out);
    return TRUE;
}

static const DkArg args[] = {
    {"[COMMAND]", DK_ARG_WORD, FALSE, "the one to tell about"},
    {NULL},
};

static const char *const aliases[] = {".hh", NULL};

const DkCommand dk_command_help = {
    .name = ".help",
    .aliases = aliases,
    .summary = "list the commands, or explain one",
    .help = "Without COMMAND all are listed.\n"
            "\n"
            "Example: .help dt",
    .args = args,
    .run = run,
};
