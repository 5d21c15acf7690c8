/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMCOREINFO found in memory (the input is physical memory from 0 on) and parsed as it stands; the
 * kernel behind it, and its struct pages.
 */
#include <stdint.h>
#include <string.h>

#include "fuzz-memory.h"
#include "target/linux/kernel.h"
#include "target/linux/page-filter.h"
#include "target/linux/vmcoreinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS_MAX 100

static void look_at_pages(DkLinuxKernel *kernel, const DkVmcoreinfo *info)
{
    g_autoptr(DkLinuxPages) pages = dk_linux_pages_new(kernel, info, NULL);
    guint64 from = 0;
    guint64 first = 0, last = 0;
    for (guint i = 0; pages && i < RUNS_MAX; i++) {
        if (!dk_linux_pages_next(pages, from, i & 1 ? 0x3e : DK_LINUX_FREE, &first, &last, NULL))
            break;
        g_assert(first >= from && last >= first);
        from = last + 1;
    }
}

static void look_at(DkSpace *space, GBytes *text)
{
    guint64 value;
    g_autoptr(DkVmcoreinfo) info = dk_vmcoreinfo_parse(text, NULL);
    if (!info)
        return;
    g_assert(dk_vmcoreinfo_release(info));
    (void)!dk_vmcoreinfo_number(info, "phys_base", &value);
    (void)!dk_vmcoreinfo_kernel_offset(info, &value);
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(space, info, NULL, NULL);
    if (!kernel)
        return;
    dk_linux_kernel_is_in_place(kernel);
    g_free(dk_linux_kernel_banner(kernel));
    look_at_pages(kernel, info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    FuzzMemory *phys = g_new0(FuzzMemory, 1);
    dk_space_init(&phys->base, &fuzz_memory_ops);
    phys->bytes = data;
    phys->size = size;
    g_autoptr(DkSpace) space = &phys->base;
    g_autoptr(GBytes) all = g_bytes_new_static(data, size);
    look_at(space, all);
    g_autoptr(GBytes) found = dk_vmcoreinfo_find(space, 0, NULL, NULL);
    if (found)
        look_at(space, found);
    return 0;
}
