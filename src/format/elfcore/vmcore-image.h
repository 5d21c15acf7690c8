/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the image of the Linux kernel lies, by VMCOREINFO.  A reader of an ELF vmcore that walks
 * the kernel's page tables has to find the first of them at its virtual address, so that a program
 * header has to map the image, as one does in the kernel's own /proc/vmcore.
 */
#pragma once

#include <glib.h>

#include "mem/sink.h"
#include "mem/subject.h"

typedef struct {
    guint64 va;   /* whole pages */
    guint64 pa;   /* where it lies in physical memory, in one piece */
    guint64 size; /* bytes */
    guint extent; /* the extent of the plan that holds all of it */
} DkVmcoreImage;

/*
 * The part of the image that VMCOREINFO names symbols in, as far as it lies in the extent that
 * holds the kernel's page table; FALSE where either is not known, or is not in the plan.
 */
gboolean dk_vmcore_image_find(const DkSubject *subject, const DkDumpPlan *plan,
                              DkVmcoreImage *image);
