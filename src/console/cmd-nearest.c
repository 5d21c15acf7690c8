/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ln: the symbols around an address. */
#include "base/error.h"
#include "console/console.h"

/* The first symbol above rva, or NULL; symbols are sorted. */
static const DkSymbol *symbol_above(DkSymFile *file, guint64 rva)
{
    if (!file->ops->symbols)
        return NULL;
    gsize count = 0;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    gsize low = 0, high = count;
    while (low < high) {
        gsize middle = low + (high - low) / 2;
        if (symbols[middle].rva <= rva)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count ? &symbols[low] : NULL;
}

static void one(DkConsole *console, const DkModule *module, const DkSymbol *symbol,
                const char *member, guint64 displacement, DkOut *out)
{
    if (!symbol)
        return;
    const char *module_name = dk_target_module_name(console->target, module);
    g_autofree char *address = dk_target_format_va(console->target, module->first + symbol->rva);
    g_autofree char *name = dk_out_clean(symbol->name);
    dk_out_text(out, "(%s)   %s!%s", address, module_name, name);
    if (displacement)
        dk_out_text(out, "+0x%" G_GINT64_MODIFIER "x", displacement);
    dk_out_begin_object(out, member);
    dk_out_hex(out, "address", module->first + symbol->rva);
    dk_out_string(out, "module", module_name);
    dk_out_string(out, "symbol", symbol->name);
    dk_out_end(out);
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    guint64 va = dk_console_va(console, args[0].value);
    if (!args[0].given && !dk_console_ip(console, &va, error))
        return FALSE;
    const DkModule *module = dk_target_module_at(console->target, va);
    if (!module) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "no module holds 0x%" G_GINT64_MODIFIER "x", va);
        return FALSE;
    }
    DkSymFile *file = dk_target_symbols(console->target, module, error);
    if (!file)
        return FALSE;
    guint64 rva = va - module->first;
    const DkSymbol *below = dk_symfile_at(file, rva);
    const DkSymbol *above = symbol_above(file, rva);
    if (!below && !above) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s has no symbols near",
                    dk_target_module_name(console->target, module));
        return FALSE;
    }
    DkLine line;
    dk_out_hex(out, "address", va);
    if (dk_target_line(console->target, va, &line)) {
        g_autofree char *text = dk_console_line_text(&line);
        dk_out_text(out, "%s\n", text);
        dk_console_line_json(out, &line);
    }
    one(console, module, below, "below", below ? rva - below->rva : 0, out);
    if (below)
        dk_out_hex(out, "displacement", rva - below->rva);
    if (below && above)
        dk_out_text(out, "   |  ");
    one(console, module, above, "above", 0, out);
    dk_out_text(out, "\n");
    if (below && below->rva == rva) {
        g_autofree char *name = dk_out_clean(below->name);
        dk_out_text(out, "Exact matches:\n    %s!%s\n",
                    dk_target_module_name(console->target, module), name);
    }
    return TRUE;
}

static const DkArg args[] = {
    {"[ADDRESS]", DK_ARG_EXPRESSION, FALSE, "the current instruction without it"},
    {NULL},
};

const DkCommand dk_command_nearest = {
    .name = "ln",
    .summary = "show the symbols nearest to an address",
    .help = "The source line, the symbol at or below the address and the next one above.\n"
            "\n"
            "Example: ln poi(@rsp)",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
