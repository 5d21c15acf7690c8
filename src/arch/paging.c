/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/paging.h"

#include <string.h>

/* Bits of CR0 and CR4. */
#define CR0_PG ((guint64)1 << 31)
#define CR4_PAE ((guint64)1 << 5)
#define CR4_LA57 ((guint64)1 << 12)

/* The highest address of the lower half (of all, where addresses are not extended). */
static guint64 low_last(const DkPaging *paging)
{
    guint bits = paging->extended && !paging->split ? paging->va_bits - 1 : paging->va_bits;
    return ((guint64)1 << bits) - 1;
}

gboolean dk_paging_next_va(const DkPaging *paging, guint64 va, guint64 *next_va)
{
    guint64 last = low_last(paging);
    if (va <= last) {
        *next_va = va;
        return TRUE;
    }
    if (!paging->extended)
        return FALSE;
    *next_va = MAX(va, ~last);
    return TRUE;
}

guint64 dk_paging_piece_last(const DkPaging *paging, guint64 va)
{
    guint64 last = low_last(paging);
    return va <= last ? last : G_MAXUINT64;
}

gboolean dk_walk_begin(const DkPageTables *tables, guint64 va, DkWalk *walk)
{
    guint64 next_va;
    memset(walk, 0, sizeof *walk);
    walk->va = va;
    return dk_paging_next_va(tables->paging, va, &next_va) && next_va == va;
}

static guint64 root_of(const DkPageTables *tables, guint64 va)
{
    gboolean high = tables->paging->split && va > low_last(tables->paging);
    return (high ? tables->root_high : tables->root) & tables->paging->root_mask & ~tables->ignored;
}

static gboolean read_entry(DkSpace *phys, guint64 pa, guint size, guint64 *entry)
{
    guint8 bytes[8] = {0};
    if (dk_space_read(phys, pa, bytes, size) != size)
        return FALSE;
    guint64 value;
    memcpy(&value, bytes, sizeof value);
    *entry = GUINT64_FROM_LE(value);
    return TRUE;
}

gboolean dk_walk_step(const DkPageTables *tables, DkSpace *phys, DkWalk *walk)
{
    const DkPaging *paging = tables->paging;
    guint level = walk->nsteps;
    const DkWalkStep *above = level ? &walk->steps[level - 1] : NULL;
    if (level == paging->nlevels || (above && above->kind != DK_PTE_TABLE))
        return FALSE;
    const DkPagingLevel *geometry = &paging->levels[level];
    DkWalkStep *step = &walk->steps[walk->nsteps++];
    guint64 index = walk->va >> geometry->shift & (((guint64)1 << geometry->bits) - 1);
    *step = (DkWalkStep){.name = geometry->name, .shift = geometry->shift, .kind = DK_PTE_ABSENT};
    step->table_pa = above ? above->pa : root_of(tables, walk->va);
    step->entry_pa = step->table_pa + index * paging->entry_size;
    guint64 entry;
    if (!read_entry(phys, step->entry_pa, paging->entry_size, &entry))
        return FALSE;
    step->entry = entry & ~tables->ignored;
    paging->step(paging, level, step);
    step->entry = entry;
    return step->kind == DK_PTE_TABLE;
}

gboolean dk_page_walk(const DkPageTables *tables, DkSpace *phys, guint64 va, DkWalk *walk,
                      guint64 *pa)
{
    if (!dk_walk_begin(tables, va, walk))
        return FALSE;
    while (dk_walk_step(tables, phys, walk)) {
    }
    const DkWalkStep *last = dk_walk_last(walk);
    if (last->kind != DK_PTE_PAGE)
        return FALSE;
    *pa = last->pa + (va & (((guint64)1 << last->shift) - 1));
    return TRUE;
}

const char *dk_pte_kind_text(DkPteKind kind)
{
    switch (kind) {
    case DK_PTE_NONE:
        return "not present";
    case DK_PTE_TABLE:
        return "table";
    case DK_PTE_PAGE:
        return "page";
    case DK_PTE_INVALID:
        return "not valid";
    case DK_PTE_ABSENT:
        break;
    }
    return "not in the dump";
}

gboolean dk_page_tables_of_cpu(const DkCpu *cpu, DkMachineId machine, DkPageTables *tables)
{
    if (!(cpu->parts & DK_CPU_CONTROL) || !(cpu->cr0 & CR0_PG))
        return FALSE;
    const DkPaging *paging;
    if (machine == DK_MACHINE_X86_64)
        paging = cpu->cr4 & CR4_LA57 ? &dk_paging_x86_64_la57 : &dk_paging_x86_64;
    else if (machine == DK_MACHINE_X86)
        paging = cpu->cr4 & CR4_PAE ? &dk_paging_x86_pae : &dk_paging_x86;
    else
        return FALSE;
    *tables = (DkPageTables){.paging = paging, .root = cpu->cr3};
    return TRUE;
}
