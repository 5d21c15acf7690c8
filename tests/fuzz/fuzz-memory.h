/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a fuzz input as physical memory from address 0 on. */
#pragma once

#include <string.h>

#include "mem/space.h"

typedef struct {
    DkSpace base;
    const guint8 *bytes;
    gsize size;
} FuzzMemory;

static gsize fuzz_memory_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    const FuzzMemory *memory = (FuzzMemory *)space;
    if (addr >= memory->size)
        return 0;
    gsize got = MIN(len, memory->size - (gsize)addr);
    memcpy(buf, memory->bytes + addr, got);
    return got;
}

static gboolean fuzz_memory_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const FuzzMemory *memory = (FuzzMemory *)space;
    if (from >= memory->size)
        return FALSE;
    *run = (DkRun){from, memory->size - 1, DK_RUN_DATA};
    return TRUE;
}

static void fuzz_memory_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps fuzz_memory_ops = {
    .name = "physical",
    .read = fuzz_memory_read,
    .next_run = fuzz_memory_next_run,
    .destroy = fuzz_memory_destroy,
};
