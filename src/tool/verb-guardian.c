/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What dumpkit runs beside a capture of a guest; see live/qemu/guardian.h.  Not for people. */
#include "live/qemu/guardian.h"
#include "tool/carriers.h"
#include "tool/verb.h"

static int run(DkTool *tool, gpointer state, char **args)
{
    if (!args[0] || args[1])
        return DK_EXIT_USAGE;
    DkQmpOpen open = dk_carrier_of(args[0]);
    return open ? dk_guardian_main(args[0], open) : DK_EXIT_USAGE;
}

const DkVerb dk_verb_guardian = {
    .name = "guardian",
    .synopsis = "",
    .summary = "dumpkit's own helper process",
    .hidden = TRUE,
    .run = run,
};
