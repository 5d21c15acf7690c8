/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fuzz targets of readers of plain images have in common. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "format/registry.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void image_fuzz_finding(DkVerify *verify, DkVerdict verdict, const char *part,
                                      const char *text)
{
    g_assert(part && g_utf8_validate(text, -1, NULL));
}

/* Reads at both ends of each run, and over the end; runs ascend. */
static inline void image_fuzz_runs(DkSpace *space)
{
    guint8 buffer[5000];
    guint64 from = 0;
    DkRun run;
    for (guint count = 0; count < 1000 && dk_space_next_run(space, from, &run); count++) {
        g_assert(run.first >= from);
        g_assert(run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO);
        dk_space_read(space, run.first, buffer, sizeof buffer);
        dk_space_read(space, run.first + (run.last - run.first) / 2, buffer, 16);
        dk_space_read(space, run.last, buffer, sizeof buffer);
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
}

/* Opens data as a file called name, verifies it and reads its memory. */
static inline int image_fuzz(const char *format_name, const char *name, const uint8_t *data,
                             size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes(name, bytes);
    const DkFormat *format = dk_format_by_name(format_name);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    if (!source) {
        g_assert(error && g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    g_assert(!error);
    DkVerify verify = {image_fuzz_finding, NULL, FALSE};
    g_assert(format->verify(source, TRUE, &verify, NULL));
    const GArray *ram = source->subject->system.ram;
    for (guint i = 1; i < ram->len; i++)
        g_assert(g_array_index(ram, DkRamRange, i - 1).last <
                 g_array_index(ram, DkRamRange, i).first);
    image_fuzz_runs(source->space);
    return 0;
}
