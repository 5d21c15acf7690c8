/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage: many-maps N: that many mappings of a page, each with its number in its first word. */
#include <sys/mman.h>

#include "told-layout.h"

#define PAGE ((size_t)4096)

int main(int argc, char **argv)
{
    target_begin();
    CHECK(argc == 2);
    size_t count = strtoul(argv[1], NULL, 10);
    /* Every second page can only be read, so that none merges with its neighbour. */
    char *base = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    CHECK(base != MAP_FAILED);
    for (size_t i = 0; i < count; i++) {
        *(uint64_t *)(void *)(base + i * PAGE) = 0x5eed000000 + i;
        if (i % 2)
            CHECK(mprotect(base + i * PAGE, PAGE, PROT_READ) == 0);
    }
    printf("{\"pid\":%d,\"base\":%llu}\n", (int)getpid(), (unsigned long long)(uintptr_t)base);
    for (;;)
        pause();
    return 0;
}
