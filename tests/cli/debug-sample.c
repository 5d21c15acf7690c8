/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of `debug` look at: two threads that wait, and data of many types.  Its dumps are
 * shown to dumpkit and to gdb.
 */
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum colour { RED, GREEN = 5, BLUE };

union either {
    uint32_t number;
    float real;
};

struct pair {
    short left;
    long right;
};

struct sample {
    int number;
    enum colour colour;
    struct pair pair;
    char text[16];
    struct sample *next;
    unsigned low : 3;
    unsigned high : 5;
    double ratio;
    union either either;
    uint16_t numbers[3];
};

struct sample sample_second = {.number = -2, .colour = BLUE, .text = "second"};
struct sample sample_first = {.number = 1234,
                              .colour = GREEN,
                              .pair = {-7, 0x1122334455667788},
                              .text = "first",
                              .next = &sample_second,
                              .low = 5,
                              .high = 17,
                              .ratio = 0.5,
                              .either = {.number = 0x3f800000},
                              .numbers = {1, 2, 3}};
uint64_t sample_words[8] = {0x0123456789abcdef, 1, 2, 3, 0xfedcba9876543210, 5, 6, 7};
char sample_text[] = "a text to be found";
uint16_t sample_wide[] = {'w', 'i', 'd', 'e', 0};
void *sample_pointers[4] = {&sample_first, sample_words, sample_text, NULL};

__attribute__((noinline)) int sample_inner(int depth, const char *label)
{
    if (depth > 0)
        return sample_inner(depth - 1, label) + 1;
    for (;;)
        pause();
    return label[0];
}

static void *sample_thread(void *argument)
{
    sample_inner(2, argument);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    sample_pointers[3] = &sample_inner;
    if (pthread_create(&thread, NULL, sample_thread, sample_text) != 0)
        return 1;
    return sample_inner(4, sample_text);
}
