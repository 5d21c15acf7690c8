/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/minidump/minidump-builder.h"

#define AT_ENTRY_TYPE 9u

/* The program's entry point as the auxiliary vector has it; 0 when not known. */
static guint64 entry_point(const DkSubject *subject)
{
    gsize len = 0;
    const guint8 *data = subject->process.auxv ? g_bytes_get_data(subject->process.auxv, &len)
                                               : NULL;
    for (gsize i = 0; i + 16 <= len; i += 16) {
        guint64 pair[2];
        memcpy(pair, data + i, sizeof pair);
        if (pair[0] == AT_ENTRY_TYPE)
            return pair[1];
    }
    return 0;
}

static gint compare_modules(gconstpointer a, gconstpointer b)
{
    const DkModule *left = *(const DkModule *const *)a;
    const DkModule *right = *(const DkModule *const *)b;
    return left->first < right->first ? -1 : left->first > right->first;
}

static GPtrArray *loaded_modules(const DkSubject *subject)
{
    const GPtrArray *modules = subject->process.modules;
    GPtrArray *loaded = g_ptr_array_new();
    for (guint i = 0; i < modules->len; i++) {
        DkModule *module = g_ptr_array_index(modules, i);
        if (!module->unloaded)
            g_ptr_array_add(loaded, module);
    }
    g_ptr_array_sort(loaded, compare_modules);
    return loaded;
}

/* Readers refuse a whole list in which modules overlap, so one ends where the next begins. */
static guint32 module_size(const GPtrArray *loaded, guint i)
{
    const DkModule *module = g_ptr_array_index(loaded, i);
    guint64 last = module->last;
    if (i + 1 < loaded->len) {
        const DkModule *next = g_ptr_array_index(loaded, i + 1);
        if (next->first > module->first)
            last = MIN(last, next->first - 1);
    }
    return (guint32)MIN(last - module->first, G_MAXUINT32 - 1) + 1;
}

static gboolean is_program(const DkSubject *subject, const DkModule *module, guint64 entry)
{
    if (entry)
        return entry >= module->first && entry <= module->last;
    return g_strcmp0(module->path, subject->process.exe) == 0;
}

static void write_module(DkMinidumpBuilder *builder, guint32 at, const DkModule *module,
                         guint32 size)
{
    MdmpModule raw = {.base_va = module->first, .size = size};
    raw.name_rva = dk_minidump_put_string(builder, module->path ? module->path : "unknown");
    if (module->build_id) {
        static const guint32 signature = MDMP_CV_BPEL;
        gsize len;
        const void *data = g_bytes_get_data(module->build_id, &len);
        raw.codeview.rva = dk_minidump_put(builder, &signature, sizeof signature, 4);
        dk_minidump_put(builder, data, len, 1);
        raw.codeview.size = (guint32)(sizeof signature + len);
    }
    dk_minidump_set(builder, at, &raw, sizeof raw);
}

void dk_minidump_write_modules(DkMinidumpBuilder *builder)
{
    guint64 entry = entry_point(builder->subject);
    g_autoptr(GPtrArray) loaded = loaded_modules(builder->subject);
    guint program = 0;
    for (guint i = 0; i < loaded->len; i++) {
        if (is_program(builder->subject, g_ptr_array_index(loaded, i), entry)) {
            program = i;
            break;
        }
    }
    guint32 list = dk_minidump_put_list(builder, loaded->len, sizeof(MdmpModule));
    dk_minidump_add_stream(builder, MDMP_MODULE_LIST, list);
    for (guint i = 0; i < loaded->len; i++) {
        /* Readers take the first one for the program. */
        guint slot = i == program ? 0 : i + (i < program);
        write_module(builder, list + 4 + slot * (guint32)sizeof(MdmpModule),
                     g_ptr_array_index(loaded, i), module_size(loaded, i));
    }
}
