/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which pages bench-kdump-read and peer-libkdumpfile read, and what they make of them. */
#pragma once

#include <stdint.h>
#include <string.h>

#define BENCH_PAGE 4096

typedef struct {
    unsigned long pages;
    uint64_t sum;
} BenchSum;

/* xorshift64*; the state must not be 0. */
static inline uint64_t bench_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545f4914f6cdd1d)) >> 11;
}

/* Takes a few words of a page, so that both programs show to have read the same. */
static inline void bench_add(BenchSum *sum, const uint8_t *page)
{
    for (unsigned at = 0; at < BENCH_PAGE; at += 512) {
        uint64_t word;
        memcpy(&word, page + at, sizeof word);
        sum->sum = (sum->sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    }
    sum->pages++;
}
