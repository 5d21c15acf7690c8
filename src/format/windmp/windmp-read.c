/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "format/windmp/windmp-file.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

void dk_windmp_damage(DkWindmp *dump, const char *format, ...)
{
    if (dump->damage->len >= DK_WINDMP_TOLD_MAX) {
        dump->more_damage++;
        return;
    }
    va_list args;
    va_start(args, format);
    g_ptr_array_add(dump->damage, g_strdup_vprintf(format, args));
    va_end(args);
}

void dk_windmp_note(DkWindmp *dump, const char *name, guint64 off, guint64 size, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    DkNote note = {name, off, size, g_strdup_vprintf(format, args)};
    va_end(args);
    g_array_append_val(dump->notes, note);
}

void dk_windmp_cut(DkWindmp *dump, guint64 first, guint64 last, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    dump->cut = TRUE;
    if (dump->base.subject->gaps->len <= 2 * DK_WINDMP_TOLD_MAX)
        dk_subject_add_gap(dump->base.subject, "data", first, last, 0, "%s", text);
}

GBytes *dk_windmp_bytes(DkWindmp *dump, guint64 off, guint64 size, guint64 limit)
{
    if (off >= dump->size)
        return NULL;
    size = MIN(MIN(size, limit), dump->size - off);
    return size ? dk_input_read_bytes(dump->input, "Windows dump", off, size, limit, NULL) : NULL;
}

gboolean dk_windmp_raw(DkWindmp *dump, guint64 off, void *raw, gsize size)
{
    return off < dump->size && size <= dump->size - off &&
           dk_input_read(dump->input, off, raw, size, NULL) == (gssize)size;
}

static void foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                         gpointer data)
{
    const GArray *notes = ((DkWindmp *)source)->notes;
    for (guint i = 0; i < notes->len; i++)
        each(&g_array_index(notes, DkNote, i), data);
}

static void close_dump(DkSource *source)
{
    DkWindmp *dump = (DkWindmp *)source;
    dk_input_unref(dump->input);
    g_array_unref(dump->notes);
    g_ptr_array_unref(dump->damage);
    g_free(dump);
}

static const DkSourceOps physical_ops = {
    .name = "dmp",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS,
    .foreach_note = foreach_note,
    .close = close_dump,
};

static const DkSourceOps virtual_ops = {
    .name = "dmp",
    .caps = DK_SOURCE_VIRT | DK_SOURCE_REGS,
    .foreach_note = foreach_note,
    .close = close_dump,
};

gboolean dk_windmp_is(const DkSource *source)
{
    return source->ops == &physical_ops || source->ops == &virtual_ops;
}

static void note_clear(gpointer data)
{
    g_free(((DkNote *)data)->text);
}

static gint compare_notes(gconstpointer a, gconstpointer b)
{
    const DkNote *left = a;
    const DkNote *right = b;
    return (left->off > right->off) - (left->off < right->off);
}

static DkWindmpIndex *read_index(DkWindmp *dump)
{
    switch (dump->header.type) {
    case DMP_TYPE_FULL:
        return dk_windmp_index_full(dump);
    case DMP_TYPE_TRIAGE:
        return dk_windmp_index_triage(dump);
    case DMP_TYPE_SUMMARY:
    case DMP_TYPE_BITMAP_FULL:
    case DMP_TYPE_BITMAP_KERNEL:
    case DMP_TYPE_AUTOMATIC:
        return dk_windmp_index_bitmap(dump);
    case DMP_TYPE_LIVE_KERNEL:
    case DMP_TYPE_LIVE_KERNEL_USER:
    case DMP_TYPE_LIVE_COMPLETE:
        return dk_windmp_index_live(dump);
    case DMP_TYPE_HEADER:
        return NULL;
    default:
        dump->opaque = TRUE;
        return NULL;
    }
}

/* Fills system.ram: by the header where it has runs, else by the pages that are there. */
static void fill_ram(DkWindmp *dump, const DkWindmpIndex *index)
{
    DkMachine *system = &dump->base.subject->system;
    g_autoptr(GArray) runs = dk_windmp_runs(dump);
    for (guint i = 0; runs && i < runs->len; i++) {
        const DkWindmpPiece *run = &g_array_index(runs, DkWindmpPiece, i);
        dk_machine_add_ram(system, run->first, run->last);
    }
    DkWindmpPiece piece;
    guint64 from = 0;
    while (!system->ram->len || from) {
        if (!index || !index->find(index, from, G_MAXUINT64, &piece))
            break;
        if (system->ram->len < DK_WINDMP_RAM_MAX)
            dk_machine_add_ram(system, piece.first, piece.last);
        else
            g_array_index(system->ram, DkRamRange, system->ram->len - 1).last = piece.last;
        from = piece.last + 1;
    }
}

static void read_secondary(DkWindmp *dump)
{
    DkMachine *system = &dump->base.subject->system;
    if (!dump->data_end || dump->cut || dump->size <= dump->data_end)
        return;
    system->secondary_size = dump->size - dump->data_end;
    system->secondary = dk_windmp_slice_new(dump->input, dump->data_end, system->secondary_size);
    dk_windmp_note(dump, "secondary data", dump->data_end, system->secondary_size,
                   "of drivers and firmware; kept as it is");
}

static void read_memory(DkWindmp *dump)
{
    DkSubject *subject = dump->base.subject;
    gboolean triage = dump->header.type == DMP_TYPE_TRIAGE;
    guint before = dump->damage->len;
    DkWindmpIndex *index = read_index(dump);
    if (!triage) {
        /* What the runs have wrong was said already if they are the memory's places. */
        guint said = dump->damage->len;
        fill_ram(dump, index);
        if (dump->header.type == DMP_TYPE_FULL && said > before)
            g_ptr_array_set_size(dump->damage, (gint)said);
    }
    gboolean known = dump->header.has_runs && subject->system.ram->len && !triage &&
                     dump->header.type != DMP_TYPE_FULL && index;
    if (dump->opaque)
        dk_subject_add_gap(subject, "data", 1, 0, 0,
                           "nobody has described how a dump of type %u (%s) of %u bits holds %s",
                           dump->header.type, dk_windmp_type_name(dump->header.type),
                           dump->header.wide ? 64 : 32,
                           triage ? "its memory blocks and drivers" : "its memory");
    dump->base.space = dk_windmp_space_new(dump->input, index, known ? subject->system.ram : NULL);
    if (triage)
        dk_windmp_triage_registers(dump);
    read_secondary(dump);
    subject->origin.complete = dump->cut ? 0 : triage && dump->data_end ? 1 : -1;
}

DkSource *dk_windmp_open(DkInput *input, GError **error)
{
    DkWindmp *dump = g_new0(DkWindmp, 1);
    dk_source_init(&dump->base, &physical_ops, dk_input_name(input));
    g_autoptr(DkSource) source = &dump->base;
    dump->input = dk_input_ref(input);
    dump->size = dk_input_size(input);
    dump->notes = g_array_new(FALSE, FALSE, sizeof(DkNote));
    g_array_set_clear_func(dump->notes, note_clear);
    dump->damage = g_ptr_array_new_with_free_func(g_free);
    source->subject = dk_subject_new();
    if (!dk_windmp_read_header(dump, error))
        return NULL;
    if (dump->header.type == DMP_TYPE_TRIAGE)
        source->ops = &virtual_ops;
    read_memory(dump);
    dk_subject_sort(source->subject);
    g_array_sort(dump->notes, compare_notes);
    return g_steal_pointer(&source);
}
