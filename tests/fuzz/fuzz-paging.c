/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page tables: a byte for the kind of paging, eight for the root, then physical memory from 0 on.
 * Walks, reads and runs must end, stay in order and agree.
 */
#include <stdint.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/translate-space.h"
#include "fuzz-memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS_MAX 200

static const DkPaging *const pagings[] = {&dk_paging_x86,      &dk_paging_x86_pae,
                                          &dk_paging_x86_64,   &dk_paging_x86_64_la57,
                                          &dk_paging_arm64_48, &dk_paging_arm64_39};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 10)
        return 0;
    DkPageTables tables = {.paging = pagings[data[0] % G_N_ELEMENTS(pagings)]};
    memcpy(&tables.root, data + 1, sizeof tables.root);
    tables.root_high = tables.root;
    FuzzMemory *phys = g_new0(FuzzMemory, 1);
    dk_space_init(&phys->base, &fuzz_memory_ops);
    phys->bytes = data + 9;
    phys->size = size - 9;
    g_autoptr(DkSpace) below = &phys->base;
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    guint64 from = 0;
    DkRun run;
    for (guint i = 0; i < RUNS_MAX && dk_space_next_run(space, from, &run); i++) {
        guint8 buf[64];
        guint64 pa = 0;
        g_assert(run.first >= from);
        gboolean mapped = dk_translate_space_walk(space, run.first, NULL, &pa);
        g_assert(mapped || run.kind == DK_RUN_ABSENT);
        gsize got = dk_space_read(space, run.first, buf, sizeof buf);
        g_assert((got > 0) == (run.kind == DK_RUN_DATA));
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
    return 0;
}
