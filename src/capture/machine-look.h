/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at the memory of a machine's dump: how much of RAM is there, which kernel it holds, and
 * whether it can be read at all.  `check` judges by it.
 */
#pragma once

#include <glib.h>

#include "mem/source.h"
#include "target/linux/kernel.h"
#include "target/windows/nt-kernel.h"

typedef struct DkProgress DkProgress;

/* Bytes of RAM, by what the dump has of them; sums stop at G_MAXUINT64. */
typedef struct {
    gboolean known; /* the source says where RAM is; else ram is all that the dump speaks of */
    guint64 ram;
    guint64 data;
    guint64 zero;
    guint64 filtered;
    guint64 missing; /* neither there nor left out on purpose */
    guint64 runs;    /* pieces that data and zeros together are in */
} DkRamShare;

DkRamShare dk_ram_share_of(const DkMachine *machine, DkSpace *space);

/*
 * "RAM 512.0 MiB: 81.2 % data, 18.8 % zero" (and ", 3.1 % left out on purpose", ", 0.1 % missing").
 * Free with g_free().
 */
char *dk_ram_share_text(const DkRamShare *share);

typedef struct {
    DkRamShare share;
    /* Linux. */
    gboolean vmcoreinfo_in_file;
    gboolean searched_all;  /* for VMCOREINFO and a banner: all memory, not only a part */
    char *vmcoreinfo_error; /* why the text in the file cannot be used; or NULL */
    DkVmcoreinfo *vmcoreinfo;
    DkLinuxKernel *linux_kernel;
    char *linux_error; /* why linux_kernel is NULL in spite of vmcoreinfo */
    gboolean linux_in_place;
    char *banner;
    /* NT. */
    gboolean nt_valid;
    DkNtKernel nt;
    /* Pages that were sampled for their content, without those of one byte's repetition; of them,
     * those that look like random bytes. */
    guint sampled;
    guint random;
    gboolean is_ciphertext; /* nearly all are random, and no kernel is recognised */
} DkMachineLook;

/*
 * Looks at a machine whose space is physical memory.  Unless deep, memory is searched and sampled
 * in a part that does not grow with the dump.  NULL with DK_ERROR_CANCELLED only.
 */
DkMachineLook *dk_machine_look(const DkSubject *subject, DkSpace *space, gboolean deep,
                               DkProgress *progress, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_machine_look_free(DkMachineLook *look);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkMachineLook, dk_machine_look_free)

/* Page tables of the machine, the best that are known: a CPU's, the header's, the kernel's own. */
gboolean dk_machine_look_tables(const DkSubject *subject, const DkMachineLook *look,
                                DkPageTables *tables);
