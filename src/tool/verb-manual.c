/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hidden verb "manual commands": prints the console's commands as POD, from their table, for
 * the page of debug.  The build puts it into the page, which so says what .help says.
 */
#include <stdio.h>
#include <string.h>

#include "console/command.h"
#include "tool/verb.h"

/* Text as POD takes it for plain text. */
static void print_text(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '<')
            printf("E<lt>");
        else if (*at == '>')
            printf("E<gt>");
        else
            putchar(*at);
    }
}

static void print_word(const char *word)
{
    printf("B<");
    print_text(word);
    printf(">");
}

static void print_command(const DkCommand *command)
{
    printf("=item ");
    print_word(command->name);
    for (const char *const *alias = command->aliases; alias && *alias; alias++) {
        printf(", ");
        print_word(*alias);
    }
    for (const DkArg *arg = command->args; arg && arg->name; arg++) {
        putchar(' ');
        print_text(arg->name);
    }
    printf("\n\n%c", g_ascii_toupper(command->summary[0]));
    print_text(command->summary + 1);
    printf(". ");
    print_text(command->help);
    printf("\n\n");
}

static int run(DkTool *tool, gpointer state, char **args)
{
    if (!args[0] || args[1] || !g_str_equal(args[0], "commands")) {
        fprintf(stderr, "dumpkit manual: \"commands\" is expected\n");
        return DK_EXIT_USAGE;
    }
    printf("=over\n\n");
    for (const DkCommand *const *command = dk_commands(); *command; command++)
        print_command(*command);
    printf("=back\n");
    return DK_EXIT_DONE;
}

const DkVerb dk_verb_manual = {
    .name = "manual",
    .synopsis = "commands",
    .summary = "print the console's commands as POD",
    .hidden = TRUE,
    .run = run,
};
