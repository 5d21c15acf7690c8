/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkNt: the memory of a machine understood as that of an NT kernel.  It answers where a symbol or
 * a member of a structure is, from the best source at hand: the symbols that belong to this very
 * kernel (PDB, then ISF), what the kernel itself exports, its KDDEBUGGER_DATA64, and last the
 * published tables of nt-offsets.c, by build.  Commands and analyzers ask here and never hold an
 * offset of their own.
 */
#pragma once

#include <glib.h>

#include "arch/paging.h"
#include "mem/source.h"
#include "sym/symfile.h"

typedef struct DkNt DkNt;

/* Where an answer came from, best first. */
typedef enum {
    DK_NT_FROM_SYMBOLS, /* PDB or ISF of this kernel, its id checked */
    DK_NT_FROM_EXPORTS, /* of the kernel's image */
    DK_NT_FROM_KDBG,
    DK_NT_FROM_HEADER, /* of the dump file */
    DK_NT_FROM_TABLE,  /* nt-offsets.c */
} DkNtOrigin;

/* "symbols", "exports", "KDBG", "dump header", "table". */
const char *dk_nt_origin_name(DkNtOrigin origin);

/* What a DkNt is made of.  dk_nt_new() copies it, and takes references of its own to spaces. */
typedef struct {
    DkSpace *phys;       /* NULL where the dump has virtual memory only (a triage dump) */
    DkSpace *space;      /* kernel virtual memory */
    DkPageTables tables; /* of space; paging NULL without phys */
    DkMachineId machine;
    guint32 build;      /* such as 19041; 0 when not known */
    guint64 base_va;    /* of the kernel's image */
    DkSymFile *symbols; /* PDB or ISF of the kernel; borrowed; NULL for none */
    DkSymFile *exports; /* of the image; borrowed; NULL for none */
    GBytes *kdbg;       /* KDDEBUGGER_DATA64, decoded; NULL when it was not found */
    guint64 kdbg_va;
    const guint64 *prcbs; /* KPRCB of each CPU, 0 where it is not known */
    guint nprcbs;
} DkNtParts;

DkNt *dk_nt_new(const DkNtParts *parts);
void dk_nt_free(DkNt *nt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkNt, dk_nt_free)

/* The parts, lent. */
const DkNtParts *dk_nt_parts(const DkNt *nt);
DkSpace *dk_nt_space(const DkNt *nt);
guint dk_nt_pointer_size(const DkNt *nt);

/*
 * The address of a variable or function of the kernel, by its plain name ("PoolTrackTable").
 * DK_ERROR_NOT_FOUND that says what was asked.  *origin may be NULL.
 */
gboolean dk_nt_symbol(DkNt *nt, const char *name, guint64 *va, DkNtOrigin *origin,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A member of a structure. */
typedef struct {
    guint64 offset; /* bytes from the start of the outermost structure */
    guint64 size;   /* bytes of the member; of the storage unit, of a bit field; 0: not known */
    guint bit_offset;
    guint bit_size;     /* 0 when it is no bit field */
    guint64 count;      /* of an array; 1 otherwise */
    const DkType *type; /* lent; NULL from a table */
    DkNtOrigin origin;
} DkNtMember;

/*
 * The member called path of type, such as "_EPROCESS" and "Pcb.DirectoryTableBase"; members of
 * unnamed unions and structs count as those of the whole.  DK_ERROR_NOT_FOUND that says what was
 * asked.
 */
gboolean dk_nt_member(DkNt *nt, const char *type, const char *path, DkNtMember *member,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_nt_has_member(DkNt *nt, const char *type, const char *path);

/* The size of a structure in bytes. */
gboolean dk_nt_size(DkNt *nt, const char *type, guint64 *size, DkNtOrigin *origin,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Reading; a failure is DK_ERROR_ABSENT that names what was read and the address, or the
 * DK_ERROR_NOT_FOUND of dk_nt_member().  Integers are little-endian.
 */
gboolean dk_nt_read_int(DkNt *nt, guint64 va, guint size, guint64 *value,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_nt_read_pointer(DkNt *nt, guint64 va, guint64 *value,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The integer member of the structure at va; bit fields are taken out of their unit. */
gboolean dk_nt_read_member(DkNt *nt, guint64 va, const char *type, const char *path, guint64 *value,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The integer (of size bytes) or pointer (size 0) that the variable called name holds. */
gboolean dk_nt_read_variable(DkNt *nt, const char *name, guint size, guint64 *value,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The UNICODE_STRING at va as UTF-8, at most DK_NT_STRING_MAX characters; g_free(). */
#define DK_NT_STRING_MAX 4096
char *dk_nt_read_unicode(DkNt *nt, guint64 va, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The integer of size bytes at off of KDDEBUGGER_DATA64; FALSE when it does not reach so far. */
gboolean dk_nt_kdbg(const DkNt *nt, guint off, guint size, guint64 *value);

/*
 * Walks the LIST_ENTRY ring whose head is at head_va and calls each with the address of every
 * structure, whose link is offset bytes in, until it answers FALSE.  A ring that meets itself
 * elsewhere than at its head, has more than max links, or leads to what the dump lacks ends with
 * DK_ERROR_DAMAGED, LIMIT or ABSENT; what was found until then stands.
 */
gboolean dk_nt_walk_list(DkNt *nt, guint64 head_va, guint64 offset, guint max,
                         gboolean (*each)(guint64 va, gpointer data), gpointer data,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
