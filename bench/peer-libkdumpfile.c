/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As bench-kdump-read, by libkdumpfile's kdump_read(). */
#include <fcntl.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench-pages.h"

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    double begun = now_ms();
    if (argc != 5)
        return 2;
    int fd = open(argv[1], O_RDONLY);
    kdump_ctx_t *ctx = kdump_new();
    if (fd < 0 || !ctx || kdump_open_fd(ctx, fd) != KDUMP_OK) {
        fprintf(stderr, "peer-libkdumpfile: %s\n", ctx ? kdump_get_err(ctx) : "no memory");
        return 1;
    }
    uint64_t state = strtoull(argv[3], NULL, 0);
    uint64_t pages = strtoull(argv[4], NULL, 0) / BENCH_PAGE;
    BenchSum sum = {0, 0};
    uint8_t page[BENCH_PAGE];
    for (long i = 0; i < atol(argv[2]); i++) {
        uint64_t pa = bench_next(&state) % pages * BENCH_PAGE;
        size_t len = sizeof page;
        if (kdump_read(ctx, KDUMP_MACHPHYSADDR, pa, page, &len) == KDUMP_OK && len == sizeof page)
            bench_add(&sum, page);
    }
    printf("%lu %016llx %.3f\n", sum.pages, (unsigned long long)sum.sum, now_ms() - begun);
    kdump_free(ctx);
    return 0;
}
