/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dt: types, and memory as one. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"
#include "console/value.h"

#define EXPAND_MAX 16
#define TYPES_LISTED_MAX 100000
#define ROWS_MAX 100000

typedef struct {
    DkConsole *console;
    DkTarget *target;
    DkOut *out;
    const DkModule *module; /* where the type was found */
    const DkType *type;
    gboolean has_va;
    guint64 va;
    guint expand;  /* levels of -r */
    guint nesting; /* of types inside each other, unnamed ones included */
    guint rows;    /* shown so far */
} Typer;

static const char *const tags[] = {"struct", "union", "class", "enum", NULL};

/* "struct foo" and "foo" are the same type. */
static const char *without_tag(const char *name)
{
    for (gsize i = 0; tags[i]; i++) {
        gsize len = strlen(tags[i]);
        if (g_str_has_prefix(name, tags[i]) && name[len] == ' ')
            return name + len + 1;
    }
    return name;
}

/* A type or variable of one module. */
static gboolean find_in(Typer *typer, const DkModule *module, const char *name)
{
    DkSymFile *file = dk_target_symbols(typer->target, module, NULL);
    if (!file)
        return FALSE;
    const char *plain = without_tag(name);
    const DkType *type = file->ops->type ? file->ops->type(file, plain) : NULL;
    if (type) {
        typer->module = module;
        typer->type = type;
        return TRUE;
    }
    const DkSymbol *symbol = dk_target_symbol_named(file, name);
    type = symbol && file->ops->type_of ? file->ops->type_of(file, name) : NULL;
    if (!type)
        return FALSE;
    typer->module = module;
    typer->type = type;
    if (!typer->has_va) {
        typer->va = module->first + symbol->rva;
        typer->has_va = TRUE;
    }
    return TRUE;
}

static gboolean find(Typer *typer, const char *text, GError **error)
{
    const char *bang = strchr(text, '!');
    if (bang) {
        g_autofree char *module_name = g_strndup(text, bang - text);
        const DkModule *module = dk_target_module_by_name(typer->target, module_name);
        if (!module) {
            g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no module \"%s\"; lm lists them",
                        module_name);
            return FALSE;
        }
        if (!dk_target_symbols(typer->target, module, error))
            return FALSE;
        if (find_in(typer, module, bang + 1))
            return TRUE;
    } else {
        const DkModule *program = dk_target_program(typer->target);
        if (program && find_in(typer, program, text))
            return TRUE;
        const GPtrArray *modules = dk_target_subject(typer->target)->process.modules;
        for (guint i = 0; i < modules->len; i++) {
            const DkModule *module = modules->pdata[i];
            if (module != program && !module->unloaded && find_in(typer, module, text))
                return TRUE;
        }
    }
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no type or variable \"%s\" is known", text);
    return FALSE;
}

/* The first part of "a.b.c" against name; *rest gets "b.c", "" for "a.", or NULL. */
static gboolean filter_matches(const char *filter, const char *name, const char **rest)
{
    const char *dot = strchr(filter, '.');
    g_autofree char *head = dot ? g_strndup(filter, dot - filter) : g_strdup(filter);
    if (!name || !dk_console_glob(head, name, FALSE))
        return FALSE;
    *rest = dot ? dot + 1 : NULL;
    return TRUE;
}

static void show_members(Typer *typer, const DkType *type, guint64 offset, guint64 base,
                         guint depth, guint levels, const GPtrArray *filters);

static gboolean is_compound(const DkType *type)
{
    return type && (type->kind == DK_TYPE_STRUCT || type->kind == DK_TYPE_UNION ||
                    type->kind == DK_TYPE_CLASS);
}

/* Which filters go on inside the member; *shown says whether it is shown at all. */
static GPtrArray *inner_filters(const GPtrArray *filters, const char *name, gboolean *shown,
                                gboolean *opened)
{
    GPtrArray *inner = g_ptr_array_new();
    *shown = !filters || !filters->len;
    *opened = FALSE;
    for (guint i = 0; filters && i < filters->len; i++) {
        const char *rest = NULL;
        if (!filter_matches(filters->pdata[i], name, &rest))
            continue;
        *shown = TRUE;
        *opened = *opened || rest;
        if (rest && *rest)
            g_ptr_array_add(inner, (gpointer)rest);
    }
    return inner;
}

/* offset is that of the whole in the outermost type; base is subtracted for the shown one. */
static void show_member(Typer *typer, const DkMember *member, guint64 offset, guint64 base,
                        guint depth, guint levels, const GPtrArray *filters)
{
    DkOut *out = typer->out;
    const DkType *type = dk_type_strip(member->type);
    guint64 at = offset + member->offset;
    if (!member->name && is_compound(type)) {
        /* Members of an unnamed union or a base class belong to the whole. */
        show_members(typer, type, at, base, depth, levels, filters);
        return;
    }
    gboolean shown, opened;
    g_autoptr(GPtrArray) inner = inner_filters(filters, member->name, &shown, &opened);
    if (!shown)
        return;
    typer->rows++;
    g_autofree char *value = dk_value_text(typer->target, member,
                                           typer->has_va ? &(guint64){typer->va + at} : NULL);
    g_autofree char *clean = dk_out_clean(value);
    g_autofree char *name = dk_out_clean(member->name);
    dk_out_text(out, "%*s+0x%03" G_GINT64_MODIFIER "x %-16s : %s\n", 3 + (int)depth * 3, "",
                at - base, name, clean);
    dk_out_begin_object(out, NULL);
    dk_out_string(out, "name", member->name);
    dk_out_hex(out, "offset", at - base);
    g_autofree char *type_text = dk_type_describe(member->type);
    dk_out_string(out, "type", type_text);
    if (member->bit_size) {
        dk_out_int(out, "bit_offset", member->bit_offset);
        dk_out_int(out, "bit_size", member->bit_size);
    }
    if (typer->has_va)
        dk_out_string(out, "value", value);
    if (is_compound(type) && depth < EXPAND_MAX && (opened || levels)) {
        dk_out_begin_array(out, "members");
        show_members(typer, type, at, at, depth + 1, levels ? levels - 1 : 0,
                     inner->len ? inner : NULL);
        dk_out_end(out);
    }
    dk_out_end(out);
}

static void show_members(Typer *typer, const DkType *type, guint64 offset, guint64 base,
                         guint depth, guint levels, const GPtrArray *filters)
{
    /* Damaged debug information can hold a type inside itself. */
    if (typer->nesting > EXPAND_MAX)
        return;
    typer->nesting++;
    for (guint i = 0; i < type->nmembers && typer->rows < ROWS_MAX; i++) {
        if (!dk_console_tick(typer->console, NULL))
            break;
        show_member(typer, &type->members[i], offset, base, depth, levels, filters);
    }
    typer->nesting--;
}

static void show_enumerators(const Typer *typer, const DkType *type)
{
    dk_out_begin_array(typer->out, "enumerators");
    for (guint i = 0; i < type->nenumerators; i++) {
        g_autofree char *name = dk_out_clean(type->enumerators[i].name);
        dk_out_text(typer->out, "   %s = 0n%" G_GINT64_FORMAT "\n", name,
                    type->enumerators[i].value);
        dk_out_begin_object(typer->out, NULL);
        dk_out_string(typer->out, "name", type->enumerators[i].name);
        dk_out_int(typer->out, "value", type->enumerators[i].value);
        dk_out_end(typer->out);
    }
    dk_out_end(typer->out);
}

static gboolean show(Typer *typer, const char *name, const GPtrArray *filters, GError **error)
{
    DkOut *out = typer->out;
    const DkType *type = dk_type_strip(typer->type);
    const char *module_name = dk_target_module_name(typer->target, typer->module);
    const char *bang = strchr(name, '!');
    g_autofree char *clean = dk_out_clean(bang ? bang + 1 : name);
    g_autofree char *described = dk_type_describe(typer->type);
    dk_out_text(out, "%s!%s", module_name, clean);
    if (typer->has_va) {
        g_autofree char *address = dk_target_format_va(typer->target, typer->va);
        dk_out_text(out, " at %s", address);
        dk_out_hex(out, "address", typer->va);
    }
    dk_out_text(out, "\n");
    dk_out_string(out, "module", module_name);
    dk_out_string(out, "type", described);
    if (type)
        dk_out_int(out, "size", (gint64)type->size);
    if (is_compound(type)) {
        dk_out_begin_array(out, "members");
        show_members(typer, type, 0, 0, 0, typer->expand, filters);
        dk_out_end(out);
    } else if (type && type->kind == DK_TYPE_ENUM && !typer->has_va) {
        show_enumerators(typer, type);
    } else {
        const DkMember whole = {.type = typer->type};
        g_autofree char *value = dk_value_text(typer->target, &whole,
                                               typer->has_va ? &(guint64){typer->va} : NULL);
        g_autofree char *clean_value = dk_out_clean(value);
        dk_out_text(out, "   %s\n", clean_value);
        dk_out_string(out, "value", value);
    }
    return dk_console_tick(typer->console, error);
}

/* Listing the types of a pattern. */
typedef struct {
    Typer *typer;
    const char *pattern;
    guint count;
} Listing;

static gboolean list_one(const DkType *type, gpointer data)
{
    Listing *listing = data;
    Typer *typer = listing->typer;
    if (!type->name || !dk_console_glob(listing->pattern, type->name, FALSE))
        return dk_console_tick(typer->console, NULL);
    g_autofree char *name = dk_out_clean(type->name);
    dk_out_text(typer->out, "          %s!%s\n",
                dk_target_module_name(typer->target, typer->module), name);
    dk_out_begin_object(typer->out, NULL);
    dk_out_string(typer->out, "module", dk_target_module_name(typer->target, typer->module));
    dk_out_string(typer->out, "name", type->name);
    dk_out_int(typer->out, "size", (gint64)type->size);
    dk_out_end(typer->out);
    return ++listing->count < TYPES_LISTED_MAX && dk_console_tick(typer->console, NULL);
}

static gboolean list(Typer *typer, const char *text, GError **error)
{
    const char *bang = strchr(text, '!');
    g_autofree char *module_part = bang ? g_strndup(text, bang - text) : g_strdup("*");
    Listing listing = {.typer = typer, .pattern = bang ? bang + 1 : text};
    const GPtrArray *modules = dk_target_subject(typer->target)->process.modules;
    dk_out_begin_array(typer->out, "types");
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = modules->pdata[i];
        if (module->unloaded ||
            !dk_console_glob(module_part, dk_target_module_name(typer->target, module), TRUE))
            continue;
        DkSymFile *file = dk_target_symbols(typer->target, module, NULL);
        typer->module = module;
        if (file && file->ops->foreach_type)
            file->ops->foreach_type(file, list_one, &listing);
    }
    dk_out_end(typer->out);
    if (!dk_console_tick(typer->console, error))
        return FALSE;
    if (!listing.count)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no type matches \"%s\"", text);
    return listing.count > 0;
}

/* -r, -rN, -v; other options of kd change nothing here and are refused. */
static gboolean parse_options(Typer *typer, const char **at, GError **error)
{
    while (**at == '-') {
        const char *start = *at;
        g_autofree char *word = dk_console_word(at);
        if (word[1] == 'r') {
            typer->expand = word[2] ? (guint)g_ascii_strtoull(word + 2, NULL, 10) : EXPAND_MAX;
            typer->expand = MIN(typer->expand, EXPAND_MAX);
        } else if (!g_str_equal(word, "-v")) {
            return dk_console_usage(typer->console, start, error,
                                    "dt knows the options -r, -rN and -v");
        }
    }
    return TRUE;
}

/* A word that can only be an address: field names do not begin like this. */
static gboolean looks_like_address(const char *at)
{
    return g_ascii_isdigit(*at) || strchr("@(.&+-", *at) || g_str_has_prefix(at, "poi(") ||
           g_str_has_prefix(at, "poi ");
}

static gboolean has_member(const DkType *type, const char *name, guint depth)
{
    for (guint i = 0; depth < EXPAND_MAX && is_compound(type) && i < type->nmembers; i++) {
        const DkMember *member = &type->members[i];
        const char *rest;
        if (member->name ? filter_matches(name, member->name, &rest)
                         : has_member(dk_type_strip(member->type), name, depth + 1))
            return TRUE;
    }
    return FALSE;
}

static gboolean parse_rest(Typer *typer, const char *at, GPtrArray *filters, GError **error)
{
    gboolean given = FALSE;
    while (*at) {
        const char *start = at;
        g_autofree char *word = dk_console_word(&at);
        if (!looks_like_address(word) && has_member(dk_type_strip(typer->type), word, 0)) {
            g_ptr_array_add(filters, g_steal_pointer(&word));
            continue;
        }
        at = start;
        if (given || (!looks_like_address(word) && strpbrk(word, "*?")))
            return dk_console_usage(typer->console, start, error, "the type has no member \"%s\"",
                                    word);
        if (!dk_console_parse(typer->console, &at, &typer->va, error))
            return FALSE;
        typer->va = dk_console_va(typer->console, typer->va);
        typer->has_va = given = TRUE;
    }
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    Typer typer = {.console = console, .target = console->target, .out = out};
    const char *at = args[0].text;
    if (!parse_options(&typer, &at, error))
        return FALSE;
    g_autofree char *name = dk_console_word(&at);
    if (name && *at && g_strv_contains(tags, name)) {
        g_free(name);
        name = dk_console_word(&at);
    }
    if (!name)
        return dk_console_usage(console, at, error, "a type is missing");
    if (strpbrk(name, "*?") && !*at)
        return list(&typer, name, error);
    g_autoptr(GPtrArray) filters = g_ptr_array_new_with_free_func(g_free);
    return find(&typer, name, error) && parse_rest(&typer, at, filters, error) &&
           show(&typer, name, filters, error);
}

static const DkArg args[] = {
    {"[-r[N]] [MODULE!]TYPE|VARIABLE [MEMBER...] [ADDRESS]", DK_ARG_REST, TRUE, "what to show"},
    {NULL},
};

const DkCommand dk_command_type = {
    .name = "dt",
    .summary = "show a type, or memory as one",
    .help = "Members with their offsets and types; with an address, or for a variable, with their\n"
            "values.  MEMBER picks some: it may have * and ?, \"a.b\" looks inside a, \"a.\" opens "
            "a.  -r\n"
            "opens all that are inside, -rN N levels of them.  A TYPE with * or ? lists the types "
            "that\n"
            "match.  Signed numbers show as 0n5, unsigned ones as 0x5, bits as 0y101.\n"
            "\n"
            "Example: dt libc!_IO_FILE; dt -r1 myapp!queue; dt node poi(head) next value",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
