/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `info` prints of a Linux kernel in a machine's dump. */
#pragma once

#include <glib.h>

#include "mem/machine.h"
#include "mem/space.h"

/* Texts are owned and NULL when not known. */
typedef struct {
    char *release;  /* "6.1.0-13-amd64" */
    char *banner;   /* "Linux version ...", of one line */
    char *build_id; /* in hex */
    DkMachineId machine;
    const char *paging;    /* "4-level", "5-level", ...; static */
    guint levels;          /* of page tables */
    gboolean in_place;     /* the page tables are in the dump, where VMCOREINFO says */
    guint64 page_root;     /* physical address of swapper_pg_dir */
    guint64 stext_va;      /* 0: not known */
    gint64 phys_base;      /* x86-64; 0 otherwise */
    gboolean offset_known; /* by how far KASLR has moved the kernel */
    guint64 kernel_offset; /* bytes */
    gint64 crash_time;     /* seconds since 1970 of a kernel that has crashed; -1: it has not */
} DkLinuxFacts;

/*
 * The facts that vmcoreinfo (its text) and the physical memory have; reads a few tables, and the
 * kernel's image until its banner.  Only the release is certain to be there: what cannot be told
 * for this machine stays NULL or 0.  FALSE with DK_ERROR_DAMAGED or LIMIT when the text is none.
 */
gboolean dk_linux_facts_read(DkSpace *phys, const DkMachine *machine, GBytes *vmcoreinfo,
                             DkLinuxFacts *facts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_linux_facts_clear(DkLinuxFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkLinuxFacts, dk_linux_facts_clear)
