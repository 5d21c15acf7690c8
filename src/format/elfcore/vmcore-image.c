/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/elfcore/vmcore-image.h"

#include <string.h>

#include "base/bisect.h"
#include "format/machine-notes.h"

/* Documentation/x86/x86_64/mm.rst: the kernel's text and data, at most 1 GiB. */
#define X86_IMAGE_VA G_GUINT64_CONSTANT(0xffffffff80000000)
#define IMAGE_MAX ((guint64)1 << 30)

/* What is added to a physical address of the image to make the virtual one, modulo 2^64. */
static gboolean image_offset(const DkSubject *subject, guint64 *offset)
{
    gboolean arm = subject->machine == DK_MACHINE_ARM64;
    g_autofree char *text = NULL;
    if (!arm && subject->machine != DK_MACHINE_X86_64)
        return FALSE;
    text = dk_machine_vmcoreinfo_get(subject, arm ? "NUMBER(kimage_voffset)" : "NUMBER(phys_base)");
    if (!text)
        return FALSE;
    /* phys_base is signed, kimage_voffset is written with 0x. */
    char *end;
    guint64 value = text[0] == '-' ? (guint64)g_ascii_strtoll(text, &end, 10)
                                   : g_ascii_strtoull(text, &end, 0);
    if (end == text || *end)
        return FALSE;
    *offset = arm ? value : X86_IMAGE_VA - value;
    return TRUE;
}

static gboolean symbol(const DkSubject *subject, const char *key, guint64 *va)
{
    g_autofree char *text = dk_machine_vmcoreinfo_get(subject, key);
    return text && g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT64, va, NULL);
}

/* The lowest and the highest symbol of the image that holds va. */
static void span(const DkSubject *subject, guint64 va, guint64 *low, guint64 *high)
{
    static const char *const names[] = {
        "_stext",
        "_text",
        "init_uts_ns",
        "swapper_pg_dir",
        "init_top_pgt",
        "node_online_map",
        "vmap_area_list",
        "prb",
        "clear_seq",
        "kallsyms_names",
        "kallsyms_token_table",
        "kallsyms_token_index",
        "kallsyms_offsets",
        "node_data",
        "log_buf",
        "mem_map",
    };
    *low = *high = va;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *key = g_strdup_printf("SYMBOL(%s)", names[i]);
        guint64 at;
        if (!symbol(subject, key, &at))
            continue;
        if (at < va ? va - at < IMAGE_MAX : at - va < IMAGE_MAX) {
            *low = MIN(*low, at);
            *high = MAX(*high, at);
        }
    }
}

static gboolean extent_before(gconstpointer data, gsize index, guint64 pa)
{
    return g_array_index((const GArray *)data, DkExtent, index).last < pa;
}

gboolean dk_vmcore_image_find(const DkSubject *subject, const DkDumpPlan *plan,
                              DkVmcoreImage *image)
{
    guint64 offset;
    guint64 table;
    if (!image_offset(subject, &offset) || (!symbol(subject, "SYMBOL(swapper_pg_dir)", &table) &&
                                            !symbol(subject, "SYMBOL(init_top_pgt)", &table)))
        return FALSE;
    /* Symbols of the direct map or of modules stand elsewhere. */
    if (subject->machine == DK_MACHINE_X86_64 && table < X86_IMAGE_VA)
        return FALSE;
    guint64 page = subject->page_size;
    guint64 low;
    guint64 high;
    span(subject, table, &low, &high);
    guint64 pa = table - offset;
    guint index = (guint)dk_bisect(plan->extents->len, extent_before, plan->extents, pa);
    if (index == plan->extents->len)
        return FALSE;
    const DkExtent *extent = &g_array_index(plan->extents, DkExtent, index);
    if (extent->first > pa || ((table | extent->first) & (page - 1)) || (pa & (page - 1)))
        return FALSE;
    guint64 before = MIN(table - (low & ~(page - 1)), pa - extent->first);
    guint64 behind = MIN((high | (page - 1)) - table, extent->last - pa);
    *image = (DkVmcoreImage){table - before, pa - before, before + behind + 1, index};
    return TRUE;
}
