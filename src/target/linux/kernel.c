/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How addresses of the image become physical: x86-64, Documentation/arch/x86/x86_64/mm.rst
 * (the image is mapped at __START_KERNEL_map, moved by phys_base); arm64, NUMBER(kimage_voffset) of
 * vmcoreinfo.rst; x86, PAGE_OFFSET of the usual split.
 */
#include "target/linux/kernel.h"

#include <string.h>

#include "arch/translate-space.h"
#include "base/error.h"
#include "target/memory-scan.h"

#define X86_64_IMAGE 0xffffffff80000000ull
#define X86_PAGE_OFFSET 0xc0000000ull
#define BANNER "Linux version "
#define BANNER_MAX ((gsize)1024)
/* An image is smaller; the banner stands behind the code. */
#define IMAGE_MAX ((guint64)128 << 20)

struct DkLinuxKernel {
    DkSpace *phys;
    DkSpace *space;
    DkMachineId machine;
    DkPageTables tables;
    guint64 root_va;
    guint64 root_pa;
    guint64 image_va; /* minus image_pa is how far the image is moved */
    guint64 image_pa;
    guint64 stext_va;
    char *release;
};

void dk_linux_kernel_free(DkLinuxKernel *kernel)
{
    if (!kernel)
        return;
    dk_space_unref(kernel->space);
    dk_space_unref(kernel->phys);
    g_free(kernel->release);
    g_free(kernel);
}

static gboolean lacks(const char *what, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "VMCOREINFO has no %s", what);
    return FALSE;
}

static DkMachineId machine_of(const DkVmcoreinfo *info, guint64 root_va)
{
    guint64 value;
    if (dk_vmcoreinfo_number(info, "kimage_voffset", &value))
        return DK_MACHINE_ARM64;
    if (dk_vmcoreinfo_number(info, "phys_base", &value) ||
        dk_vmcoreinfo_symbol(info, "phys_base", &value) ||
        dk_vmcoreinfo_symbol(info, "init_top_pgt", &value) ||
        dk_vmcoreinfo_symbol(info, "init_level4_pgt", &value))
        return DK_MACHINE_X86_64;
    if (root_va >= X86_PAGE_OFFSET && root_va <= G_MAXUINT32)
        return DK_MACHINE_X86;
    return DK_MACHINE_UNKNOWN;
}

static gboolean find_root(DkLinuxKernel *kernel, const DkVmcoreinfo *info, GError **error)
{
    static const char *const names[] = {"init_top_pgt", "init_level4_pgt", "swapper_pg_dir"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (dk_vmcoreinfo_symbol(info, names[i], &kernel->root_va))
            return TRUE;
    }
    return lacks("SYMBOL(init_top_pgt) or SYMBOL(swapper_pg_dir)", error);
}

/* Kernels before 4.10 have no NUMBER(phys_base): a CPU's tables map the image too. */
static guint64 phys_base_of_cpus(DkLinuxKernel *kernel, const DkMachine *machine)
{
    for (guint i = 0; machine && i < machine->cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(machine->cpus, i);
        DkPageTables tables;
        DkWalk walk;
        guint64 pa;
        if (dk_page_tables_of_cpu(cpu, DK_MACHINE_X86_64, &tables) &&
            dk_page_walk(&tables, kernel->phys, kernel->root_va, &walk, &pa))
            return pa - (kernel->root_va - X86_64_IMAGE);
    }
    return 0;
}

static void set_x86_64(DkLinuxKernel *kernel, const DkVmcoreinfo *info, const DkMachine *machine)
{
    guint64 phys_base, l5 = 0, mask = 0;
    if (!dk_vmcoreinfo_number(info, "phys_base", &phys_base))
        phys_base = phys_base_of_cpus(kernel, machine);
    (void)!dk_vmcoreinfo_number(info, "pgtable_l5_enabled", &l5);
    (void)!dk_vmcoreinfo_number(info, "sme_mask", &mask);
    kernel->image_va = X86_64_IMAGE;
    kernel->image_pa = phys_base;
    kernel->tables.paging = l5 ? &dk_paging_x86_64_la57 : &dk_paging_x86_64;
    kernel->tables.ignored = mask;
}

static gboolean set_arm64(DkLinuxKernel *kernel, const DkVmcoreinfo *info, GError **error)
{
    guint64 offset, bits;
    if (!dk_vmcoreinfo_number(info, "kimage_voffset", &offset))
        return lacks("NUMBER(kimage_voffset)", error);
    if (!dk_vmcoreinfo_number(info, "VA_BITS", &bits))
        return lacks("NUMBER(VA_BITS)", error);
    if (dk_vmcoreinfo_page_size(info) != 4096 || (bits != 48 && bits != 39)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "page tables of arm64 with pages of %" G_GUINT64_FORMAT
                    " bytes and %" G_GUINT64_FORMAT "-bit addresses are not read yet",
                    dk_vmcoreinfo_page_size(info), bits);
        return FALSE;
    }
    kernel->image_va = offset;
    kernel->image_pa = 0;
    kernel->tables.paging = bits == 48 ? &dk_paging_arm64_48 : &dk_paging_arm64_39;
    /* No user memory: a page of zeros could be taken for an empty table, this address cannot. */
    kernel->tables.root = kernel->tables.paging->root_mask;
    return TRUE;
}

static gboolean set_machine(DkLinuxKernel *kernel, const DkVmcoreinfo *info,
                            const DkMachine *machine, GError **error)
{
    kernel->machine = machine_of(info, kernel->root_va);
    const char *pae = dk_vmcoreinfo_get(info, "CONFIG_X86_PAE");
    switch (kernel->machine) {
    case DK_MACHINE_X86_64:
        set_x86_64(kernel, info, machine);
        return TRUE;
    case DK_MACHINE_ARM64:
        return set_arm64(kernel, info, error);
    case DK_MACHINE_X86:
        kernel->image_va = X86_PAGE_OFFSET;
        kernel->tables.paging = pae ? &dk_paging_x86_pae : &dk_paging_x86;
        return TRUE;
    case DK_MACHINE_UNKNOWN:
        break;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "VMCOREINFO is that of a machine whose page tables are not read yet");
    return FALSE;
}

DkLinuxKernel *dk_linux_kernel_new(DkSpace *phys, const DkVmcoreinfo *info,
                                   const DkMachine *machine, GError **error)
{
    g_autoptr(DkLinuxKernel) kernel = g_new0(DkLinuxKernel, 1);
    kernel->phys = dk_space_ref(phys);
    kernel->release = g_strdup(dk_vmcoreinfo_release(info));
    if (!find_root(kernel, info, error) || !set_machine(kernel, info, machine, error))
        return NULL;
    if (!dk_vmcoreinfo_symbol(info, "_stext", &kernel->stext_va))
        kernel->stext_va = 0;
    kernel->root_pa = dk_linux_kernel_image_pa(kernel, kernel->root_va);
    if (kernel->tables.paging->split)
        kernel->tables.root_high = kernel->root_pa;
    else
        kernel->tables.root = kernel->root_pa;
    kernel->space = dk_translate_space_new(phys, &kernel->tables);
    return g_steal_pointer(&kernel);
}

DkMachineId dk_linux_kernel_machine(const DkLinuxKernel *kernel)
{
    return kernel->machine;
}

const DkPageTables *dk_linux_kernel_tables(const DkLinuxKernel *kernel)
{
    return &kernel->tables;
}

DkSpace *dk_linux_kernel_space(DkLinuxKernel *kernel)
{
    return kernel->space;
}

DkSpace *dk_linux_kernel_phys(DkLinuxKernel *kernel)
{
    return kernel->phys;
}

guint64 dk_linux_kernel_image_pa(const DkLinuxKernel *kernel, guint64 va)
{
    return va - kernel->image_va + kernel->image_pa;
}

gboolean dk_linux_kernel_is_in_place(DkLinuxKernel *kernel)
{
    guint64 pa;
    return dk_translate_space_walk(kernel->space, kernel->root_va, NULL, &pa) &&
           pa == kernel->root_pa;
}

gint64 dk_linux_kernel_phys_base(const DkLinuxKernel *kernel)
{
    return kernel->machine == DK_MACHINE_X86_64 ? (gint64)kernel->image_pa : 0;
}

guint64 dk_linux_kernel_stext(const DkLinuxKernel *kernel)
{
    return kernel->stext_va;
}

/* --- the banner --- */

typedef struct {
    DkSpace *phys;
    const char *release;
    char *best;
    gboolean sure; /* best ends in a new line and a NUL, as the kernel's own does */
} Banner;

static gboolean banner_hit(guint64 pa, gpointer data)
{
    Banner *banner = data;
    g_autofree char *text = dk_space_read_string(banner->phys, pa, BANNER_MAX);
    if (!text)
        return TRUE;
    const char *release = text + strlen(BANNER);
    gsize len = strcspn(text, "\n");
    /* The template of /proc/version has "%s" there. */
    if (len < strlen(BANNER) || !g_ascii_isdigit(*release) || !memchr(text, '(', len) ||
        !memchr(text, '#', len) || !g_utf8_validate(text, (gssize)len, NULL))
        return TRUE;
    if (banner->release &&
        (!g_str_has_prefix(release, banner->release) || release[strlen(banner->release)] != ' '))
        return TRUE;
    gboolean sure = text[len] == '\n' && text[len + 1] == '\0';
    if (!banner->best || sure) {
        g_free(banner->best);
        banner->best = g_strndup(text, len);
    }
    banner->sure = sure;
    return !sure;
}

char *dk_linux_banner_find(DkSpace *phys, guint64 first, guint64 last, guint64 max_bytes,
                           const char *release, DkProgress *progress, GError **error)
{
    Banner banner = {.phys = phys, .release = release};
    DkScan scan = {.needle = BANNER,
                   .len = strlen(BANNER),
                   .first = first,
                   .last = last,
                   .max_bytes = max_bytes};
    if (!dk_scan_memory(phys, &scan, banner_hit, &banner, NULL, progress, error))
        g_clear_pointer(&banner.best, g_free);
    return banner.best;
}

char *dk_linux_kernel_banner(DkLinuxKernel *kernel)
{
    if (!kernel->stext_va)
        return NULL;
    guint64 first = dk_linux_kernel_image_pa(kernel, kernel->stext_va);
    guint64 last = first > G_MAXUINT64 - IMAGE_MAX ? G_MAXUINT64 : first + IMAGE_MAX;
    return dk_linux_banner_find(kernel->phys, first, last, 0, kernel->release, NULL, NULL);
}
