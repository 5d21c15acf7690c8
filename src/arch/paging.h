/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page tables: the geometry of each kind of paging, one step a level, and the record of a walk that
 * `!pte` prints.  Layouts: Intel SDM volume 3, chapter 4 (32-bit, PAE, 4-level and 5-level paging);
 * Arm ARM (DDI 0487) D8, VMSAv8-64 descriptors with a 4 KiB granule.
 *
 * To add a kind: fill in a const DkPaging and add it to the list of its DkArch.
 */
#pragma once

#include <glib.h>

#include "mem/machine.h"
#include "mem/space.h"

#define DK_PAGING_LEVELS_MAX 5

typedef struct DkPaging DkPaging;

/* What an entry of a page table is. */
typedef enum {
    DK_PTE_NONE,    /* not present for the processor */
    DK_PTE_TABLE,   /* pa is that of the next table */
    DK_PTE_PAGE,    /* pa is that of the page, which may be a large one */
    DK_PTE_INVALID, /* present, but bits that have to be zero are not */
    DK_PTE_ABSENT,  /* the memory of the entry is not in the dump */
} DkPteKind;

typedef enum {
    DK_PTE_WRITE = 1 << 0,
    DK_PTE_USER = 1 << 1,
    DK_PTE_NO_EXEC = 1 << 2,
    DK_PTE_ACCESSED = 1 << 3,
    DK_PTE_DIRTY = 1 << 4,
    DK_PTE_GLOBAL = 1 << 5,
    DK_PTE_LARGE = 1 << 6, /* a page above the last level */
} DkPteFlags;

/* One level of a walk. */
typedef struct {
    const char *name; /* of the level's entries, such as "PML4E"; static */
    guint shift;      /* log2 of the bytes that the entry stands for */
    guint64 table_pa; /* of the table that holds the entry */
    guint64 entry_pa;
    guint64 entry; /* its value; undefined when kind is ABSENT */
    DkPteKind kind;
    guint32 flags; /* DkPteFlags of a TABLE or PAGE */
    guint64 pa;    /* of the next table, or of the first byte of the page */
} DkWalkStep;

typedef struct {
    const char *name; /* of an entry */
    guint shift;      /* log2 of the bytes that an entry stands for */
    guint bits;       /* of the index into a table */
} DkPagingLevel;

struct DkPaging {
    const char *name;
    const DkPagingLevel *levels; /* the top one first */
    guint nlevels;
    guint entry_size;  /* bytes: 4 or 8 */
    guint va_bits;     /* bits of an address; of those in one half, where split */
    gboolean extended; /* the bits above are all like the highest one; FALSE: all zero (32-bit) */
    gboolean split;    /* addresses with high bits set have a root of their own */
    guint64 root_mask; /* the bits of a root register that are an address */
    /*
     * Fills in kind, flags and pa of *step by its entry, which belongs to levels[level]; entry has
     * been freed of bits that are no part of the address (see DkPageTables).
     */
    void (*step)(const DkPaging *paging, guint level, DkWalkStep *step);
};

extern const DkPaging dk_paging_x86;
extern const DkPaging dk_paging_x86_pae;
extern const DkPaging dk_paging_x86_64;      /* 4-level */
extern const DkPaging dk_paging_x86_64_la57; /* 5-level */
extern const DkPaging dk_paging_arm64_48;    /* 4 KiB granule, 48-bit addresses */
extern const DkPaging dk_paging_arm64_39;    /* 4 KiB granule, 39-bit addresses */

/* Page tables of one address space. */
typedef struct {
    const DkPaging *paging;
    guint64 root;      /* as the register holds it: CR3, TTBR0_EL1 */
    guint64 root_high; /* TTBR1_EL1 where paging->split; unused otherwise */
    guint64 ignored; /* bits of entries that are no part of an address: the C-bit of AMD SME/SEV */
} DkPageTables;

/* A walk: steps[0..nsteps-1] are the levels that were looked at so far. */
typedef struct {
    guint64 va;
    guint nsteps;
    DkWalkStep steps[DK_PAGING_LEVELS_MAX];
} DkWalk;

/* Starts a walk for va; FALSE when the paging has no such address (not canonical). */
gboolean dk_walk_begin(const DkPageTables *tables, guint64 va, DkWalk *walk);

/*
 * Goes one level on: reads the entry from phys and appends it to walk.  TRUE while another step can
 * follow, which is when the entry is a TABLE.
 */
gboolean dk_walk_step(const DkPageTables *tables, DkSpace *phys, DkWalk *walk);

/* The last step; not to be asked before the first one. */
static inline const DkWalkStep *dk_walk_last(const DkWalk *walk)
{
    return &walk->steps[walk->nsteps - 1];
}

/* The whole walk.  TRUE with *pa when va is mapped, whether that page is in the dump or not. */
gboolean dk_page_walk(const DkPageTables *tables, DkSpace *phys, guint64 va, DkWalk *walk,
                      guint64 *pa);

/* The lowest address at or above va that the paging can have; FALSE when there is none. */
gboolean dk_paging_next_va(const DkPaging *paging, guint64 va, guint64 *next_va);

/* The highest address of the piece without holes that va lies in, which the paging can have. */
guint64 dk_paging_piece_last(const DkPaging *paging, guint64 va);

/* "PML4E", 0x1000, ... for kind: "not present" and so on; static. */
const char *dk_pte_kind_text(DkPteKind kind);

/*
 * The page tables that cpu walks: kind by machine, CR0 and CR4, root by CR3 (Windows guests have
 * low bits there that are no address; they are kept).  FALSE when its control registers are not
 * known, paging is off, or the machine's registers are not known here.
 */
gboolean dk_page_tables_of_cpu(const DkCpu *cpu, DkMachineId machine, DkPageTables *tables);
