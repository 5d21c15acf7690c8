/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What dumpkit runs as its helper process; see live/process/tracer.h.  Not for people. */
#include "live/process/tracer.h"
#include "tool/verb.h"

static int run(DkTool *tool, gpointer state, char **args)
{
    return dk_tracer_main();
}

const DkVerb dk_verb_tracer = {
    .name = "tracer",
    .synopsis = "",
    .summary = "dumpkit's own helper process",
    .hidden = TRUE,
    .run = run,
};
