/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "tool/verb.h"

static int list_verbs(void)
{
    printf("usage: dumpkit VERB TARGET [options]\n\n");
    for (const DkVerb *const *verb = dk_verbs(); *verb; verb++) {
        if (!(*verb)->hidden)
            printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
    }
    printf("\n\"dumpkit help VERB\" shows the manual of a verb.\n");
    return DK_EXIT_DONE;
}

static int run(DkTool *tool, gpointer state, char **args)
{
    if (!args[0])
        return list_verbs();
    for (const DkVerb *const *verb = dk_verbs(); *verb; verb++) {
        if (!g_str_equal((*verb)->name, args[0]))
            continue;
        g_autofree char *page = g_strdup_printf("dumpkit-%s", args[0]);
        execlp("man", "man", page, (char *)NULL);
        printf("usage: dumpkit %s %s\n%s\n", (*verb)->name, (*verb)->synopsis, (*verb)->summary);
        return DK_EXIT_DONE;
    }
    fprintf(stderr, "dumpkit help: no verb \"%s\"\n", args[0]);
    return DK_EXIT_USAGE;
}

const DkVerb dk_verb_help = {
    .name = "help",
    .synopsis = "[VERB]",
    .summary = "list the verbs, or show the manual of one",
    .run = run,
};
