/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The four kinds of paging of x86; Intel SDM volume 3, tables 4-4 to 4-20. */
#include "arch/paging.h"

#define PTE_P ((guint64)1 << 0)
#define PTE_RW ((guint64)1 << 1)
#define PTE_US ((guint64)1 << 2)
#define PTE_A ((guint64)1 << 5)
#define PTE_D ((guint64)1 << 6)
#define PTE_PS ((guint64)1 << 7)
#define PTE_G ((guint64)1 << 8)
#define PTE_XD ((guint64)1 << 63)
/* Bits of an entry of 8 bytes that are an address. */
#define ADDRESS_64 ((guint64)0x000ffffffffff000)

static guint32 flags_of(guint64 entry, gboolean is_page)
{
    guint32 flags = 0;
    flags |= entry & PTE_RW ? DK_PTE_WRITE : 0;
    flags |= entry & PTE_US ? DK_PTE_USER : 0;
    flags |= entry & PTE_A ? DK_PTE_ACCESSED : 0;
    flags |= is_page && entry & PTE_D ? DK_PTE_DIRTY : 0;
    flags |= is_page && entry & PTE_G ? DK_PTE_GLOBAL : 0;
    flags |= entry & PTE_XD ? DK_PTE_NO_EXEC : 0;
    return flags;
}

/* An entry of 8 bytes; large pages are of 2 MiB and, where gigantic, of 1 GiB. */
static void step_64(const DkPaging *paging, DkWalkStep *step, gboolean gigantic)
{
    guint64 entry = step->entry;
    if (!(entry & PTE_P)) {
        step->kind = DK_PTE_NONE;
        return;
    }
    gboolean large = step->shift > 12 && entry & PTE_PS;
    if (large && step->shift != 21 && !(step->shift == 30 && gigantic)) {
        step->kind = DK_PTE_INVALID;
        return;
    }
    gboolean is_page = large || step->shift == 12;
    step->kind = is_page ? DK_PTE_PAGE : DK_PTE_TABLE;
    step->flags = flags_of(entry, is_page) | (large ? DK_PTE_LARGE : 0);
    step->pa = entry & ADDRESS_64;
    if (large)
        step->pa &= ~(((guint64)1 << step->shift) - 1);
}

static void step_x86_64(const DkPaging *paging, guint level, DkWalkStep *step)
{
    step_64(paging, step, TRUE);
}

static void step_pae(const DkPaging *paging, guint level, DkWalkStep *step)
{
    step_64(paging, step, FALSE);
    /* An entry of the first level grants nothing and forbids nothing. */
    if (level == 0)
        step->flags = DK_PTE_WRITE | DK_PTE_USER;
}

static void step_x86(const DkPaging *paging, guint level, DkWalkStep *step)
{
    guint64 entry = step->entry;
    if (!(entry & PTE_P)) {
        step->kind = DK_PTE_NONE;
        return;
    }
    gboolean large = level == 0 && entry & PTE_PS;
    gboolean is_page = large || level == 1;
    step->kind = is_page ? DK_PTE_PAGE : DK_PTE_TABLE;
    step->flags = flags_of(entry, is_page) | (large ? DK_PTE_LARGE : 0);
    /* PSE-36: bits 13 to 20 of a large page's entry are bits 32 to 39 of its address. */
    step->pa = large ? (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 : entry & 0xfffff000;
}

static const DkPagingLevel levels_la57[] = {
    {"PML5E", 48, 9}, {"PML4E", 39, 9}, {"PDPTE", 30, 9}, {"PDE", 21, 9}, {"PTE", 12, 9}};
static const DkPagingLevel levels_pae[] = {{"PDPTE", 30, 2}, {"PDE", 21, 9}, {"PTE", 12, 9}};
static const DkPagingLevel levels_x86[] = {{"PDE", 22, 10}, {"PTE", 12, 10}};

const DkPaging dk_paging_x86 = {
    .name = "32-bit",
    .levels = levels_x86,
    .nlevels = 2,
    .entry_size = 4,
    .va_bits = 32,
    .root_mask = 0xfffff000,
    .step = step_x86,
};

const DkPaging dk_paging_x86_pae = {
    .name = "PAE",
    .levels = levels_pae,
    .nlevels = 3,
    .entry_size = 8,
    .va_bits = 32,
    .root_mask = 0xffffffe0,
    .step = step_pae,
};

const DkPaging dk_paging_x86_64 = {
    .name = "4-level",
    .levels = levels_la57 + 1,
    .nlevels = 4,
    .entry_size = 8,
    .va_bits = 48,
    .extended = TRUE,
    .root_mask = ADDRESS_64,
    .step = step_x86_64,
};

const DkPaging dk_paging_x86_64_la57 = {
    .name = "5-level",
    .levels = levels_la57,
    .nlevels = 5,
    .entry_size = 8,
    .va_bits = 57,
    .extended = TRUE,
    .root_mask = ADDRESS_64,
    .step = step_x86_64,
};
