/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Linux kernel in physical memory, found by its VMCOREINFO: where it lies, its page tables, the
 * virtual memory they map, and what it says of itself.
 */
#pragma once

#include <glib.h>

#include "arch/paging.h"
#include "mem/machine.h"
#include "mem/space.h"
#include "target/linux/vmcoreinfo.h"

typedef struct DkLinuxKernel DkLinuxKernel;

/*
 * The kernel that info (borrowed for the call) speaks of, in phys (referenced).  machine may be
 * NULL; its CPUs help with kernels before 4.10, which do not tell where they were loaded.  NULL
 * with DK_ERROR_UNSUPPORTED that names what info lacks, or that the machine is not known.
 */
DkLinuxKernel *dk_linux_kernel_new(DkSpace *phys, const DkVmcoreinfo *info,
                                   const DkMachine *machine,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_linux_kernel_free(DkLinuxKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkLinuxKernel, dk_linux_kernel_free)

DkMachineId dk_linux_kernel_machine(const DkLinuxKernel *kernel);

/* The kernel's own page tables (swapper_pg_dir); lent. */
const DkPageTables *dk_linux_kernel_tables(const DkLinuxKernel *kernel);

/* The virtual memory that they map; lent, for one thread at a time. */
DkSpace *dk_linux_kernel_space(DkLinuxKernel *kernel);

/* The physical memory that it was found in; lent. */
DkSpace *dk_linux_kernel_phys(DkLinuxKernel *kernel);

/* The physical address of va in the kernel's image, as info has it, without a walk. */
guint64 dk_linux_kernel_image_pa(const DkLinuxKernel *kernel, guint64 va);

/*
 * Whether the page tables are where info says and map themselves there, so that text and memory
 * belong together.
 */
gboolean dk_linux_kernel_is_in_place(DkLinuxKernel *kernel);

/* x86-64: the kernel's physical address minus that of its link (may be negative); 0 otherwise. */
gint64 dk_linux_kernel_phys_base(const DkLinuxKernel *kernel);

/* The virtual address of the kernel's code, _stext; 0 when info does not have it. */
guint64 dk_linux_kernel_stext(const DkLinuxKernel *kernel);

/*
 * The banner, "Linux version 6.1.0 ... #1 SMP ...", without the end of line, out of the kernel's
 * image; NULL when it is not in the dump.  Free with g_free().
 */
char *dk_linux_kernel_banner(DkLinuxKernel *kernel);

/*
 * A banner anywhere in the memory first..last, of which at most max_bytes are read (0: all), of the
 * given release (NULL: any); one that ends as the kernel's own does is better than a copy.  NULL
 * when there is none, or with DK_ERROR_CANCELLED.
 */
char *dk_linux_banner_find(DkSpace *phys, guint64 first, guint64 last, guint64 max_bytes,
                           const char *release, DkProgress *progress, GError **error);
