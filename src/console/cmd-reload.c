/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .reload: symbols anew. */
#include "base/error.h"
#include "console/console.h"

static gboolean load(DkConsole *console, const DkModule *module, DkOut *out)
{
    g_autoptr(GError) why = NULL;
    const char *name = dk_target_module_name(console->target, module);
    DkSymFile *file = dk_target_symbols(console->target, module, &why);
    dk_out_begin_object(out, NULL);
    dk_out_string(out, "module", name);
    dk_out_string(out, "symbols", file ? file->kind : NULL);
    dk_out_string(out, "path", file ? file->path : NULL);
    dk_out_string(out, "why", why ? why->message : NULL);
    dk_out_end(out);
    g_autofree char *text = file ? dk_out_clean(file->path)
                                 : dk_out_clean(why ? why->message : "no symbols");
    dk_out_text(out, "%s: %s%s%s\n", name, file && file->kind ? file->kind : "",
                file && file->kind ? " " : "", text);
    return file != NULL;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    DkTarget *target = console->target;
    const GPtrArray *modules = dk_target_subject(target)->process.modules;
    gboolean force = FALSE;
    const DkModule *only = NULL;
    const char *at = args[0].given ? args[0].text : "";
    while (*at) {
        const char *start = at;
        g_autofree char *text = dk_console_word(&at);
        if (g_str_equal(text, "/f"))
            force = TRUE;
        else if (!(only = dk_target_module_by_name(target, text)))
            return dk_console_usage(console, start, error, "no module \"%s\"; lm lists them", text);
    }
    dk_target_symbols_forget(target, only);
    guint tried = 0, found = 0;
    gboolean ok = TRUE;
    dk_out_begin_array(out, "modules");
    for (guint i = 0; ok && i < modules->len; i++) {
        const DkModule *module = modules->pdata[i];
        if (module->unloaded || (only ? module != only : !force))
            continue;
        tried++;
        found += load(console, module, out);
        ok = dk_console_tick(console, error);
    }
    dk_out_end(out);
    if (ok && only && !found) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s has no symbols",
                    dk_target_module_name(target, only));
        return FALSE;
    }
    if (ok && force && !only)
        dk_out_text(out, "%u of %u modules have symbols\n", found, tried);
    return ok;
}

static const DkArg args[] = {
    {"[/f] [MODULE]", DK_ARG_REST, FALSE, "what to load now"},
    {NULL},
};

const DkCommand dk_command_reload = {
    .name = ".reload",
    .summary = "look for symbols again",
    .help =
        "Forgets the symbols of all modules or of one, so that they are looked for again when "
        "they\n"
        "are next needed.  MODULE is loaded at once, and with /f all are; what was found, or why\n"
        "nothing was, is shown.\n"
        "\n"
        "Example: .reload /f",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
