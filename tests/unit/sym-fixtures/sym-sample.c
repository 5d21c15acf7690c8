/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program whose symbols, types and lines the tests know. */
#include "sym-sample.h"

#include <stdio.h>

sample_node sample_first = {.name = "first"};
static struct sample_packed sample_pack = {.across = 5};
volatile union sample_union sample_shared;
enum sample_wide sample_width = SAMPLE_LARGE;
volatile int sample_sink;
static long sample_table[2][3] = {{1, 2, 3}, {4, 5, 6}};

int sample_other(sample_hidden *hidden, int number);
int sample_global(int number);
int sample_weak(int number);
int sample_chosen(int number);

static inline __attribute__((always_inline)) void sample_inner(int number)
{
    /* A symbol where both functions are inlined. */
    __asm__ volatile(".globl sample_spot\nsample_spot: nop\n");
    sample_sink += number;
}

static inline __attribute__((always_inline)) void sample_middle(int number)
{
    sample_inner(number + 1);
    sample_sink *= 3;
}

__attribute__((noinline)) int sample_global(int number)
{
    sample_sink = number;
    sample_middle(number);
    return sample_sink;
}

__attribute__((noinline)) static int sample_static(int number)
{
    return sample_global(number) + (int)sample_table[number & 1][1];
}

__attribute__((weak, noinline)) int sample_weak(int number)
{
    return number + sample_sink;
}

/* Both names stand at one address; the global one is the better. */
int sample_alias(int number) __attribute__((weak, alias("sample_global")));

static int sample_choice(int number)
{
    return number * 7;
}

static __attribute__((used)) int (*sample_resolve(void))(int)
{
    return sample_choice;
}

int sample_chosen(int number) __attribute__((ifunc("sample_resolve")));

int main(int argc, char **argv)
{
    sample_first.grid[1][2][3] = sample_static(argc);
    sample_pack.across += (unsigned)argc;
    sample_shared.number = sample_weak((int)sample_width);
    printf("%d %d %d\n", sample_chosen(argc), sample_other(sample_first.hidden, argc),
           sample_pack.across);
    return 0;
}
