/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lm: loaded modules. */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "console/console.h"

typedef struct {
    DkConsole *console;
    DkTarget *target;
    DkOut *out;
    gboolean verbose;
    gboolean full_path;   /* f: the path in the place of the symbols */
    char *pattern;        /* of short names; NULL: all */
    const DkModule *only; /* the module around an address */
    guint shown;
} Lister;

/* "(dwarf symbols)", "(deferred)", "(no symbols)"; kd's padding is the caller's. */
static char *symbol_state(const Lister *lister, const DkModule *module, const char **path)
{
    gboolean tried;
    DkSymFile *file = dk_target_symbols_peek(lister->target, module, &tried);
    *path = file ? file->path : NULL;
    if (!tried)
        return g_strdup("(deferred)");
    if (!file)
        return g_strdup("(no symbols)");
    /* "dynsym from memory" is "dynsym symbols from memory". */
    const char *kind = file->kind ? file->kind : "";
    const char *from = strstr(kind, " from ");
    gsize len = from ? (gsize)(from - kind) : strlen(kind);
    return g_strdup_printf("(%.*s symbols%s)", (int)len, kind, from ? from : "");
}

static char *hex_of(const guint8 *bytes, gsize len)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

static char *build_id_of(const DkModule *module)
{
    if (!module->build_id)
        return NULL;
    gsize len;
    const guint8 *bytes = g_bytes_get_data(module->build_id, &len);
    return hex_of(bytes, len);
}

/* The key by which symbol servers know the PDB: the GUID's fields as numbers, then the age. */
static char *pdb_key_of(const DkModule *module)
{
    static const guint8 none[16];
    if (memcmp(module->guid, none, sizeof none) == 0)
        return NULL;
    const guint8 *guid = module->guid;
    g_autofree char *tail = hex_of(guid + 8, 8);
    char *key = g_strdup_printf("%08X%04X%04X%s%x", (guint32)dk_console_integer(guid, 4),
                                (guint32)dk_console_integer(guid + 4, 2),
                                (guint32)dk_console_integer(guid + 6, 2), tail, module->age);
    for (char *at = key; *at && at < key + 32; at++)
        *at = g_ascii_toupper(*at);
    return key;
}

static void field(DkOut *out, const char *title, const char *value)
{
    if (!value)
        return;
    g_autofree char *clean = dk_out_clean(value);
    dk_out_text(out, "    %-17s%s\n", title, clean);
}

static void details(const Lister *lister, const DkModule *module)
{
    DkOut *out = lister->out;
    const DkSymFile *symbols = dk_target_symbols_peek(lister->target, module, NULL);
    g_autofree char *build_id = build_id_of(module);
    g_autofree char *key = pdb_key_of(module);
    if (symbols && symbols->path) {
        g_autofree char *path = dk_out_clean(symbols->path);
        dk_out_text(out, "    Loaded symbol image file: %s\n", path);
    }
    const char *path = module->path ? module->path : "";
    g_autofree char *base = g_path_get_basename(path);
    const char *back = strrchr(base, '\\');
    field(out, "Image path:", path);
    field(out, "Image name:", back ? back + 1 : base);
    if (module->timestamp) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(module->timestamp);
        g_autofree char *text = time ? g_date_time_format(time, "%a %b %e %H:%M:%S %Y") : NULL;
        dk_out_text(out, "    Timestamp:        %s (%08X)\n", text ? text : "", module->timestamp);
        dk_out_text(out, "    CheckSum:         %08X\n", module->checksum);
    }
    dk_out_text(out, "    ImageSize:        %08" G_GINT64_MODIFIER "X\n",
                module->last - module->first + 1);
    field(out, "File version:", module->version);
    field(out, "Build-id:", build_id);
    field(out, "PDB:", module->debug_file);
    field(out, "PDB key:", key);
    gboolean tried;
    g_autoptr(GError) why = NULL;
    if (!dk_target_symbols_peek(lister->target, module, &tried) && tried &&
        !dk_target_symbols(lister->target, module, &why))
        field(out, "No symbols:", why->message);
}

static void json_module(const Lister *lister, const DkModule *module)
{
    DkOut *out = lister->out;
    const char *symbols_path;
    g_autofree char *state = symbol_state(lister, module, &symbols_path);
    g_autofree char *build_id = build_id_of(module);
    g_autofree char *key = pdb_key_of(module);
    dk_out_begin_object(out, NULL);
    dk_out_string(out, "name", dk_target_module_name(lister->target, module));
    dk_out_hex(out, "start", module->first);
    dk_out_hex(out, "end", module->last + 1);
    dk_out_string(out, "path", module->path);
    state[strlen(state) - 1] = 0;
    dk_out_string(out, "symbols", state + 1);
    dk_out_string(out, "symbols_path", symbols_path);
    dk_out_string(out, "build_id", build_id);
    if (module->timestamp) {
        dk_out_hex(out, "timestamp", module->timestamp);
        dk_out_hex(out, "checksum", module->checksum);
    }
    dk_out_string(out, "version", module->version);
    dk_out_string(out, "pdb", module->debug_file);
    dk_out_string(out, "pdb_key", key);
    dk_out_bool(out, "unloaded", module->unloaded);
    dk_out_end(out);
}

static void show(Lister *lister, const DkModule *module)
{
    lister->shown++;
    /* lmv is asked about a module or two: there the symbols are wanted. */
    if (lister->verbose && (lister->pattern || lister->only) && !module->unloaded &&
        !dk_target_symbols(lister->target, module, NULL))
        g_debug("no symbols for %s", module->path);
    json_module(lister, module);
    const char *symbols_path;
    g_autofree char *state = symbol_state(lister, module, &symbols_path);
    g_autofree char *first = dk_target_format_va(lister->target, module->first);
    g_autofree char *end = dk_target_format_va(lister->target, module->last + 1);
    g_autofree char *path = dk_out_clean(module->path);
    const char *name = dk_target_module_name(lister->target, module);
    if (module->unloaded || lister->full_path) {
        dk_out_text(lister->out, "%s %s   %-10s %s\n", first, end, name, path);
    } else {
        g_autofree char *file = dk_out_clean(symbols_path);
        int width = g_str_equal(state, "(deferred)") ? 27 : 22;
        dk_out_text(lister->out, "%s %s   %-10s %-*s %s\n", first, end, name, width, state, file);
    }
    if (lister->verbose)
        details(lister, module);
}

static gboolean wanted(const Lister *lister, const DkModule *module)
{
    if (lister->only)
        return module == lister->only;
    if (!lister->pattern)
        return TRUE;
    const char *name = dk_target_module_name(lister->target, module);
    return dk_console_glob(lister->pattern, name, TRUE);
}

static gboolean list(Lister *lister, GError **error)
{
    const GPtrArray *modules = dk_target_subject(lister->target)->process.modules;
    DkOut *out = lister->out;
    gboolean ok = TRUE, titled = FALSE;
    dk_out_text(out, dk_target_pointer_size(lister->target) == 8
                         ? "start             end                 module name\n"
                         : "start    end        module name\n");
    dk_out_begin_array(out, "modules");
    for (guint pass = 0; ok && pass < 2; pass++) {
        for (guint i = 0; ok && i < modules->len; i++) {
            const DkModule *module = modules->pdata[i];
            if (module->unloaded != (pass == 1) || !wanted(lister, module))
                continue;
            if (pass == 1 && !titled)
                dk_out_text(out, "\nUnloaded modules:\n");
            titled = titled || pass == 1;
            show(lister, module);
            ok = dk_console_tick(lister->console, error);
        }
    }
    dk_out_end(out);
    return ok;
}

/* The letters behind lm or in the first word, then a pattern or an address. */
static gboolean parse(Lister *lister, const char *word, const char *at, GError **error)
{
    const char *start = at;
    g_autofree char *letters = g_strdup(word + 2);
    if (!*letters && *at) {
        g_free(letters);
        letters = dk_console_word(&at);
    }
    for (const char *c = letters; *c; c++) {
        if (!strchr("vmaofku1tn", *c))
            return dk_console_usage(lister->console, start, error,
                                    "lm knows no letter '%c'; \".help lm\" tells more", *c);
    }
    lister->verbose = strchr(letters, 'v') != NULL;
    lister->full_path = strchr(letters, 'f') != NULL;
    if (!*at)
        return !strpbrk(letters, "ma") ||
               dk_console_usage(lister->console, at, error, "a pattern or address is missing");
    if (strchr(letters, 'a')) {
        guint64 va;
        if (!dk_console_parse(lister->console, &at, &va, error))
            return FALSE;
        lister->only = dk_target_module_at(lister->target, dk_console_va(lister->console, va));
        if (lister->only)
            return TRUE;
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "no module holds 0x%" G_GINT64_MODIFIER "x", va);
        return FALSE;
    }
    if (!strchr(letters, 'm'))
        return dk_console_usage(lister->console, at, error, "\"m\" has to stand before a pattern");
    lister->pattern = dk_console_word(&at);
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    Lister lister = {.console = console, .target = console->target, .out = out};
    gboolean ok = parse(&lister, word, args[0].given ? args[0].text : "", error) &&
                  list(&lister, error);
    if (ok && lister.pattern && !lister.shown) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no module matches");
        ok = FALSE;
    }
    g_free(lister.pattern);
    return ok;
}

static const DkArg args[] = {
    {"[LETTERS] [PATTERN | ADDRESS]", DK_ARG_REST, FALSE, "what to show of which modules"},
    {NULL},
};

static const char *const aliases[] = {"lmv", "lmm", "lmvm", "lmf", "lmfm", "lma", "lmva", NULL};

const DkCommand dk_command_modules = {
    .name = "lm",
    .aliases = aliases,
    .summary = "list modules",
    .help = "The start, end and name of each module, and what symbols it has: \"deferred\" ones "
            "are read\n"
            "when something asks for them.  Letters, behind lm or as a word: v shows all that is "
            "known of\n"
            "a module, m takes a PATTERN of names with * and ?, a takes an ADDRESS inside the "
            "module, f\n"
            "shows the file in the place of the symbols.\n"
            "\n"
            "Example: lm; lm vm libc; lma @rip",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
