/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/symfile.h"

#include <string.h>

#include "base/bisect.h"

void dk_symfile_init(DkSymFile *file, const DkSymFileOps *ops, const char *path)
{
    g_assert(ops && ops->name && ops->close);
    file->ops = ops;
    file->path = g_strdup(path);
    file->kind = NULL;
    file->by_name = NULL;
}

void dk_symfile_close(DkSymFile *file)
{
    if (!file)
        return;
    g_clear_pointer(&file->by_name, g_hash_table_unref);
    g_clear_pointer(&file->path, g_free);
    g_clear_pointer(&file->kind, g_free);
    file->ops->close(file);
}

static const DkSymbol *all_symbols(DkSymFile *file, gsize *count)
{
    *count = 0;
    return file->ops->symbols ? file->ops->symbols(file, count) : NULL;
}

/* How far back a symbol is looked for that is long enough to hold an address. */
#define LOOK_BACK 256

static gboolean symbol_begins(gconstpointer data, gsize index, guint64 rva)
{
    const DkSymbol *symbols = data;
    return symbols[index].rva <= rva;
}

const DkSymbol *dk_symfile_at(DkSymFile *file, guint64 rva)
{
    gsize count;
    const DkSymbol *symbols = all_symbols(file, &count);
    gsize low = dk_bisect(count, symbol_begins, symbols, rva);
    /* A label without a size does not take an address away from the function around it. */
    const DkSymbol *label = NULL;
    for (gsize i = low, back = 0; i > 0 && back < LOOK_BACK; back++) {
        i--;
        while (i > 0 && symbols[i - 1].rva == symbols[i].rva)
            i--;
        for (gsize j = i; j < low && symbols[j].rva == symbols[i].rva; j++) {
            if (symbols[j].size ? rva - symbols[j].rva < symbols[j].size : rva == symbols[j].rva)
                return &symbols[j];
            if (!symbols[j].size && !back && !label)
                label = &symbols[j];
        }
    }
    return label;
}

/* C++ functions are found without their parameters too. */
static void add_name(GHashTable *names, const char *name, const DkSymbol *symbol)
{
    if (!g_hash_table_contains(names, name))
        g_hash_table_insert(names, g_strdup(name), (gpointer)symbol);
    const char *open = strchr(name, '(');
    if (!open || open == name || strncmp(name, "operator", 8) == 0 ||
        g_str_has_suffix(name, "@plt"))
        return;
    g_autofree char *bare = g_strndup(name, (gsize)(open - name));
    if (!g_hash_table_contains(names, bare))
        g_hash_table_insert(names, g_steal_pointer(&bare), (gpointer)symbol);
}

const DkSymbol *dk_symfile_by_name(DkSymFile *file, const char *name)
{
    if (!file->by_name) {
        gsize count;
        const DkSymbol *symbols = all_symbols(file, &count);
        file->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        /* Of several with one name a global one is meant first. */
        for (guint pass = 0; pass < 2; pass++) {
            for (gsize i = 0; i < count; i++) {
                if (symbols[i].is_global == !pass)
                    add_name(file->by_name, symbols[i].name, &symbols[i]);
            }
        }
    }
    return g_hash_table_lookup(file->by_name, name);
}
