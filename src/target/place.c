/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses to names, names to addresses. */
#include <string.h>

#include "base/error.h"
#include "target/target.h"

gboolean dk_target_place(DkTarget *target, guint64 va, DkPlace *place)
{
    const DkModule *module = dk_target_module_at(target, va);
    if (!module)
        return FALSE;
    guint64 rva = va - module->first;
    DkSymFile *file = dk_target_symbols(target, module, NULL);
    const DkSymbol *symbol = file ? dk_symfile_at(file, rva) : NULL;
    *place = (DkPlace){
        .module = module,
        .symbol = symbol,
        .displacement = symbol ? rva - symbol->rva : rva,
    };
    return TRUE;
}

gboolean dk_target_place_frame(DkTarget *target, const DkFrame *frame, DkPlace *place)
{
    guint64 back = frame->exact_pc || !frame->pc_va ? 0 : 1;
    if (!dk_target_place(target, frame->pc_va - back, place))
        return FALSE;
    place->displacement += back;
    return TRUE;
}

/* The length of a name without its version: "memcpy" of "memcpy@@GLIBC_2.14". */
static gsize plain_length(const char *name)
{
    const char *at = strchr(name, '@');
    return at && at != name && !g_str_equal(at, "@plt") ? (gsize)(at - name) : strlen(name);
}

char *dk_target_describe_place(DkTarget *target, const DkPlace *place, guint64 va)
{
    if (!place->module)
        return dk_target_format_va(target, va);
    GString *text = g_string_new(dk_target_module_name(target, place->module));
    if (place->symbol)
        g_string_append_printf(text, "!%.*s", (int)plain_length(place->symbol->name),
                               place->symbol->name);
    if (place->displacement || !place->symbol)
        g_string_append_printf(text, "+0x%" G_GINT64_MODIFIER "x", place->displacement);
    return g_string_free(text, FALSE);
}

char *dk_target_describe(DkTarget *target, guint64 va)
{
    DkPlace place = {0};
    if (!dk_target_place(target, va, &place))
        return dk_target_format_va(target, va);
    return dk_target_describe_place(target, &place, va);
}

char *dk_target_format_va(DkTarget *target, guint64 va)
{
    if (dk_target_pointer_size(target) == 4)
        return g_strdup_printf("%08x", (guint32)va);
    return g_strdup_printf("%08x`%08x", (guint32)(va >> 32), (guint32)va);
}

/* A symbol that is called name but for its version; the default version ("@@") goes first. */
static const DkSymbol *find_versioned(DkSymFile *file, const char *name)
{
    gsize count = 0, len = strlen(name);
    const DkSymbol *symbols = file->ops->symbols ? file->ops->symbols(file, &count) : NULL;
    const DkSymbol *found = NULL;
    for (gsize i = 0; i < count; i++) {
        const char *each = symbols[i].name;
        if (strncmp(each, name, len) != 0 || each[len] != '@' || g_str_equal(each + len, "@plt"))
            continue;
        if (each[len + 1] == '@')
            return &symbols[i];
        if (!found)
            found = &symbols[i];
    }
    return found;
}

const DkSymbol *dk_target_symbol_named(DkSymFile *file, const char *name)
{
    const DkSymbol *symbol = dk_symfile_by_name(file, name);
    return symbol ? symbol : find_versioned(file, name);
}

static gboolean find_in(DkTarget *target, const DkModule *module, const char *name, guint64 *va)
{
    DkSymFile *file = dk_target_symbols(target, module, NULL);
    const DkSymbol *symbol = file ? dk_target_symbol_named(file, name) : NULL;
    if (!symbol)
        return FALSE;
    *va = module->first + symbol->rva;
    return TRUE;
}

static gboolean resolve_in(DkTarget *target, const char *module_name, const char *name, guint64 *va,
                           GError **error)
{
    const DkModule *module = dk_target_module_by_name(target, module_name);
    if (!module) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no module \"%s\"; lm lists them",
                    module_name);
        return FALSE;
    }
    if (!dk_target_symbols(target, module, error)) {
        g_prefix_error(error, "%s: ", module_name);
        return FALSE;
    }
    if (find_in(target, module, name, va))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s has no symbol \"%s\"", module_name, name);
    return FALSE;
}

gboolean dk_target_resolve(DkTarget *target, const char *name, guint64 *va, GError **error)
{
    const char *bang = strchr(name, '!');
    if (bang && bang != name) {
        g_autofree char *module_name = g_strndup(name, bang - name);
        return resolve_in(target, module_name, bang + 1, va, error);
    }
    name += bang != NULL;
    const DkModule *program = dk_target_program(target);
    if (program && find_in(target, program, name, va))
        return TRUE;
    const GPtrArray *modules = dk_target_subject(target)->process.modules;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = modules->pdata[i];
        if (module != program && !module->unloaded && find_in(target, module, name, va))
            return TRUE;
    }
    const DkModule *module = bang ? NULL : dk_target_module_by_name(target, name);
    if (module) {
        *va = module->first;
        return TRUE;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbol \"%s\"", name);
    return FALSE;
}

gboolean dk_target_line(DkTarget *target, guint64 va, DkLine *line)
{
    const DkModule *module = dk_target_module_at(target, va);
    DkSymFile *file = module ? dk_target_symbols(target, module, NULL) : NULL;
    return file && file->ops->line && file->ops->line(file, va - module->first, line);
}
