/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/linux/kernel-facts.h"

#include "target/linux/kernel.h"
#include "target/linux/vmcoreinfo.h"

static void take_kernel(DkLinuxKernel *kernel, DkLinuxFacts *facts)
{
    const DkPageTables *tables = dk_linux_kernel_tables(kernel);
    facts->machine = dk_linux_kernel_machine(kernel);
    facts->paging = tables->paging->name;
    facts->levels = tables->paging->nlevels;
    facts->in_place = dk_linux_kernel_is_in_place(kernel);
    facts->page_root = tables->paging->split ? tables->root_high : tables->root;
    facts->stext_va = dk_linux_kernel_stext(kernel);
    facts->phys_base = dk_linux_kernel_phys_base(kernel);
    facts->banner = dk_linux_kernel_banner(kernel);
}

gboolean dk_linux_facts_read(DkSpace *phys, const DkMachine *machine, GBytes *vmcoreinfo,
                             DkLinuxFacts *facts, GError **error)
{
    g_autoptr(DkVmcoreinfo) info = dk_vmcoreinfo_parse(vmcoreinfo, error);
    if (!info)
        return FALSE;
    *facts = (DkLinuxFacts){.crash_time = -1};
    facts->release = g_strdup(dk_vmcoreinfo_release(info));
    facts->build_id = g_strdup(dk_vmcoreinfo_get(info, "BUILD-ID"));
    facts->offset_known = dk_vmcoreinfo_kernel_offset(info, &facts->kernel_offset);
    const char *crash_time = dk_vmcoreinfo_get(info, "CRASHTIME");
    if (!crash_time ||
        !g_ascii_string_to_signed(crash_time, 10, 0, G_MAXINT64, &facts->crash_time, NULL))
        facts->crash_time = -1;
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(phys, info, machine, NULL);
    if (kernel)
        take_kernel(kernel, facts);
    return TRUE;
}

void dk_linux_facts_clear(DkLinuxFacts *facts)
{
    g_clear_pointer(&facts->release, g_free);
    g_clear_pointer(&facts->banner, g_free);
    g_clear_pointer(&facts->build_id, g_free);
}
