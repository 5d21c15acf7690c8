/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMSAv8-64 with a 4 KiB granule; Arm ARM D8.3, "Translation table descriptor formats". */
#include "arch/paging.h"

#define DESC_VALID ((guint64)1 << 0)
#define DESC_TABLE ((guint64)1 << 1) /* of the last level: page */
#define DESC_AP_USER ((guint64)1 << 6)
#define DESC_AP_READ_ONLY ((guint64)1 << 7)
#define DESC_AF ((guint64)1 << 10)
#define DESC_NOT_GLOBAL ((guint64)1 << 11)
#define DESC_PXN ((guint64)1 << 53)
#define DESC_ADDRESS ((guint64)0x0000fffffffff000)

static void step_arm64(const DkPaging *paging, guint level, DkWalkStep *step)
{
    guint64 entry = step->entry;
    gboolean is_last = step->shift == 12;
    if (!(entry & DESC_VALID)) {
        step->kind = DK_PTE_NONE;
        return;
    }
    gboolean is_block = !(entry & DESC_TABLE);
    if (is_block && step->shift != 21 && step->shift != 30) {
        step->kind = DK_PTE_INVALID;
        return;
    }
    step->pa = entry & DESC_ADDRESS;
    if (!is_block && !is_last) {
        step->kind = DK_PTE_TABLE;
        step->flags = DK_PTE_WRITE | DK_PTE_USER;
        return;
    }
    step->kind = DK_PTE_PAGE;
    step->pa &= ~(((guint64)1 << step->shift) - 1);
    step->flags = (entry & DESC_AP_READ_ONLY ? 0 : DK_PTE_WRITE) |
                  (entry & DESC_AP_USER ? DK_PTE_USER : 0) |
                  (entry & DESC_PXN ? DK_PTE_NO_EXEC : 0) |
                  (entry & DESC_AF ? DK_PTE_ACCESSED : 0) |
                  (entry & DESC_NOT_GLOBAL ? 0 : DK_PTE_GLOBAL) | (is_block ? DK_PTE_LARGE : 0);
}

static const DkPagingLevel levels_48[] = {
    {"L0", 39, 9}, {"L1", 30, 9}, {"L2", 21, 9}, {"L3", 12, 9}};

const DkPaging dk_paging_arm64_48 = {
    .name = "4 KiB granule, 48-bit",
    .levels = levels_48,
    .nlevels = 4,
    .entry_size = 8,
    .va_bits = 48,
    .extended = TRUE,
    .split = TRUE,
    .root_mask = DESC_ADDRESS,
    .step = step_arm64,
};

const DkPaging dk_paging_arm64_39 = {
    .name = "4 KiB granule, 39-bit",
    .levels = levels_48 + 1,
    .nlevels = 3,
    .entry_size = 8,
    .va_bits = 39,
    .extended = TRUE,
    .split = TRUE,
    .root_mask = DESC_ADDRESS,
    .step = step_arm64,
};
