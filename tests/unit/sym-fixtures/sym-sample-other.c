/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completes a type that the other half of the sample only declares. */
#include "sym-sample.h"

struct sample_hidden {
    long secret;
    sample_node *owner;
};

sample_hidden sample_kept = {.secret = 42};

int sample_other(sample_hidden *hidden, int number);

__attribute__((noinline)) int sample_other(sample_hidden *hidden, int number)
{
    return hidden ? (int)hidden->secret + number : (int)sample_kept.secret;
}

/* A name as C++ compilers make it: sample::mangled(int). */
int sample_mangled(int number) __asm__("_ZN6sample7mangledEi");

__attribute__((noinline, used)) int sample_mangled(int number)
{
    return number * 11;
}
