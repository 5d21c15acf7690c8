/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion: commands at the start, else modules, symbols and registers. */
#include <string.h>

#include "console/console.h"

/* More than that is no help to anyone. */
#define COMPLETIONS_MAX 500

static void add(GPtrArray *found, const char *prefix, const char *text)
{
    if (g_str_has_prefix(text, prefix) && found->len < COMPLETIONS_MAX)
        g_ptr_array_add(found, g_strdup(text));
}

static void add_commands(GPtrArray *found, const char *prefix)
{
    for (const DkCommand *const *command = dk_commands(); *command; command++) {
        add(found, prefix, (*command)->name);
        for (guint i = 0; (*command)->aliases && (*command)->aliases[i]; i++)
            add(found, prefix, (*command)->aliases[i]);
    }
}

static void add_symbols(DkTarget *target, GPtrArray *found, const char *prefix, const char *bang)
{
    g_autofree char *module_name = g_strndup(prefix, bang - prefix);
    const DkModule *module = dk_target_module_by_name(target, module_name);
    DkSymFile *file = module ? dk_target_symbols(target, module, NULL) : NULL;
    if (!file || !file->ops->symbols)
        return;
    gsize count = 0;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    for (gsize i = 0; i < count && found->len < COMPLETIONS_MAX; i++) {
        if (!g_str_has_prefix(symbols[i].name, bang + 1))
            continue;
        g_autofree char *text = g_strconcat(module_name, "!", symbols[i].name, NULL);
        add(found, prefix, text);
    }
}

static void add_names(DkTarget *target, GPtrArray *found, const char *prefix)
{
    if (*prefix == '@') {
        const DkArch *arch = dk_target_arch(target);
        for (guint i = 0; arch && i < arch->nnames; i++) {
            g_autofree char *text = g_strconcat("@", arch->names[i].name, NULL);
            add(found, prefix, text);
        }
        return;
    }
    const char *bang = strchr(prefix, '!');
    if (bang) {
        add_symbols(target, found, prefix, bang);
        return;
    }
    const GPtrArray *modules = dk_target_subject(target)->process.modules;
    for (guint i = 0; i < modules->len; i++)
        add(found, prefix, dk_target_module_name(target, modules->pdata[i]));
}

static gint compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted and each once: one symbol can have several entries. */
static char **finish(GPtrArray *found)
{
    g_ptr_array_sort(found, compare);
    GPtrArray *unique = g_ptr_array_new();
    for (guint i = 0; i < found->len; i++) {
        if (!i || strcmp(found->pdata[i], found->pdata[i - 1]) != 0)
            g_ptr_array_add(unique, g_strdup(found->pdata[i]));
    }
    g_ptr_array_add(unique, NULL);
    return (char **)g_ptr_array_free(unique, FALSE);
}

char **dk_console_complete(DkConsole *console, const char *line)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *word = line + strlen(line);
    while (word > line && !strchr(" \t;(+-*,[\"", word[-1]))
        word--;
    const char *before = word;
    while (before > line && (before[-1] == ' ' || before[-1] == '\t'))
        before--;
    if (before == line || before[-1] == ';')
        add_commands(found, word);
    else if (console->target)
        add_names(console->target, found, word);
    return finish(found);
}
