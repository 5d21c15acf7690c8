/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types that the sample program and the test that reads its DWARF both see. */
#pragma once

#include <stdint.h>

typedef struct sample_hidden sample_hidden; /* complete in sym-sample-other.c only */

enum sample_color { SAMPLE_RED, SAMPLE_GREEN = 5, SAMPLE_BLUE = -7 };
enum sample_wide { SAMPLE_SMALL = 1, SAMPLE_LARGE = 0x90000000 };

struct sample_bits {
    unsigned char lead;
    unsigned int one : 1;
    unsigned int three : 3;
    signed int twelve : 12;
    unsigned int more : 20; /* does not fit into the first unit */
    uint64_t wide : 40;
};

struct __attribute__((packed)) sample_packed {
    unsigned char lead : 5;
    unsigned int across : 30;
    uint16_t plain;
};

union sample_union {
    int number;
    double real;
    char bytes[12];
};

typedef int (*sample_callback)(struct sample_bits *bits, long count);

typedef struct sample_node {
    struct sample_node *next, *prev;
    const char *name;
    enum sample_color color;
    int grid[3][4][5];
    union sample_union value;
    struct {
        short x;
        volatile short y;
    } inner;
    union {
        uint8_t flat;
        uint32_t word;
    };
    sample_hidden *hidden;
    sample_callback callback;
    struct sample_bits bits;
    _Bool ready;
    char open[];
} sample_node;
