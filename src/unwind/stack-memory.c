/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unwind/stack-memory.h"

#include <string.h>

void dk_stack_memory_init(DkStackMemory *memory, DkSpace *space)
{
    memory->space = space;
    memory->next = 0;
    memory->missing_va = 0;
    for (guint i = 0; i < DK_STACK_PAGES; i++)
        memory->pages[i].len = 0;
}

gboolean dk_stack_memory_read(DkStackMemory *memory, guint64 va, void *buf, gsize len)
{
    guint64 page = va & -(guint64)DK_STACK_PAGE;
    gsize inside = (gsize)(va - page);
    for (guint i = 0; i < DK_STACK_PAGES; i++) {
        if (memory->pages[i].len && memory->pages[i].va == page &&
            inside + len <= memory->pages[i].len) {
            memcpy(buf, memory->pages[i].data + inside, len);
            return TRUE;
        }
    }
    if (inside + len <= DK_STACK_PAGE) {
        guint slot = memory->next;
        memory->next = (slot + 1) % DK_STACK_PAGES;
        memory->pages[slot].va = page;
        memory->pages[slot].len = dk_space_read(memory->space, page, memory->pages[slot].data,
                                                DK_STACK_PAGE);
        if (inside + len <= memory->pages[slot].len) {
            memcpy(buf, memory->pages[slot].data + inside, len);
            return TRUE;
        }
    }
    /* Across pages, or in a page whose start is not there. */
    gsize got = dk_space_read(memory->space, va, buf, len);
    if (got == len)
        return TRUE;
    memory->missing_va = va + got;
    return FALSE;
}

gboolean dk_stack_memory_word(DkStackMemory *memory, guint64 va, guint size, guint64 *value)
{
    guint64 raw = 0;
    if (!dk_stack_memory_read(memory, va, &raw, size))
        return FALSE;
    *value = GUINT64_FROM_LE(raw);
    return TRUE;
}
