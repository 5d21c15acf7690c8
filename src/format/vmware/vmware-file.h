/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The groups and tags of a .vmss or .vmsn file, and what the groups "memory" and "cpu" say. */
#pragma once

#include "mem/format.h"

typedef struct {
    char *name;
    guint64 off; /* of its tags */
    guint64 size;
} DkVmwareGroup;

/* Pages of physical memory that stand in a row in the memory file. */
typedef struct {
    guint64 page; /* the first one in the memory file */
    guint64 ppn;  /* its physical page number */
    guint64 size; /* pages */
    guint8 known; /* bits of which of the three was there */
} DkVmwareRegion;

/* The registers of a virtual CPU, as far as they were there. */
typedef struct {
    guint64 gp[16]; /* rax rcx rdx rbx rbp rsp rsi rdi r8 to r15 */
    guint64 rip, eflags, cr[9], fs_base, gs_base;
    guint64 gdt, idt;
    guint16 gdt_limit, idt_limit;
    gboolean has_gp, has_rip, has_eflags;
    guint32 has_cr; /* bits */
} DkVmwareCpu;

typedef struct {
    GArray *groups;       /* of DkVmwareGroup */
    GArray *regions;      /* of DkVmwareRegion */
    guint32 region_count; /* as the file says */
    GArray *cpus;         /* of DkVmwareCpu */
    guint32 cpu_count;    /* as the file says */
    gboolean has_memory;  /* the memory is in this file: */
    guint64 memory_off;
    guint64 memory_size;
    GPtrArray *damage; /* of char *: tags that make no sense */
} DkVmwareFile;

/* Whether input begins as such a file does. */
gboolean dk_vmware_is_mine(DkInput *input);

/*
 * Reads it.  NOT_MINE for another magic; UNSUPPORTED for the 32-bit form and compressed memory;
 * DAMAGED when the table of groups is broken.  A group whose tags make no sense ends there, which
 * goes to damage.
 */
DkVmwareFile *dk_vmware_file_read(DkInput *input, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_vmware_file_free(DkVmwareFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkVmwareFile, dk_vmware_file_free)

/* Takes the CPUs into subject; those without registers say so, and are gaps of kind "cpu". */
void dk_vmware_cpus_take(const DkVmwareFile *file, DkSubject *subject);
