/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Linux kernel uses each page of physical memory for, by its array of struct page, so that a
 * dump can leave kinds of pages out.  What the members mean: the kernel's
 * Documentation/admin-guide/kdump/vmcoreinfo.rst and Documentation/mm/physical_memory.rst; the
 * kinds are those of makedumpfile(8)'s dump levels.
 */
#pragma once

#include <glib.h>

#include "target/linux/kernel.h"
#include "target/linux/vmcoreinfo.h"

typedef struct DkLinuxPages DkLinuxPages;

/* Kinds of pages; the first ones have the bits of makedumpfile's dump level. */
typedef enum {
    DK_LINUX_CACHE = 1 << 1,         /* of files, without private data of a file system */
    DK_LINUX_CACHE_PRIVATE = 1 << 2, /* of files, with it */
    DK_LINUX_USER = 1 << 3,          /* anonymous memory of processes, and huge pages */
    DK_LINUX_FREE = 1 << 4,          /* nobody's */
    DK_LINUX_OFFLINE = 1 << 5,       /* given back to the hypervisor, or poisoned */
} DkLinuxPageKind;

/*
 * The pages of kernel (which must outlive the result), whose VMCOREINFO is info (borrowed for the
 * call).  NULL with DK_ERROR_UNSUPPORTED that names what info lacks, or what does not add up.
 */
DkLinuxPages *dk_linux_pages_new(DkLinuxKernel *kernel, const DkVmcoreinfo *info,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_linux_pages_free(DkLinuxPages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkLinuxPages, dk_linux_pages_free)

/*
 * The first run of page frames, from from_pfn on, that are all of one kind in mask (of
 * DkLinuxPageKind); kind may be NULL.  FALSE when there is none.  Frames whose struct page is not
 * in the dump are of no kind.  Quick when called with ascending from_pfn.
 */
gboolean dk_linux_pages_next(DkLinuxPages *pages, guint64 from_pfn, guint32 mask,
                             guint64 *first_pfn, guint64 *last_pfn, guint32 *kind);
