/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads random pages of physical memory from a dump, by dumpkit's reader.
 *
 *   bench-kdump-read FILE COUNT SEED LIMIT
 *
 * COUNT pages below the address LIMIT, chosen by SEED as peer-libkdumpfile chooses them.  Prints
 * how many were read, the sum of their bytes, and the milliseconds since the start of main().
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench-pages.h"
#include "format/registry.h"
#include "io/input.h"

int main(int argc, char **argv)
{
    gint64 begun = g_get_monotonic_time();
    if (argc != 5)
        return 2;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(argv[1], &error);
    g_autoptr(DkSource) source = input ? dk_format_open(input, NULL, &error) : NULL;
    if (!source) {
        fprintf(stderr, "bench-kdump-read: %s\n", error->message);
        return 1;
    }
    uint64_t state = strtoull(argv[3], NULL, 0);
    uint64_t pages = strtoull(argv[4], NULL, 0) / BENCH_PAGE;
    BenchSum sum = {0, 0};
    uint8_t page[BENCH_PAGE];
    for (long i = 0; i < atol(argv[2]); i++) {
        uint64_t pa = bench_next(&state) % pages * BENCH_PAGE;
        if (dk_space_read(source->space, pa, page, sizeof page) == sizeof page)
            bench_add(&sum, page);
    }
    printf("%lu %016llx %.3f\n", sum.pages, (unsigned long long)sum.sum,
           (double)(g_get_monotonic_time() - begun) / 1e3);
    return 0;
}
