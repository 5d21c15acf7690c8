/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/minidump/minidump-parts.h"

static void foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                         gpointer data)
{
    DkMinidump *md = (DkMinidump *)source;
    for (guint i = 0; i < md->streams->len; i++) {
        const MdmpDirectory *entry = &g_array_index(md->streams, MdmpDirectory, i);
        /* Windows reserves entries that it then does not use. */
        if (entry->type == MDMP_UNUSED)
            continue;
        const char *known = dk_minidump_stream_name(entry->type);
        g_autofree char *name = known ? g_strdup_printf("stream %s", known)
                                      : g_strdup_printf("stream 0x%x", entry->type);
        const DkNote note = {name, entry->location.rva, entry->location.size, md->notes->pdata[i]};
        each(&note, data);
    }
}

static void close_minidump(DkSource *source)
{
    DkMinidump *md = (DkMinidump *)source;
    dk_input_unref(md->input);
    g_array_unref(md->streams);
    g_ptr_array_unref(md->notes);
    g_array_unref(md->ranges);
    g_array_unref(md->cut);
    g_free(md);
}

static const DkSourceOps minidump_ops = {
    .name = "minidump",
    .caps = DK_SOURCE_VIRT | DK_SOURCE_REGS,
    .foreach_note = foreach_note,
    .close = close_minidump,
};

gboolean dk_minidump_is(const DkSource *source)
{
    return source->ops == &minidump_ops;
}

DkSource *dk_minidump_open(DkInput *input, GError **error)
{
    DkMinidump *md = g_new0(DkMinidump, 1);
    dk_source_init(&md->base, &minidump_ops, dk_input_name(input));
    g_autoptr(DkSource) source = &md->base;
    md->input = dk_input_ref(input);
    md->size = dk_input_size(input);
    md->streams = g_array_new(FALSE, FALSE, sizeof(MdmpDirectory));
    md->notes = g_ptr_array_new_with_free_func(g_free);
    md->ranges = g_array_new(FALSE, FALSE, sizeof(DkMinidumpRange));
    md->cut = g_array_new(FALSE, FALSE, sizeof(DkMinidumpRange));
    md->text_left = DK_MINIDUMP_TEXT_MAX;
    md->base.subject = dk_subject_new();
    if (!dk_minidump_read_directory(md, error))
        return NULL;
    dk_minidump_read_system(md);
    dk_minidump_read_misc(md);
    dk_minidump_read_modules(md);
    dk_minidump_read_linux(md);
    dk_minidump_read_threads(md);
    dk_minidump_read_memory(md);
    dk_minidump_read_mappings(md);
    dk_minidump_read_own(md);
    return g_steal_pointer(&source);
}
