/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .lastevent: why the dump was made. */
#include "base/error.h"
#include "console/console.h"

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    DkTarget *target = console->target;
    const DkException *exception = &dk_target_subject(target)->process.exception;
    g_autofree char *reason = dk_target_reason(target);
    if (!reason) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "the dump does not say why it was made");
        return FALSE;
    }
    dk_out_text(out, "Last event: %" G_GINT64_MODIFIER "x.%x: %s\n",
                (guint64)MAX(dk_target_subject(target)->process.pid, 0), exception->tid, reason);
    for (guint i = 0; i < MIN(exception->nparams, G_N_ELEMENTS(exception->params)); i++)
        dk_out_text(out, "   Parameter[%u]: %016" G_GINT64_MODIFIER "x\n", i, exception->params[i]);
    dk_out_string(out, "reason", reason);
    dk_out_int(out, "tid", exception->tid);
    dk_out_hex(out, "code", exception->code);
    dk_out_hex(out, "address", exception->address);
    dk_out_begin_array(out, "parameters");
    for (guint i = 0; i < MIN(exception->nparams, G_N_ELEMENTS(exception->params)); i++)
        dk_out_hex(out, NULL, exception->params[i]);
    dk_out_end(out);
    return TRUE;
}

const DkCommand dk_command_event = {
    .name = ".lastevent",
    .summary = "say why the dump was made",
    .help =
        "The signal or exception, the thread (process and thread number in hexadecimal) and the\n"
        "address.\n"
        "\n"
        "Example: .lastevent; ~#s; k",
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
