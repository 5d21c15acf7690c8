/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* x: symbols by pattern. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

typedef enum { SHOW_BOTH, SHOW_ADDRESS, SHOW_NAME } Columns;
typedef enum { SORT_NONE, SORT_ADDRESS, SORT_NAME } Order;

typedef struct {
    const DkModule *module;
    const DkSymbol *symbol;
    const char *module_name;
} Match;

typedef struct {
    DkConsole *console;
    DkTarget *target;
    DkOut *out;
    Columns columns;
    Order order;
    gboolean functions; /* /f */
    gboolean verbose;   /* /v */
    GArray *matches;    /* of Match */
} Examiner;

static guint64 va_of(const Match *match)
{
    return match->module->first + match->symbol->rva;
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    guint64 left = va_of(a), right = va_of(b);
    return (left > right) - (left < right);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Match *)a)->symbol->name, ((const Match *)b)->symbol->name);
}

static gboolean parse_options(Examiner *examiner, const char **at, GError **error)
{
    while (**at == '/') {
        const char *start = *at;
        g_autofree char *word = dk_console_word(at);
        for (const char *c = word + 1; *c; c++) {
            switch (*c) {
            case '0':
                examiner->columns = SHOW_ADDRESS;
                break;
            case '1':
                examiner->columns = SHOW_NAME;
                break;
            case '2':
                examiner->columns = SHOW_BOTH;
                break;
            case 'a':
                examiner->order = SORT_ADDRESS;
                break;
            case 'n':
                examiner->order = SORT_NAME;
                break;
            case 'f':
                examiner->functions = TRUE;
                break;
            case 'v':
                examiner->verbose = TRUE;
                break;
            default:
                return dk_console_usage(examiner->console, start, error,
                                        "x knows no option '%c'; \".help x\" tells more", *c);
            }
        }
    }
    return TRUE;
}

static gboolean collect(Examiner *examiner, const DkModule *module, const char *pattern,
                        GError **error)
{
    DkSymFile *file = dk_target_symbols(examiner->target, module, NULL);
    if (!file || !file->ops->symbols)
        return TRUE;
    gsize count = 0;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    for (gsize i = 0; i < count; i++) {
        if (examiner->functions && !symbols[i].is_function)
            continue;
        if (!dk_console_glob(pattern, symbols[i].name, FALSE))
            continue;
        Match match = {.module = module,
                       .symbol = &symbols[i],
                       .module_name = dk_target_module_name(examiner->target, module)};
        g_array_append_val(examiner->matches, match);
    }
    return dk_console_tick(examiner->console, error);
}

static void show(const Examiner *examiner, const Match *match)
{
    DkOut *out = examiner->out;
    const DkSymbol *symbol = match->symbol;
    g_autofree char *address = dk_target_format_va(examiner->target, va_of(match));
    g_autofree char *name = dk_out_clean(symbol->name);
    if (examiner->verbose)
        dk_out_text(out, "%s %s   %s %8" G_GINT64_MODIFIER "x %s!%s\n",
                    symbol->is_global ? "pub" : "prv", symbol->is_function ? "func" : "data",
                    address, symbol->size, match->module_name, name);
    else if (examiner->columns == SHOW_ADDRESS)
        dk_out_text(out, "%s\n", address);
    else if (examiner->columns == SHOW_NAME)
        dk_out_text(out, "%s!%s\n", match->module_name, name);
    else
        dk_out_text(out, "%s          %s!%s\n", address, match->module_name, name);
    dk_out_begin_object(out, NULL);
    dk_out_hex(out, "address", va_of(match));
    dk_out_string(out, "module", match->module_name);
    dk_out_string(out, "symbol", symbol->name);
    dk_out_int(out, "size", (gint64)symbol->size);
    dk_out_bool(out, "function", symbol->is_function);
    dk_out_bool(out, "global", symbol->is_global);
    dk_out_end(out);
}

/* All modules whose name matches; an error when none does or the only one has no symbols. */
static gboolean search(Examiner *examiner, const char *module_part, const char *name_part,
                       GError **error)
{
    const GPtrArray *modules = dk_target_subject(examiner->target)->process.modules;
    gboolean ok = TRUE;
    const DkModule *last = NULL;
    guint tried = 0;
    for (guint i = 0; ok && i < modules->len; i++) {
        const DkModule *module = modules->pdata[i];
        if (module->unloaded ||
            !dk_console_glob(module_part, dk_target_module_name(examiner->target, module), TRUE))
            continue;
        tried++;
        last = module;
        ok = collect(examiner, module, *name_part ? name_part : "*", error);
    }
    if (!ok)
        return FALSE;
    if (!tried)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no module matches \"%s\"", module_part);
    else if (tried == 1 && !dk_target_symbols(examiner->target, last, error))
        return FALSE;
    else if (!examiner->matches->len)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbol matches \"%s\"", name_part);
    return tried && examiner->matches->len;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    g_autoptr(GArray) matches = g_array_new(FALSE, FALSE, sizeof(Match));
    Examiner examiner = {
        .console = console, .target = console->target, .out = out, .matches = matches};
    const char *at = args[0].text;
    if (!parse_options(&examiner, &at, error))
        return FALSE;
    g_autofree char *pattern = dk_console_word(&at);
    if (!pattern)
        return dk_console_usage(console, at, error, "a pattern is missing, such as \"libc!mem*\"");
    char *bang = strchr(pattern, '!');
    if (bang)
        *bang = 0;
    if (!search(&examiner, bang ? pattern : "*", bang ? bang + 1 : pattern, error))
        return FALSE;
    if (examiner.order != SORT_NONE)
        g_array_sort(matches, examiner.order == SORT_NAME ? by_name : by_address);
    gboolean ok = TRUE;
    dk_out_begin_array(out, "symbols");
    for (guint i = 0; ok && i < matches->len; i++) {
        show(&examiner, &g_array_index(matches, Match, i));
        ok = dk_console_tick(console, error);
    }
    dk_out_end(out);
    return ok;
}

static const DkArg args[] = {
    {"[/0|/1|/2] [/f] [/v] [/a|/n] [MODULE!]PATTERN", DK_ARG_REST, TRUE, "which symbols"},
    {NULL},
};

const DkCommand dk_command_examine = {
    .name = "x",
    .summary = "find symbols by pattern",
    .help =
        "MODULE and PATTERN may have * and ?.  Without MODULE all modules are searched.  /0 shows\n"
        "addresses only, /1 names only, /2 both; /f functions only; /v also whether the symbol is\n"
        "public, what it is and its size; /a sorts by address, /n by name.\n"
        "\n"
        "Example: x libc!mem*; x /f *!*lock*",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
