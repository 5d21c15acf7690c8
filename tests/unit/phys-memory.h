/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Physical memory for tests: SIZE bytes from 0 on, of which pages can be taken away.  Included by
 * the tests that need it.
 */
#pragma once

#include <string.h>

#include "mem/space.h"

typedef struct {
    DkSpace base;
    guint8 *bytes;
    gsize size;
    guint8 *kinds; /* a DkRunKind for each page */
    guint reads;
} PhysMemory;

static inline gsize phys_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    PhysMemory *phys = (PhysMemory *)space;
    gsize done = 0;
    phys->reads++;
    while (done < len && addr + done < phys->size &&
           phys->kinds[(addr + done) >> 12] <= DK_RUN_FILE) {
        gsize piece = MIN(len - done, 4096 - ((addr + done) & 4095));
        memcpy((guint8 *)buf + done, phys->bytes + addr + done, piece);
        done += piece;
    }
    return done;
}

static inline gboolean phys_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const PhysMemory *phys = (PhysMemory *)space;
    if (from >= phys->size)
        return FALSE;
    gsize page = from >> 12;
    guint8 kind = phys->kinds[page];
    run->first = (guint64)page << 12;
    while (page < phys->size >> 12 && phys->kinds[page] == kind)
        page++;
    run->last = ((guint64)page << 12) - 1;
    run->kind = (DkRunKind)kind;
    return TRUE;
}

static inline void phys_destroy(DkSpace *space)
{
    PhysMemory *phys = (PhysMemory *)space;
    g_free(phys->bytes);
    g_free(phys->kinds);
    g_free(phys);
}

static const DkSpaceOps phys_ops = {
    .name = "physical",
    .read = phys_read,
    .next_run = phys_next_run,
    .destroy = phys_destroy,
};

/* size is a multiple of 4096. */
static inline PhysMemory *phys_new(gsize size)
{
    PhysMemory *phys = g_new0(PhysMemory, 1);
    dk_space_init(&phys->base, &phys_ops);
    phys->bytes = g_malloc0(size);
    phys->kinds = g_malloc0(size >> 12);
    phys->size = size;
    return phys;
}

static inline void phys_put(PhysMemory *phys, guint64 pa, guint64 value, guint size)
{
    guint64 little = GUINT64_TO_LE(value);
    g_assert(pa + size <= phys->size);
    memcpy(phys->bytes + pa, &little, size);
}
