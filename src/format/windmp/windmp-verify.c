/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bisect.h"
#include "format/windmp/windmp-file.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

static gboolean ram_before(gconstpointer data, gsize at, guint64 pa)
{
    return g_array_index((const GArray *)data, DkRamRange, at).last < pa;
}

/* Pages that stand in the file although the header has no memory there. */
static void check_outside(DkWindmp *dump, DkVerify *verify)
{
    const GArray *ram = dump->base.subject->system.ram;
    guint64 outside = 0;
    guint64 first = 0;
    guint64 from = 0;
    DkRun run;
    if (!dump->header.has_runs || !ram->len)
        return;
    while (dk_space_next_run(dump->base.space, from, &run)) {
        gsize at = dk_bisect(ram->len, ram_before, ram, run.first);
        gboolean inside = at < ram->len && g_array_index(ram, DkRamRange, at).first <= run.first &&
                          g_array_index(ram, DkRamRange, at).last >= run.last;
        if (!inside && !outside++)
            first = run.first;
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
    if (outside)
        dk_verify_add(verify, DK_VERIFY_NOTE, "memory",
                      "%" G_GUINT64_FORMAT " pieces of memory, the first at " X64
                      ", lie where the header's runs have none",
                      outside, first);
}

static void check_size(DkWindmp *dump, DkVerify *verify)
{
    const DkMachine *system = &dump->base.subject->system;
    const DkWindmpHeader *header = &dump->header;
    if (dump->cut) {
        if (header->required_space > dump->size)
            dk_verify_add(verify, DK_VERIFY_LACKS, "size",
                          "the header at offset 0x%x wants " X64 " bytes, the file has " X64,
                          header->wide ? (guint)G_STRUCT_OFFSET(DmpHeader64, required_space)
                                       : (guint)G_STRUCT_OFFSET(DmpHeader32, required_space),
                          header->required_space, dump->size);
        return;
    }
    if (!dump->data_end)
        return;
    if (system->secondary_size)
        dk_verify_add(verify, DK_VERIFY_OK, "size",
                      "memory ends at offset " X64 ", and " X64 " bytes of secondary data follow",
                      dump->data_end, system->secondary_size);
    else
        dk_verify_add(verify, DK_VERIFY_OK, "size",
                      "memory ends at offset " X64 ", where the file does", dump->data_end);
}

gboolean dk_windmp_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    g_assert(dk_windmp_is(source));
    DkWindmp *dump = (DkWindmp *)source;
    for (guint i = 0; i < dump->damage->len; i++)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "structure", "%s",
                      (const char *)g_ptr_array_index(dump->damage, i));
    if (dump->more_damage)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "structure", "%u more of these",
                      dump->more_damage);
    if (dump->header.type == DMP_TYPE_HEADER)
        dk_verify_add(verify, DK_VERIFY_LACKS, "memory", "the dump is a header without memory");
    if (!source->subject->system.windows.ps_loaded_module_list_va)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "the header does not say where the list of loaded modules is");
    if (!source->subject->system.page_root)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "the header does not say where the page tables are");
    check_size(dump, verify);
    check_outside(dump, verify);
    return TRUE;
}
