/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tool/verb.h"
#include "tool/version.h"

static int run(DkTool *tool, gpointer state, char **args)
{
    if (args[0]) {
        fprintf(stderr, "dumpkit version: takes no argument\n");
        return DK_EXIT_USAGE;
    }
    if (tool->json) {
        g_autoptr(DkOut) out = dk_tool_out(tool);
        dk_out_string(out, "version", DK_VERSION);
    } else {
        printf("dumpkit %s\n", DK_VERSION);
    }
    return DK_EXIT_DONE;
}

const DkVerb dk_verb_version = {
    .name = "version",
    .synopsis = "",
    .summary = "print the version",
    .run = run,
};
