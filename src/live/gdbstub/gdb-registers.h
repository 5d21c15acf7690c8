/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target descriptions of GDB stubs ("Target Descriptions" in GDB's manual), which say what stands
 * where in the reply to "g", and such replies, for x86-64.
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"

/* Documents and registers of one description; more are refused. */
#define DK_GDB_DOCUMENTS_MAX 32u
#define DK_GDB_REGISTERS_MAX 4096u

typedef struct {
    char *name;
    guint bits;
} DkGdbRegister;

typedef struct {
    GPtrArray *registers; /* of DkGdbRegister, in the order of "g" */
    GPtrArray *includes;  /* names of documents that are still to be added */
    char *architecture;   /* such as "i386:x86-64", or NULL */
} DkGdbDescription;

DkGdbDescription *dk_gdb_description_new(void);
void dk_gdb_description_free(DkGdbDescription *description);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkGdbDescription, dk_gdb_description_free)

/* Appends what a document says.  DK_ERROR_PEER for what is no XML, LIMIT for too much. */
gboolean dk_gdb_description_add(DkGdbDescription *description, const char *text,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Takes a reply to "g" (hexadecimal digits) as the registers of cpu.  FALSE when general registers
 * are missing; control registers and such are taken where they are there, segments with their
 * selectors (and FS and GS with their bases) only.
 */
gboolean dk_gdb_description_take(const DkGdbDescription *description, const char *reply,
                                 DkCpu *cpu);
